"""The policy, as people write it: `policy show`, `policy diff FILE`, `policy apply FILE`."""

import sys
from pathlib import Path
from typing import Any

import click

from scripts.cli.client import JSON, YAML, Answer
from scripts.cli.group import Unusable, command
from scripts.cli.output import changed, shown
from scripts.cli.params import output_option
from scripts.cli.tables import table
from scripts.cli.where import controller

LARGEST_FILE = 1 << 20  # bytes; the controller takes no more either
WRITTEN_AS = "See docs/policy.md for how a policy is written."


HELP = """Show, compare and replace the policy.

Which networks there are, and who is in which at what rate. A policy file is YAML; the first assignment that matches
decides:

\b
  networks:
    blue: {vlan: 10, subnet: 172.15.42.0/24}
  assign:
    - {match: {name: web1}, vlan: 10, up: 10mbit}
    - {match: {label: tier=db}, vlan: 20}"""

policy = click.Group("policy", help=HELP)


@command("show", "policy show", "policy show > policy.yaml")
@output_option
def show(output: str) -> None:
    """Print the policy in force, as `policy apply` takes it."""
    answer = controller().ask("GET", "/v1/policy", accept=YAML if output == "table" else JSON, doing="the policy")
    shown(answer, output, lambda _: answer.text.rstrip("\n"))


@command("diff", "policy diff policy.yaml", "policy show | sed s/10mbit/20mbit/ | containet policy diff -")
@click.argument("file")
@output_option
def diff(file: str, output: str) -> None:
    """Show what `policy apply FILE` would change.

    For the endpoints that there are now; nothing is changed. FILE may be - for the standard input.
    """
    answer = _preview(_read(file))
    shown(answer, output, lambda found: _changes(found, "nothing would change for the endpoints that there are"))


@command("apply", "policy apply policy.yaml", "policy apply - < policy.yaml")
@click.argument("file")
@output_option
def apply(file: str, output: str) -> None:
    """Replace the whole policy, and show what that changed.

    FILE may be - for the standard input. The policy is checked as a whole first: one that is wrong changes nothing.
    """
    text = _read(file)
    preview = _preview(text)
    answer = controller().ask("PUT", "/v1/policy", text, doing="the policy to be applied")
    words = _changes(preview.document, "nothing changed for the endpoints that there are")
    changed(answer, output, lambda outcome: f"{words}\nthe policy is generation {outcome['generation']}")


for _command in (show, diff, apply):
    policy.add_command(_command)


def _preview(text: bytes) -> Answer:
    return controller().ask("PUT", "/v1/policy", text, query={"dry_run": "true"}, doing="the policy to be checked")


def _changes(preview: dict[str, Any], none: str) -> str:
    changes = preview["changes"]
    rows = ((entry["endpoint"], entry["field"], entry["from"], entry["to"]) for entry in changes)
    return table(("ENDPOINT", "WHAT", "FROM", "TO"), rows) if changes else none


def _read(file: str) -> bytes:
    """The policy file's bytes, never more than a policy may have; Unusable says why not."""
    try:
        if file == "-":
            text = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(file).open("rb") as opened:
                text = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Unusable(f"“{file[:200]}” cannot be read: {error.strerror}.") from error
    if len(text) > LARGEST_FILE:
        raise Unusable(f"“{file[:200]}” is larger than 1 MiB: that is no policy file. {WRITTEN_AS}")
    if not text.strip():
        raise Unusable(f"“{file[:200]}” is empty: an empty policy is written {{}}. {WRITTEN_AS}")
    return text
