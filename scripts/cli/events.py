"""What happened: `events`, what is kept of it, or that and then what comes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from scripts.cli.complete import host_names
from scripts.cli.group import command
from scripts.cli.output import shown
from scripts.cli.params import output_option
from scripts.cli.tables import table
from scripts.cli.where import controller

TITLES = ("TIME", "KIND", "HOST", "ENDPOINT", "WHAT")
WIDE = tuple(title.ljust(width) for title, width in zip(TITLES, (20, 13, 8, 20, 0), strict=True))
EVENT_STREAM, DATA = "text/event-stream", "data: "

Entry = dict[str, Any]


@command("events", "events --host host1", "events --follow", "events --follow -o json")
@click.option("--host", metavar="NAME", shell_complete=host_names, help="Only of this host.")
@click.option("--follow", is_flag=True, help="Then go on with what comes, until Ctrl-C.")
@output_option
def events(host: str | None, follow: bool, output: str) -> None:
    """Show what happened: drift, repairs, refusals, who came and went.

    The last 1,000 events that the controller saw since it started, oldest first; times are UTC. With
    `--follow -o json` every event is one line.
    """
    query = {"host": host}
    if not follow:
        answer = controller().ask("GET", "/v1/events", query=query, doing="the events")
        shown(answer, output, lambda found: table(TITLES, map(_row, found)))
        return
    try:
        for event in _followed(query):
            click.echo(event if output == "json" else table(WIDE, [_row(json.loads(event))]).splitlines()[1])
    except KeyboardInterrupt:
        return  # how it ends, so that is no failure


def _followed(query: Mapping[str, str | None]) -> Iterator[str]:
    """Events as they come, each as JSON."""
    lines = controller().follow("/v1/events", query=query, accept=EVENT_STREAM)
    return (line.removeprefix(DATA) for line in lines if line.startswith(DATA))


def _row(event: Entry) -> tuple[object, ...]:
    seconds = event["time"].partition(".")[0].removesuffix("Z") + "Z"
    return (seconds, *map(event.__getitem__, ("kind", "host", "endpoint", "what")))
