"""How answers are shown: JSON as it came, or words and tables; and the exit code that an answer means."""

from collections.abc import Callable
from typing import Any

import click

from scripts.cli.client import Answer
from scripts.cli.group import PENDING

Words = Callable[[Any], str]  # makes of a document what people read


def shown(answer: Answer, output: str, words: Words) -> None:
    """Print a listing: `words` of it for people, the API's own text for programs."""
    click.echo(answer.text.rstrip("\n") if output == "json" else words(answer.document))


def changed(answer: Answer, output: str, words: Words | str) -> None:
    """Print what a change came to, and end with 3 if a host has it not yet."""
    shown(answer, output, words if callable(words) else lambda _: words)
    pending = [str(host) for host in (answer.document or {}).get("pending") or ()]
    if pending:
        click.echo(
            f"Accepted, but not applied yet on {', '.join(pending)}: it will be, as soon as the host is back. "
            "`containet hosts` shows who is away.",
            err=True,
        )
        click.get_current_context().exit(PENDING)
