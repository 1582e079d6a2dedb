"""Containers of this host: `connect`, `disconnect`, `wait`. All of it is the helper's work; this asks it."""

from typing import Any

import click

from scripts.cli.complete import local_containers
from scripts.cli.group import command
from scripts.cli.output import changed
from scripts.cli.params import interface_option, output_option, rate_options, vlan_option
from scripts.cli.where import helper


@command(
    "connect",
    "connect web1 172.15.42.100/24",
    "connect web1 172.15.42.100/24 --vlan 10 --up 10mbit --gateway 172.15.42.1",
    "connect web1 172.15.42.100/24 --address6 fd00:42::100/64",
    "connect netns:probe 172.15.42.7/24 --interface eth1",
)
@click.argument("container")
@click.argument("address")
@click.option("--address6", metavar="IPV6", help="An IPv6 address beside it, fd00:42::100/64.")
@vlan_option("VLAN, 1 to 4094, where no policy decides. Without it: 1.")
@rate_options
@interface_option("Its name in the container. Without it: the first free of eth0, eth1, ...")
@click.option("--gateway", metavar="IP", help="Where the container's default route goes.")
@click.option("--bridge", metavar="LINUXBRIDGE", help="Join through this Linux bridge (see join-bridge).")
@output_option
def connect(container: str, address: str, output: str, **wanted: Any) -> None:
    """Give CONTAINER an interface with ADDRESS.

    CONTAINER is a name or id of Docker on this host, or netns:NAME for a network namespace. ADDRESS is written with
    its prefix, 172.15.42.100/24; the prefix may be left out where the network has a subnet. So it is with --address6.

    The container keeps the interface over its restarts, until `disconnect`. Its first process starts before it has
    one: let that wait with `containet wait`, or until the interface is there. Connecting again with the same
    arguments is no error; with others it is refused. What --vlan, --up and --down say holds where no policy matches.
    """
    said = {key: value for key, value in wanted.items() if value is not None}
    answer = helper().ask(
        "POST",
        "/v1/connect",
        {"container": container, "address": address, **said},
        doing=f"{container} to be connected",
    )
    changed(answer, output, _connected)


@command("disconnect", "disconnect web1", "disconnect web1 --interface eth1")
@click.argument("container", shell_complete=local_containers)
@interface_option("Only this interface. Without it: all that `connect` gave.")
@output_option
def disconnect(container: str, interface: str | None, output: str) -> None:
    """Take from CONTAINER what `connect` gave it.

    A container that is stopped, or removed already, can be disconnected too: what is written about it goes.
    """
    body = {"container": container} | ({"interface": interface} if interface else {})
    answer = helper().ask("POST", "/v1/disconnect", body, doing=f"{container} to be disconnected")
    changed(answer, output, lambda document: "disconnected: " + ", ".join(document["removed"]))


@command("wait", "wait web1", "wait web1 --interface eth0 --timeout 60")
@click.argument("container", shell_complete=local_containers)
@interface_option("This interface. Without it: any.")
@click.option("--timeout", type=click.FloatRange(0, 3600), default=30.0, show_default=True, help="Seconds.")
@output_option
def wait(container: str, interface: str | None, timeout: float, output: str) -> None:
    """Wait until CONTAINER is connected and every switch knows.

    For what is started together with a container and needs the network. Ends with 3 if the time is over first.
    """
    body = {"container": container, "timeout": timeout} | ({"interface": interface} if interface else {})
    answer = helper().ask("POST", "/v1/wait", body, timeout=timeout + 10, doing=f"{container} to be connected")
    changed(answer, output, lambda found: f"{container} is {'not ' if found['pending'] else ''}connected")


def _connected(document: dict[str, Any]) -> str:
    endpoint = document["endpoint"]
    addresses = " and ".join(filter(None, (endpoint["address"], endpoint.get("address6"))))
    what = (
        f"{'connected so already: ' if document['already'] else ''}"
        f"{endpoint['name']} {endpoint['interface']} is {addresses} in {endpoint['network']} "
        f"(vlan {endpoint['vlan']}) on {endpoint['host']}"
    )
    rates = [f"{way} {endpoint[way]}" for way in ("up", "down") if endpoint.get(way) not in (None, "none")]
    return ", ".join([what, *rates])
