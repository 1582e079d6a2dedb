"""What Docker said of containers that run, for as long as it says what changes.

To ask Docker about a container takes milliseconds, some of the time in which it is attached; and it was mostly asked
just before, when it started. What it said is good until an event names the container, and while the events are kept up
with. Of what Docker does not say (it may hang) the namespace tells: it is good while the process that the container ran
as is still in the namespace that Docker made for it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.helper.containers import Container

MOST = 1_000  # of those that were asked about last


class Remembered:
    """Containers as Docker said last that they are. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Container] = {}
        self._current = False  # there are events, and none that was not attended to
        self._heard = 0  # of them

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Events are told, from before the block begins."""
        with self._lock:
            self._by_id.clear()
            self._current = True
            self._heard += 1  # what happened before was not told
        try:
            yield
        finally:
            with self._lock:
                self._current = False

    @contextmanager
    def attending(self, container: str | None) -> Iterator[None]:
        """An event, of this container if of any, is attended to; others wait."""
        with self._lock:
            self._current = False
            self._heard += 1
            self._by_id.pop(container or "", None)
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
                self._by_id.pop(container.id, None)
                self._by_id[container.id] = container
                if len(self._by_id) > MOST:
                    del self._by_id[next(iter(self._by_id))]

    def find(self, name: str) -> Container | None:
        """The container of this name or id, if it is known how that is."""
        with self._lock:
            if not self._current:
                return None
            found = self._by_id.get(name) or next((each for each in self._by_id.values() if each.name == name), None)
        return found if found and _lives(found) else None


def _lives(container: Container) -> bool:
    try:
        return os.path.samefile(container.netns or "", container.sandbox or "")
    except OSError:
        return False
