"""What the switches have now: `flows`, once or again and again with packet rates."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from flows.table import Table
from scripts.cli.client import Answer
from scripts.cli.complete import endpoint_names, host_names
from scripts.cli.group import command
from scripts.cli.output import shown
from scripts.cli.params import output_option
from scripts.cli.tables import table
from scripts.cli.where import controller

EVERY = 2.0  # seconds between two readings of --watch
TITLES = ("HOST", "TABLE", "PRIO", "PACKETS", "BYTES", "FOR", "MATCH", "ACTIONS")

Entry = dict[str, Any]
Key = tuple[object, ...]


@command("flows", "flows --host host1 --table l2_lookup", "flows --container web1 --watch")
@click.option("--host", metavar="NAME", shell_complete=host_names, help="Only of this host.")
@click.option("--container", metavar="NAME", shell_complete=endpoint_names, help="Only those there for this endpoint.")
@click.option("--table", "of", type=click.Choice([step.label for step in Table]), help="Only of this table.")
@click.option("--watch", is_flag=True, help=f"Again every {EVERY:g} seconds, with packets per second, until Ctrl-C.")
@output_option
def flows(host: str | None, container: str | None, of: str | None, watch: bool, output: str) -> None:
    """List the flows that the switches have now.

    Each with its counters, and what it is there for. A packet goes through the tables from top to bottom; in a table
    the highest priority that matches decides. With `--watch -o json` every reading is one line.
    """
    query = {"host": host, "endpoint": container, "table": of}
    if not watch:
        answer = _read(query)
        shown(answer, output, lambda found: table(TITLES, map(_row, found)))
        return
    try:
        for words in _watched(query, output):
            click.echo(words)
    except KeyboardInterrupt:
        return  # how it ends, so that is no failure


def _read(query: Mapping[str, str | None]) -> Answer:
    return controller().ask("GET", "/v1/flows", query=query, doing="the switches to be read")


def _watched(query: Mapping[str, str | None], output: str) -> Iterator[str]:
    """Readings for ever."""
    home = "\x1b[H\x1b[J" if sys.stdout.isatty() else ""
    before: dict[Key, int] = {}
    then = time.monotonic()
    while True:
        answer, now = _read(query), time.monotonic()
        if output == "json":
            yield json.dumps(answer.document)
        else:
            rows = (_row(entry, _rate(entry, before, now - then)) for entry in answer.document)
            yield home + table((*TITLES[:4], "PACKETS/S", *TITLES[4:]), rows) + ("" if home else "\n")
        before, then = {_key(entry): entry["packets"] for entry in answer.document}, now
        time.sleep(EVERY)


def _key(entry: Entry) -> Key:
    return entry["host"], entry["table_id"], entry["priority"], entry["match"]


def _rate(entry: Entry, before: Mapping[Key, int], seconds: float) -> float | None:
    """Packets per second since the last reading; None for a flow that is new, or whose counter began again."""
    earlier = before.get(_key(entry))
    return None if earlier is None or entry["packets"] < earlier else round((entry["packets"] - earlier) / seconds, 1)


def _row(entry: Entry, *rate: float | None) -> tuple[object, ...]:
    owner = entry["owner"]
    why = " ".join(filter(None, (owner["kind"], owner["name"]))) if owner else "not ours"
    what = entry["bytes"], why, entry["match"], entry["actions"]
    return entry["host"], entry["table"], entry["priority"], entry["packets"], *rate, *what
