"""The lines to the helpers: one session a host, what is wanted of it, and the stream that carries it."""

import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from os_ken.lib import hub

from app.desk import RefusedError
from app.wanted import SETTLE, Body, Book, changes, concerned, lowered, shaper, shaper_key, shaper_of, wants
from app.wire import Admission, Done, SettleWant, Want
from flows.delta import delta
from flows.intent import Intent
from flows.model import EndpointKey

BEAT_S = 2.0
SETTLE_S = 1.5  # Open vSwitch looks through its cache at least every half second (max-revalidator), twice is enough
LOWER_S = 0.5  # how long meters wait for the shapers that go before them


@dataclass
class Line:
    """One host's helper: its book, its newest session, and what waits to be streamed (the newest of each key)."""

    book: Book = field(default_factory=Book)
    session: int = 0
    streams: int = 0  # counts the streams of all sessions; only the newest one is served
    streaming: bool = False
    unsaid: bool = True  # all that is wanted is yet to be written into the book, not only what changes
    outgoing: dict[str, Want] = field(default_factory=dict)
    news: hub.Event = field(default_factory=hub.Event)

    def begin(self, session: int) -> None:
        """A new session: everything is said again, once its stream opens."""
        self.session, self.streaming, self.unsaid = session, False, True
        self.book.begin_again()
        self.news.set()

    def check(self, session: int) -> None:
        """RefusedError if this is not the newest session."""
        if session != self.session:
            raise RefusedError(
                409, "stale-session", f"session {session} is not the newest: begin again with PUT /v1/hosts/…"
            )

    def want(self, wanted: Mapping[str, Body], generation: int) -> None:
        """This is all that is wanted now."""
        self.unsaid = False
        self._send(self.book.update(wanted, generation))

    def change(self, wanted: Mapping[str, Body | None], generation: int) -> None:
        """This is wanted of these keys now; None: nothing more."""
        self._send(self.book.change(wanted, generation))

    def want_one(self, key: str, body: Body, generation: int) -> None:
        """This one thing is wanted now."""
        message = self.book.put(key, body, generation)
        self._send([] if message is None else [message])

    def pending(self) -> bool:
        """Whether the helper has something to do yet."""
        return self.unsaid or self.book.lacking

    def open(self, session: int) -> Iterator[Want | None]:
        """The wants as they come; None is a beat. An older stream ends."""
        self.check(session)
        self.streams += 1
        self.streaming = True
        self.outgoing = dict(self.book.standing)  # rates of none too: the helper's records may say others
        return self._stream(session, self.streams)

    def _stream(self, session: int, stream: int) -> Iterator[Want | None]:
        try:
            yield None  # at once, so that the helper knows that the stream is open
            while self.session == session and self.streams == stream:
                if self.outgoing:
                    yield self.outgoing.pop(next(iter(self.outgoing)))
                    continue
                self.news.clear()
                if not self.news.wait(BEAT_S):
                    yield None
        finally:
            if self.streams == stream:
                self.streaming = False

    def _send(self, messages: list[Want]) -> None:
        if messages and self.session:
            self.outgoing.update((want.key, want) for want in messages)
            self.news.set()


class Lines:
    """All lines, by host; what the rollout tells the helpers (app.rollout.Shapers)."""

    def __init__(self, mtu: Callable[[], int]) -> None:
        self._lines: dict[str, Line] = {}
        self._session = time.time_ns() // 1_000_000  # larger than any that a controller before gave out
        self._mtu = mtu
        self._said_mtu = 0
        self._settles = 0
        self._news = hub.Event()

    def __getitem__(self, host: str) -> Line:
        return self._lines.setdefault(host, Line())

    def begin(self, host: str) -> int:
        """The number of a new session."""
        self._session += 1
        self[host].begin(self._session)
        return self._session

    def forget(self, host: str) -> None:
        """The host is gone for good."""
        line = self._lines.pop(host, None)
        if line is not None:
            line.begin(0)

    def holds(self, endpoint: EndpointKey, admission: Admission) -> None:
        """An endpoint comes that is held to the rates of its admission from the beginning: nobody needs to say so."""
        shapers = shaper_of(endpoint, admission.up_kbps, admission.down_kbps)
        self[endpoint.host].book.stands(shaper_key(endpoint), shapers)

    def done(self, host: str, done: Done) -> None:
        """A want stands, or could not be done."""
        self[host].book.done(done)
        news, self._news = self._news, hub.Event()
        news.set()

    def before(self, current: Intent, step: Intent) -> None:
        """Lower the shapers of what sinks, and wait for it a moment: the meters, which are the law, go on anyhow."""
        told = set()
        for key in delta(current, step).endpoints & current.endpoints.keys() & step.endpoints.keys():
            lower = lowered(current.endpoints[key], step.endpoints[key])
            if lower is not None and self[key.host].streaming:
                self[key.host].want_one(shaper_key(key), shaper(lower), step.generation)
                told.add(key.host)
        deadline = time.monotonic() + LOWER_S
        while any(self[host].pending() for host in told) and (left := deadline - time.monotonic()) > 0:
            self._news.wait(left)

    def settle(self, hosts: Set[str], step: Intent) -> None:
        """Wait until the helpers say that their switches have nothing cached of before this step.

        Where a helper is away the switch is given the time in which it looks through its cache by itself; that host is
        pending until its helper is there and has said so.
        """
        self._settles += 1
        for host in hosts:
            self[host].want_one(SETTLE, SettleWant(number=self._settles), step.generation)
        deadline = time.monotonic() + SETTLE_S
        while any(self[host].book.lacks(SETTLE) for host in hosts) and (left := deadline - time.monotonic()) > 0:
            self._news.wait(left)

    def after(self, before: Intent, step: Intent) -> None:
        """Say what is wanted with this step: all of it where a session began, else of those whom the step touches."""
        mtu, said = self._mtu(), self._said_mtu
        self._said_mtu = mtu
        whole = {host for host in step.hosts if mtu != said or self[host].unsaid}
        for host in whole:
            self[host].want(wants(step, host, mtu), step.generation)
        for host in concerned(before, step) - whole:
            self[host].change(changes(before, step, host, mtu), step.generation)
