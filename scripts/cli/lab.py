"""Several hosts on this machine: `lab up`, `lab down`, `lab status`, `lab exec`. The work is done by `scripts.lab`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from scripts import lab as rooms
from scripts.cli.group import REFUSED, Refused, command
from scripts.cli.params import output_option
from scripts.cli.tables import table

F = TypeVar("F", bound=Callable[..., object])


def name_option(function: F) -> F:
    """`--name`: which lab."""
    return click.option("--name", metavar="LAB", default="lab", show_default=True, help="Which lab.")(function)


@click.group("lab")
def lab() -> None:
    """Make several hosts on this machine, to try and to teach.

    Each host has its own network namespace, Open vSwitch, Docker engine and helper; one controller serves them. Needs
    root.
    """


@command("up", "lab up --hosts 3", "lab up --tunnel gre --name class --port 8081 --ofp-port 6654")
@click.option("--hosts", type=click.IntRange(1, 16), default=2, show_default=True, help="How many: h1, h2, ...")
@click.option(
    "--tunnel", type=click.Choice(["gre", "vxlan"]), default="vxlan", show_default=True, help="Between hosts."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Of the REST API.")
@click.option("--ofp-port", type=click.IntRange(1, 65535), default=6653, show_default=True, help="Of OpenFlow.")
@click.option("--firewall", is_flag=True, help="Docker has iptables of its own, as Debian installs it.")
@name_option
def up(hosts: int, tunnel: str, port: int, ofp_port: int, firewall: bool, name: str) -> None:
    """Make a lab, and wait until every host is connected and linked.

    Several labs stand side by side under other names and ports.
    """
    with _lab_errors():
        rooms.up(name=name, hosts=hosts, tunnel=tunnel, port=port, ofp_port=ofp_port, firewall=firewall, say=_say)
    click.echo(f"lab “{name}” is up: hosts h1 to h{hosts}, REST at http://127.0.0.1:{port}")


@command("down", "lab down", "lab down --name class")
@name_option
def down(name: str) -> None:
    """Take a lab away, with its containers, and leave nothing of it. No lab there is no error."""
    with _lab_errors():
        rooms.down(name=name, say=_say)
    click.echo(f"lab “{name}” is gone")


@command("status", "lab status", "lab status --name class -o json")
@name_option
@output_option
def status(name: str, output: str) -> None:
    """Show what a lab has, and whether all of it runs.

    Ends with 1 if there is no such lab, or something of it does not run.
    """
    with _lab_errors():
        found = rooms.status(name=name)
    click.echo(json.dumps(found) if output == "json" else _described(found))
    if not found["up"]:
        click.get_current_context().exit(REFUSED)


@command(
    "exec",
    "lab exec h1 -- docker run -d --net=none --name web1 lab sleep 1000",
    "lab exec h1 -- containet connect web1 172.15.42.100/24",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@name_option
@click.argument("host")
@click.argument("argv", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, name: str, host: str, argv: tuple[str, ...]) -> None:
    """Run a command as if on HOST of a lab, and end as it ends.

    Its docker, ovs-vsctl and containet talk to that host's.
    """
    with _lab_errors():
        code = rooms.run(host=host, argv=argv[argv[0] == "--" :], name=name)
    ctx.exit(code)


for _command in (up, down, status, run):
    lab.add_command(_command)


def _described(found: dict[str, Any]) -> str:
    if found["controller"] is None:
        return f"There is no lab “{found['name']}”: `containet lab up` makes one."
    machines = [{"name": "controller", **found["controller"]}, *found["hosts"]]
    rows = (
        (machine["name"], machine["address"], role, process["pid"], process["state"])
        for machine in machines
        for role, process in machine["processes"].items()
    )
    tunnel, rest, logs = found["tunnel"], found["rest"], found["logs"]
    head = f"lab “{found['name']}” is {'up' if found['up'] else 'not whole'}: {tunnel}, REST at {rest}, logs in {logs}"
    return f"{head}\n\n{table(('HOST', 'ADDRESS', 'PROCESS', 'PID', 'STATE'), rows)}"


def _say(words: str) -> None:
    click.echo(words, err=True)


@contextmanager
def _lab_errors() -> Iterator[None]:
    """What a lab says no to, as this command line says it."""
    try:
        yield
    except rooms.LabError as error:
        raise Refused(str(error)) from error
