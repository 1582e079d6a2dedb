"""Work that goes on beside: begun in a thread of its own, waited for where it is needed."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begun(name: str, work: Callable[[], T]) -> Future[T]:
    """What comes of this work, which begins now. `name` is what its thread is called."""
    doing: Future[T] = Future()

    def run() -> None:
        try:
            doing.set_result(work())
        except BaseException as error:
            doing.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return doing
