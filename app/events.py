"""What happened, for people and programs that watch: the last 1,000 events, and what comes as it comes.

An event has a number. Who says the last one that it has seen gets what came after it, and is told if some of that is
not kept any more; so nobody who is slow is waited for, and nothing is queued for anybody. The numbers go on rising
over a restart of the controller, which itself keeps no events.
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice

from os_ken.lib import hub

from app.desk import Happening, Kind

KEPT = 1000
BEAT_S = 5.0


def _now() -> datetime:
    return datetime.now(UTC)


class Events:
    """The events that are kept. All methods may be called from any green thread."""

    def __init__(self, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._kept: deque[Happening] = deque(maxlen=KEPT)
        self._last = int(clock().timestamp() * 1000)  # more than a controller before can have counted to
        self._news = hub.Event()

    def add(self, kind: Kind, what: str, host: str | None = None, endpoint: str | None = None) -> None:
        """This happened now."""
        self._last += 1
        self._kept.append(Happening(self._last, self._clock(), kind, host, endpoint, what))
        news, self._news = self._news, hub.Event()
        news.set()

    def since(self, number: int | None = None, host: str | None = None) -> list[Happening]:
        """What came after this one (None: all that is kept), of this host or of all; MISSED first if some is gone."""
        after = self._oldest - 1 if number is None else number
        skipped = max(0, after - self._oldest + 1)
        found = [each for each in islice(self._kept, skipped, None) if host is None or each.host == host]
        missed = [] if after >= self._oldest - 1 else [self._missed()]
        return missed + found

    def follow(self, number: int | None = None, host: str | None = None) -> Iterator[Happening | None]:
        """The same, then what comes, for ever; None is a beat: at once if there is nothing, then every BEAT_S."""
        while True:
            news, last = self._news, self._last
            yield from self.since(number, host) or (None,)
            number = last
            if last == self._last:
                news.wait(BEAT_S)

    @property
    def _oldest(self) -> int:
        return self._last - len(self._kept) + 1

    def _missed(self) -> Happening:
        what = (
            f"what came before this is not kept any more: {KEPT} events are, and none over a restart of the controller"
        )
        return Happening(self._oldest - 1, self._clock(), Kind.MISSED, None, None, what)
