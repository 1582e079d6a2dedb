"""Linux bridges of this host, such as Docker's own, joined to the network: `join-bridge`, `leave-bridge`."""

from typing import Any

import click

from scripts.cli.group import command
from scripts.cli.output import changed
from scripts.cli.params import output_option, vlan_option
from scripts.cli.where import helper


@command("join-bridge", "join-bridge docker0", "join-bridge docker0 --vlan 10 --nat")
@click.argument("bridge")
@vlan_option("VLAN of everything behind the bridge, 1 to 4094. Without it: 1.")
@click.option("--nat", is_flag=True, help="Let what is behind it reach the outside world under the host's address.")
@output_option
def join_bridge(bridge: str, vlan: int | None, nat: bool, output: str) -> None:
    """Join a Linux bridge of this host to a VLAN.

    BRIDGE is the bridge's name; the containers on it are joined with it.
    Docker's own containers on that bridge become endpoints as they come and go. Bridge and addresses stay as they are.
    """
    body = {"bridge": bridge, "nat": nat} | ({"vlan": vlan} if vlan is not None else {})
    answer = helper().ask("POST", "/v1/join-bridge", body, doing=f"{bridge} to be joined")
    changed(answer, output, _joined)


def _joined(join: dict[str, Any]) -> str:
    how = f"joined{' so already,' if join['already'] else ''} to vlan {join['vlan']}"
    return f"{join['bridge']} is {how}{', with NAT' if join['nat'] else ''}"


@command("leave-bridge", "leave-bridge docker0", "leave-bridge docker0 -o json")
@click.argument("bridge")
@output_option
def leave_bridge(bridge: str, output: str) -> None:
    """Part a Linux bridge from its VLAN: undo `join-bridge`.

    BRIDGE stays, with its containers, but is on its own again.
    """
    answer = helper().ask("POST", "/v1/leave-bridge", {"bridge": bridge}, doing=f"{bridge} to be left")
    changed(answer, output, f"{bridge} is on its own again")
