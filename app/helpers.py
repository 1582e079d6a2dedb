"""The lines to the helpers: one session a host, what is wanted of it, and the stream that carries it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from os_ken.lib import hub

from app.desk import RefusedError
from app.wanted import Body, Book
from app.wire import Done, Want

BEAT_S = 2.0


@dataclass
class Line:
    """One host's helper: its book, its newest session, and what waits to be streamed (the newest of each key)."""

    book: Book = field(default_factory=Book)
    session: int = 0
    streams: int = 0  # counts the streams of all sessions; only the newest one is served
    streaming: bool = False
    outgoing: dict[str, Want] = field(default_factory=dict)
    news: hub.Event = field(default_factory=hub.Event)

    def begin(self, session: int) -> None:
        """A new session: everything is said again, once its stream opens."""
        self.session, self.streaming = session, False
        self.outgoing = {want.key: want for want in self.book.again()}
        self.news.set()

    def check(self, session: int) -> None:
        """RefusedError if this is not the newest session."""
        if session != self.session:
            raise RefusedError(
                409, "stale-session", f"session {session} is not the newest: begin again with PUT /v1/hosts/…"
            )

    def want(self, wanted: Mapping[str, Body], generation: int) -> None:
        """This is all that is wanted now."""
        self._send(self.book.update(wanted, generation))

    def want_one(self, key: str, body: Body, generation: int) -> None:
        """This one thing is wanted now."""
        message = self.book.put(key, body, generation)
        self._send([] if message is None else [message])

    def done(self, done: Done) -> None:
        """A want stands, or could not be done."""
        self.book.done(done)

    def pending(self) -> bool:
        """Whether the helper has something to do yet."""
        return self.book.outstanding()

    def open(self, session: int) -> Iterator[Want | None]:
        """The wants as they come; None is a beat. An older stream ends."""
        self.check(session)
        self.streams += 1
        self.streaming = True
        return self._stream(session, self.streams)

    def _stream(self, session: int, stream: int) -> Iterator[Want | None]:
        try:
            while self.session == session and self.streams == stream:
                while self.outgoing:
                    yield self.outgoing.pop(next(iter(self.outgoing)))
                self.news.clear()
                if not self.news.wait(BEAT_S):
                    yield None
        finally:
            if self.streams == stream:
                self.streaming = False
                self.outgoing = {}

    def _send(self, messages: list[Want]) -> None:
        if messages and self.session:
            self.outgoing.update((want.key, want) for want in messages)
            self.news.set()


class Lines:
    """All lines, by host."""

    def __init__(self, first_session: int) -> None:
        self._lines: dict[str, Line] = {}
        self._session = first_session

    def __getitem__(self, host: str) -> Line:
        return self._lines.setdefault(host, Line())

    def begin(self, host: str) -> int:
        """The number of a new session, larger than any that a controller gave out before."""
        self._session += 1
        self[host].begin(self._session)
        return self._session

    def forget(self, host: str) -> None:
        """The host is gone for good."""
        line = self._lines.pop(host, None)
        if line is not None:
            line.begin(0)
