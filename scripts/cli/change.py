"""Running containers, changed with no reconnection: `move` to another VLAN, `limit` to other rates."""

from collections.abc import Mapping
from urllib.parse import quote

import click

from scripts.cli.client import Answer
from scripts.cli.complete import endpoint_names
from scripts.cli.group import command
from scripts.cli.output import changed
from scripts.cli.params import output_option, rate_options, vlan_option
from scripts.cli.where import controller


@command("move", "move web1 --vlan 20", "move web1 web2 --vlan 20")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=endpoint_names)
@vlan_option("The VLAN to move to, 1 to 4094.", required=True)
@output_option
def move(names: tuple[str, ...], vlan: int, output: str) -> None:
    """Move running containers to another VLAN, as one change.

    Interface, address and MAC stay; connections between those that move together live on. The network moved to must
    have the same subnet or none. NAME is the container's name where only one host has it, else host2:web1; web1:eth1
    is one of several interfaces. The move is kept in the policy, before everything else.
    """
    answer = _change(names, {"vlan": vlan}, f"{', '.join(names)} to be moved")
    changed(answer, output, f"{', '.join(names)} moved to vlan {vlan}")


@command("limit", "limit web1 --up 10mbit --down 100mbit", "limit host2:web1 --up none")
@click.argument("name", shell_complete=endpoint_names)
@rate_options
@output_option
def limit(name: str, up: str | None, down: str | None, output: str) -> None:
    """Limit what a running container sends and receives.

    `none` lifts a limit; what is not said stays as it is. NAME is the container's name where only one
    host has it, else host2:web1; web1:eth1 is one of several interfaces. The limit is kept in the policy, before
    everything else.
    """
    rates = {way: rate for way, rate in (("up", up), ("down", down)) if rate is not None}
    if not rates:
        raise click.UsageError("Nothing to limit: say --up RATE, --down RATE or both.")
    answer = _change((name,), rates, f"{name} to be limited")
    changed(answer, output, f"{name} limited: " + ", ".join(f"{way} {rate}" for way, rate in rates.items()))


def _change(names: tuple[str, ...], wanted: Mapping[str, object], doing: str) -> Answer:
    if len(names) == 1:
        return controller().ask("PATCH", f"/v1/endpoints/{quote(names[0], safe='')}", wanted, doing=doing)
    return controller().ask("PATCH", "/v1/endpoints", {"names": names, **wanted}, doing=doing)
