"""Tells people what is waited for, once it takes more than a second: on stderr, so that no program reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import click

FIRST_WORD, NEXT_WORD = 1.0, 10.0  # seconds until people are told, and told again


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """While this is under way."""
    over = Event()

    def words() -> None:
        pause = FIRST_WORD
        while not over.wait(pause):
            click.echo(f"waiting for {what} ...", err=True)
            pause = NEXT_WORD

    teller = Thread(target=words, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
