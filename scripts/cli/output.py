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
    if pending := answer.document.get("pending"):
        why = (
            answer.document.get("why")
            or "It is applied there as soon as the host is back; `containet hosts` shows who is away."
        )
        click.echo(f"Pending on {', '.join(pending)}. {why}", err=True)
        click.get_current_context().exit(PENDING)
