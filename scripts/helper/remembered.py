"""What Docker said of containers that run, for as long as it says what changes.

To ask Docker about a container takes milliseconds, some of the time in which it is attached; and it was mostly asked
just before, when it started. What it said is good until an event names the container, and while the events are kept up
with. Of what Docker does not say (it may hang) the namespace tells: it is good while the process that the container ran
as is still in the namespace that Docker made for it.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from scripts.helper.containers import Container

MOST = 1_000  # of those that were asked about last
KEPT_S = 60.0  # should an event get lost


class _Known(NamedTuple):
    container: Container
    until: float  # monotonic


class Remembered:
    """Containers as Docker said last that they are. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, _Known] = {}
        self._current = False  # there are events, and each that was heard is attended to
        self._heard = 0  # events

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Events are told, from before the block begins."""
        with self._lock:
            self._by_name.clear()
            self._current = True
            self._heard += 1  # what happened before was not told
        try:
            yield
        finally:
            with self._lock:
                self._current = False

    @contextmanager
    def attending(self, container: str | None) -> Iterator[None]:
        """An event, of the container with this id if of any, is attended to; others may wait."""
        with self._lock:
            self._current = False
            self._heard += 1
            self._forget(container)
        yield
        with self._lock:
            self._current = True

    @property
    def heard(self) -> int:
        """How many events there were."""
        return self._heard

    def keep(self, container: Container, heard: int) -> None:
        """Docker was asked after so many events, and says this."""
        with self._lock:
            if heard == self._heard and container.netns and container.sandbox:
                self._forget(container.id)
                self._by_name.pop(container.name, None)
                self._by_name[container.name] = _Known(container, time.monotonic() + KEPT_S)
                if len(self._by_name) > MOST:
                    del self._by_name[next(iter(self._by_name))]

    def find(self, name: str) -> Container | None:
        """The container of this name or id, if it is known how that is."""
        with self._lock:
            known = self._by_name.get(name) or self._with_id(name)
            if known is None or not self._current or known.until < time.monotonic():
                return None
        return known.container if _lives(known.container) else None

    def _forget(self, container: str | None) -> None:
        if known := self._with_id(container):
            del self._by_name[known.container.name]

    def _with_id(self, container: str | None) -> _Known | None:
        return next((known for known in self._by_name.values() if known.container.id == container), None)


def _lives(container: Container) -> bool:
    try:
        return os.path.samefile(container.netns or "", container.sandbox or "")
    except OSError:
        return False
