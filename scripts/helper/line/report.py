"""The channel to the controller: one session after another, for ever. `app/wire.py` says what is said in it.

Level-triggered: what differs from what was told is marked; what is said is how it is when it is said. While there is
no session nothing is queued, for the next one begins with everything. What the controller refused counts as not told,
so it is said again at the next look: the reason may be gone. Never call with the host's lock held.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from pydantic import ValidationError

from app.wire import (
    Admission,
    Admitted,
    Ask,
    Coming,
    Done,
    Drift,
    EndpointDown,
    EndpointReport,
    EndpointUp,
    HostUp,
    Lease,
    LeaseAsk,
    NetworkReport,
    NetworksUp,
    Outcome,
    Release,
    TunnelsUp,
    Want,
    Welcome,
)
from scripts.helper.attached.host import NETWORKS, TUNNELS
from scripts.helper.line.controller import Controller, StaleSessionError
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.record import Key
from scripts.helper.ovs.vswitch import VswitchError
from scripts.helper.problem import AwayError, RefusedError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
STEADY_S = 5.0  # a session that lasted so long was a good one: begin again with the first pause
TELLERS = 4  # threads that tell what changed: one answer may take 2 s while a host is away
RETELL_S = 1.0
TURN_S = 20.0  # after which who waits for his turn leaves it to others

Told = EndpointUp | EndpointDown | TunnelsUp | NetworksUp
Said = EndpointReport | dict[str, int] | tuple[NetworkReport, ...] | None

log = logging.getLogger(__name__)


class Source(Protocol):
    """Whoever knows how it is on this host."""

    def everything(self) -> HostUp: ...

    def event(self, subject: Key) -> Told: ...

    def reports(self) -> dict[Key, EndpointReport]: ...

    def tunnels(self) -> dict[str, int]: ...

    def networks(self) -> tuple[NetworkReport, ...]: ...

    def introduce(self, report: EndpointReport) -> None: ...

    def note_clashes(self, leases: Sequence[Lease]) -> None: ...


class Channel:
    """Tells the controller how it is here, and takes its wants. `on_want` is called with the session's number."""

    def __init__(
        self,
        controller: Controller,
        host: str,
        source: Source,
        on_session: Callable[[int], None],
        on_want: Callable[[int, Want], None],
    ) -> None:
        self._controller, self._path, self._source = controller, f"/v1/hosts/{host}", source
        self._on_session, self._on_want = on_session, on_want
        self._changed = threading.Condition()
        self._session: int | None = None
        self._told: dict[Key, Said] = {}
        self._dirty: dict[Key, float] = {}  # -> not before (monotonic)
        self._talking: set[Key] = set()  # one at a time about one thing
        self._made: set[Key] = set()  # of these, what is being made
        self._nudged = threading.Event()
        self.refused: dict[Key, str] = {}  # what the controller would not have, and why
        self.why = "it was not asked yet"  # there is no session

    def start(self) -> None:
        """Begin; all threads end with the process."""
        for number in range(TELLERS):
            threading.Thread(target=self._tell_marked, name=f"teller-{number}", daemon=True).start()
        threading.Thread(target=self._run, name="channel", daemon=True).start()

    @property
    def connected(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def admit_network(self, network: NetworkReport) -> None:
        """Whether this network may be; RefusedError, or AwayError."""
        self._controller.ask("POST", f"{self._path}/networks", network)

    def lease(self, ask: LeaseAsk) -> Lease:
        """Addresses that this host may hand out; RefusedError, or AwayError."""
        session = self._session
        if session is None:
            raise AwayError(self.why)
        try:
            answer = self._controller.ask("POST", f"{self._path}/leases?session={session}", ask)
            return Lease.model_validate_json(answer)
        except StaleSessionError as error:
            self._lost(session, str(error))
            raise AwayError(str(error)) from error

    def release(self, leases: Sequence[Lease]) -> None:
        """Give addresses back; AwayError."""
        session = self._session
        if session is None:
            raise AwayError(self.why)
        try:
            self._controller.ask("POST", f"{self._path}/releases?session={session}", Release(leases=tuple(leases)))
        except StaleSessionError as error:
            self._lost(session, str(error))
            raise AwayError(str(error)) from error

    def admit(self, ask: Ask) -> Admission:
        """Whether this endpoint may be; RefusedError, or AwayError."""
        admission = Admission.model_validate_json(self._controller.ask("POST", f"{self._path}/admit", ask))
        if not self.connected:
            self._nudged.set()
        return admission

    def come(self, coming: Coming) -> tuple[Admission, Callable[[], Outcome]]:
        """The same for one that comes at once, and what waits until the controller has applied that.

        RefusedError, AwayError, or StaleSessionError where there is no session.
        """
        session = self._session
        if session is None:
            raise StaleSessionError(self.why)
        lines = self._controller.lines("POST", f"{self._path}/comings?session={session}", coming)
        try:
            admitted = Admitted.model_validate_json(next(lines, b""))
        except ValidationError as error:
            raise AwayError(f"The answer was not understood: {error}") from error
        except StaleSessionError as error:
            self._lost(session, str(error))
            raise
        told = EndpointUp(endpoint=admitted.endpoint)

        def heard() -> Outcome:
            try:
                outcome = Outcome.model_validate_json(next(lines, b""))
            except ValueError as error:
                raise AwayError(f"The answer was not understood: {error}") from error
            next(lines, None)  # the end, with which the connection is free for others
            self._note(session, Key(coming.ask.container, coming.ask.interface), told, None)
            return outcome

        return admitted.admission, heard

    def mark(self, *subjects: Key) -> None:
        """How it is with these is to be told, soon."""
        with self._changed:
            self._dirty |= dict.fromkeys(subjects, 0.0)
            self._changed.notify_all()

    def mark_changes(self) -> None:
        """Compare all that is here with what was told, and mark what differs."""
        if self.connected:
            now: dict[Key, Said] = {
                **self._source.reports(),
                TUNNELS: self._source.tunnels(),
                NETWORKS: self._source.networks(),
            }
            with self._changed:
                told = dict(self._told)
            self.mark(*(key for key in now.keys() | told.keys() if now.get(key) != told.get(key)))

    def settled(self, subject: Key, seconds: float) -> bool:
        """Wait until what was marked is told and answered; whether that was so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: subject not in self._dirty and subject not in self._talking, seconds)

    def told(self, seconds: float) -> bool:
        """Likewise of all that was marked, but for what is being made."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._dirty.keys() | self._talking) - self._made, seconds)

    @contextmanager
    def making(self, subject: Key) -> Iterator[bool]:
        """Nobody else tells how it is with this meanwhile, as it is being made; whether that is so."""
        with self._turn(subject, TURN_S) as mine:
            with self._changed:
                self._made |= {subject} if mine else set()
                self._changed.notify_all()
            try:
                yield mine
            finally:
                with self._changed:
                    self._made -= {subject} if mine else set()

    @contextmanager
    def _turn(self, subject: Key, seconds: float) -> Iterator[bool]:
        """Only who has the turn tells of this; whether it was to be had in that time."""
        with self._changed:
            mine = self._changed.wait_for(lambda: subject not in self._talking, seconds)
            if mine:
                self._take_turn(subject)
        try:
            yield mine
        finally:
            if mine:
                self._end_turn(subject)

    def confirm(self, subject: Key) -> bool:
        """Whether it is with this as it was told: then nothing of it is left to tell, but to its neighbours."""
        with self._changed:
            self._dirty.pop(subject, None)
        now = self._source.event(subject)
        with self._changed:
            agreed = self._told.get(subject) == _said(now)
        if agreed:
            self._introduce(now)
        return agreed

    def tell(self, subject: Key, patience_s: float, turn_s: float = TURN_S) -> Outcome | None:
        """Tell how it is with this now. None: there is no controller; then it will be told when there is.

        RefusedError if the controller will not have it. How long to wait: for a session, and while others tell of it.
        """
        with self._turn(subject, turn_s) as mine:
            if mine:
                return self._tell(subject, patience_s)
        self.mark(subject)
        return None

    def said(self, drift: Drift) -> bool:
        """Tell of a drift, once; whether the controller has heard it. It is about what was, so no report repeats it."""
        session = self._session
        if session is None:
            return False
        try:
            self._controller.ask("POST", f"{self._path}/events?session={session}", drift)
        except StaleSessionError as error:
            self._lost(session, str(error))
            return False
        except AwayError as error:
            log.warning("A drift could not be told: %s", error)
            return False
        except RefusedError as refusal:
            log.error("The controller did not understand that something drifted: %s", refusal)
        return True

    def done(self, session: int, done: Done) -> None:
        """A want stands, or could not be done. If it cannot be told, the next session brings the want again."""
        try:
            self._controller.ask("POST", f"{self._path}/done?session={session}", done)
        except (StaleSessionError, AwayError) as error:
            self._lost(session, str(error))
        except RefusedError as refusal:
            log.error("The controller did not understand that %s is done: %s", done.key, refusal)

    def _post(self, session: int, subject: Key, event: Told) -> Outcome:
        try:
            answer = self._controller.ask("POST", f"{self._path}/events?session={session}", event)
            outcome = Outcome.model_validate_json(answer)
        except ValidationError as error:
            raise AwayError(f"The answer was not understood: {error}") from error
        except RefusedError as refusal:
            self._note(session, subject, event, str(refusal))
            raise
        self._note(session, subject, event, None)
        self._introduce(event)
        return outcome

    def _note(self, session: int, subject: Key, event: Told, why: str | None) -> None:
        with self._changed:
            self._told.pop(subject, None)
            refused = self.refused.pop(subject, None)
            if why is not None:
                if why != refused:
                    log.error("The controller refuses %s: %s", subject.brief, why)
                self.refused[subject] = why
            elif session == self._session and (said := _said(event)) is not None:
                self._told[subject] = said
            if session != self._session:  # the new session may have begun with how it was before
                self._dirty[subject] = 0.0
            self._changed.notify_all()

    def _introduce(self, event: Told) -> None:
        """Its flows are there by now."""
        if isinstance(event, EndpointUp) and event.endpoint.address6:
            self._source.introduce(event.endpoint)

    def _take_turn(self, subject: Key) -> None:
        """With the lock: what is said about one thing is said in the order in which it was so."""
        self._talking.add(subject)
        self._dirty.pop(subject, None)

    def _end_turn(self, subject: Key) -> None:
        with self._changed:
            self._talking.discard(subject)
            self._changed.notify_all()

    def _tell(self, subject: Key, patience_s: float) -> Outcome | None:
        """Whoever calls has the turn."""
        deadline = time.monotonic() + patience_s
        while True:
            with self._changed:
                left = max(deadline - time.monotonic(), 0)
                session = self._changed.wait_for(lambda: self._session, left)
                if session is None:
                    self._dirty[subject] = 0.0
                    return None
            try:
                return self._post(session, subject, self._source.event(subject))
            except StaleSessionError as error:
                self._lost(session, str(error))
            except AwayError as error:
                log.warning("%s could not be told: %s", subject.brief, error)
                with self._changed:
                    self._dirty[subject] = time.monotonic() + RETELL_S
                return None

    def _tell_marked(self) -> None:
        while True:
            with self._changed:
                while (subject := self._next_marked()) is None:
                    self._changed.wait(RETELL_S if self._dirty else None)
                self._take_turn(subject)  # at once: who waits until it is told sees that it is being told
            try:
                self._tell(subject, 0)
            except RefusedError:
                log.debug("%s is refused", subject.brief)  # said in full when it became so
            except (VswitchError, PlumbError) as error:
                log.warning("How it is with %s cannot be found out now: %s", subject.brief, error)
            finally:
                self._end_turn(subject)

    def _next_marked(self) -> Key | None:
        now = time.monotonic()
        ready = (key for key, after in self._dirty.items() if after <= now and key not in self._talking)
        return next(ready, None) if self._session is not None else None

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                self._hold_session()
                why = f"The controller at {self._controller.url} ended the session."
            except RefusedError as refusal:
                why = f"The controller refuses this host: {refusal}"
            except ValueError as error:
                why = f"What the controller at {self._controller.url} says was not understood: {error}"
            except (AwayError, StaleSessionError, VswitchError, PlumbError) as error:
                why = str(error)
            self._lost(None, why)
            pause = FIRST_PAUSE_S if time.monotonic() - began > STEADY_S else pause
            self._nudged.wait(pause)
            self._nudged.clear()
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _hold_session(self) -> None:
        with self._changed:
            self._session = None
            self._dirty.clear()  # what is marked from now on is told in the new session, as it may not be in its report
        everything = self._source.everything()
        welcome = Welcome.model_validate_json(self._controller.ask("PUT", self._path, everything))
        self._begun(welcome, everything)
        for line in self._controller.lines("GET", f"{self._path}/wants?session={welcome.session}"):
            if self._session != welcome.session:
                return
            said = json.loads(line) if line else {"beat": True}
            if "beat" not in said:
                self._take(welcome.session, said)

    def _take(self, session: int, said: dict[str, Any]) -> None:
        try:
            self._on_want(session, Want.model_validate(said))
        except ValidationError as error:
            log.error("The controller wants what this helper does not understand: %s", error)
            why = "The helper of this host does not understand this want: it is of another version than the controller."
            self.done(session, Done(key=said.get("key", ""), generation=said.get("generation", 0), error=why))

    def _begun(self, welcome: Welcome, everything: HostUp) -> None:
        self._on_session(welcome.session)
        self._source.note_clashes(welcome.clashing)
        with self._changed:
            self.refused = {Key.parse(name): why for name, why in welcome.refused.items()}
            said = {Key(report.container, report.interface): report for report in everything.endpoints}
            self._told = {TUNNELS: dict(everything.tunnels), NETWORKS: everything.networks}
            self._told |= {key: report for key, report in said.items() if key not in self.refused}
            self._session, self.why = welcome.session, ""
            self._changed.notify_all()
        log.info("The controller at %s has what is here; session %d", self._controller.url, welcome.session)
        for key, why in self.refused.items():
            log.error("The controller refuses %s: %s", key.brief, why)
        self.mark_changes()

    def _lost(self, session: int | None, why: str) -> None:
        """This session (None: whichever there is) is over."""
        with self._changed:
            if session is not None and session != self._session:
                return
            if self._session is not None or why != self.why:
                log.warning("No controller: %s Trying on.", why)
            self._session, self.why = None, why
            self._changed.notify_all()


def _said(event: Told) -> Said:
    match event:
        case EndpointDown():
            return None
        case EndpointUp(endpoint=report):
            return report
        case TunnelsUp(tunnels=tunnels):
            return dict(tunnels)
        case NetworksUp(networks=networks):
            return networks
