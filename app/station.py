"""One host's bridge: what it is known to have, and how it gets a step. And those that the rollout speaks with."""

import logging
import time
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Protocol, TypeVar

from os_ken.lib import hub

from app.openflow.switch import RefusedFlowsError, SwitchGoneError
from app.openflow.turns import in_turns
from flows.diff import Parts, Plan, whole
from flows.flow import Contents, Flow, Key, MeterEntry
from flows.intent import Intent
from flows.known import Known, catching_up, going_on
from flows.marker import digesting, mark
from flows.mend import put_back
from flows.pipeline import FlowConflictError, compile_meters
from flows.transition import same

LOG = logging.getLogger(__name__)
GATHER_S, MOST_GATHER_S = 0.05, 0.4  # who changed one thing in a switch may be at it still: one repair for all of it
MOST_SPOILT = 100  # flows that are put back one by one; of more the whole bridge is read
REST_S = 0.01  # between two turns of a comparison that is not urgent
AT_ONCE = 8  # bridges that are compared whole, for each is in memory then, twice
MOST_TRIES = 5  # such comparisons, if the bridge is changed during each; then the next change waits for one

T = TypeVar("T")

_large = hub.Semaphore(AT_ONCE)


class Bridge(Protocol):
    """A connected switch, as the rollout needs it.

    All raise SwitchGoneError; `apply` and `fill` RefusedFlowsError too, and `fill` what the making raises.
    """

    foreign: int  # flows that are not ours, as of the last `claims` or `read`

    def claims(self, digest: int) -> int | None:
        """How many flows it has, if its marker says that they are all that this digest is of."""

    def meters(self) -> Mapping[int, MeterEntry]:
        """All its meters."""

    def read(self, rest_s: float = 0.0) -> Contents:
        """What it holds of ours; with rests between two turns."""

    def apply(self, change: Plan) -> None:
        """Make the change, whole or not at all."""

    def fill(self, parts: Parts[T]) -> T:
        """The same for one that is made out meanwhile, of which a part may be made; what its making returned."""

    def drop_strays(self) -> None:
        """Delete what the last `read` found with our cookie, but not of our making."""


class Shapers(Protocol):
    """What the rollout tells the helpers before and after a step, so that a rate never is above what it was."""

    def before(self, current: Intent, step: Intent) -> None:
        """Lower what sinks, and wait for it a moment."""

    def settle(self, hosts: Set[str], step: Intent) -> None:
        """Wait until nothing that these switches cached is older than this step."""

    def after(self, before: Intent, step: Intent) -> None:
        """Say what is wanted with this step."""


class Witness(Protocol):
    """Who is told how it goes."""

    def whose(self, cookie: int) -> str | None:
        """The endpoint that a flow with this cookie is there for, as people know it; None if it is for none."""

    def refused(self, host: str, why: str) -> None:
        """Its switch did not take what is wanted; said once."""

    def found(self, host: str, foreign: int) -> None:
        """Its switch was read, and has so many flows of others."""

    def differed(self, host: str, flows: int) -> None:
        """So many flows of its switch are not what its marker says."""

    def stood(self, host: str, changes: int) -> None:
        """Its switch has what is wanted, and so many changes of others were put right with that."""


class Nobody:
    """The witness who does not care."""

    def whose(self, cookie: int) -> str | None:  # noqa: ARG002
        """Nobody's."""
        return None

    def refused(self, host: str, why: str) -> None:
        """Does nothing."""

    def found(self, host: str, foreign: int) -> None:
        """Does nothing."""

    def differed(self, host: str, flows: int) -> None:
        """Does nothing."""

    def stood(self, host: str, changes: int) -> None:
        """Does nothing."""


class Station:
    """One host's bridge. `stands` is the generation that it is known to have.

    Nothing is known of what it has (None) until its marker vouched for it or it was read. What it is `behind` with is
    tried again and again.
    """

    def __init__(self, host: str, witness: Witness) -> None:
        self.host = host
        self.bridge: Bridge | None = None
        self.has: Known | None = None
        self.behind = True
        self.busy = False  # a push is under way
        self.late = False  # nobody waits for that push any more
        self.stands = -1
        self.error: str | None = None
        self.inherits = False  # it was met with something else: what it has cached may be older than what it has
        self._witness = witness
        self._pushes = 0
        self._tries = 0  # comparisons that were not finished since it connected
        self._trusted = False  # what its marker says is worth asking: it has just connected
        self._drifts = 0  # changes by others since it stood
        self._seen = 0  # those of them that the push under way puts right
        self._spoilt: dict[Key, Flow] = {}  # those beside which it `has` all: as they are now, or were

    def connected(self, bridge: Bridge) -> None:
        """It is there."""
        self.bridge, self.has, self.behind, self._trusted, self._tries = bridge, None, True, True, 0

    def disconnected(self) -> None:
        """It is not there any more."""
        self.bridge, self.has, self.behind = None, None, True

    def drifted(self, flow: Flow | None) -> None:
        """Somebody else changed this flow, or deleted it. None: something, so it is to be read."""
        self._drifts += 1
        self.behind = True
        if flow is None or len(self._spoilt) >= MOST_SPOILT:
            self.has = None
        else:
            self._spoilt[flow.key] = flow

    def passed_over(self, step: Intent) -> None:
        """What it has been given until now is this step: all that is new is none of its concern."""
        if self.has is not None:
            self.has = replace(self.has, intent=step)

    def gather(self) -> None:
        """If somebody else changes it, wait until that is over, but not for long."""
        seen, deadline = 0, time.monotonic() + MOST_GATHER_S
        while self._drifts != seen and time.monotonic() < deadline:
            seen = self._drifts
            hub.sleep(GATHER_S)

    def bring(self, bridge: Bridge, step: Intent, *, sweeping: bool) -> bool:
        """Give the bridge this step; whether it has it now."""
        self._pushes += 1
        self._seen = self._drifts
        self.inherits = False
        try:
            known = self._go_on(bridge, step, sweeping) or self._begin(bridge, step, sweeping)
            if sweeping:
                bridge.drop_strays()
        except RefusedFlowsError as error:
            self._refused(error.words(self._witness.whose))
            return False
        except FlowConflictError as error:
            self._refused(str(error))
            return False
        except SwitchGoneError as error:
            LOG.warning("%s: %s", self.host, error)
            return False
        if self.bridge is not bridge:
            return False
        self.has, self.error = known, None
        return self._stood()

    def prove(self) -> None:
        """Compare what was taken from the marker's word with what is there; what differs is then behind."""
        known, bridge, pushes = self.has, self.bridge, self._pushes
        if known is None or known.proven or bridge is None or self.busy:
            return
        found = bridge.read(REST_S)
        change, _ = in_turns(whole(catching_up(found, known.intent, self.host, sweeping=True)), REST_S)
        if self.has is None or self.bridge is not bridge:
            return  # it is to be read anyhow
        if self._pushes != pushes:  # it was changed meanwhile: another time, but not for ever
            self._tries += 1
            if self._tries == MOST_TRIES:
                self.has, self.behind = None, True
        elif change:
            differing = len({flow.key for flow in change.add + change.delete}) or 1
            self._witness.differed(self.host, differing)
            self.has, self.behind = None, True
            self._drifts += differing
        else:
            self.has = replace(self.has, proven=True)

    def _go_on(self, bridge: Bridge, step: Intent, sweeping: bool) -> Known | None:
        """Give it the step from what is known of it, or vouched for; None, and nothing done, if it has to be read."""
        known = self.has
        if known is None and self._trusted and not self._drifts:
            known = self._vouched(bridge, step)
        self._trusted = False
        if known is None:
            return None
        if not self._spoilt:
            change, known = in_turns(going_on(known, step, self.host, sweeping=sweeping))
            return self._give(bridge, change, known)
        back = self._back(known, step)
        return None if back is None else self._give(bridge, Plan(add=back), known)

    def _begin(self, bridge: Bridge, step: Intent, sweeping: bool) -> Known:
        """Read it, and give it the step from there."""
        bridge.meters()  # what the switch tells before this answer is in all that is read after it
        hub.sleep(0)  # so that it is heard
        self._seen = self._drifts
        with _large:  # not before it has answered: who is silent holds up nobody else
            found = bridge.read()
            self._witness.found(self.host, bridge.foreign)
            self.has = None  # not known, until it is known again
            self.inherits = self.stands < 0 and bool(found.flows)  # also if it never says that it has the change
            known, moves = bridge.fill(catching_up(found, step, self.host, sweeping=sweeping))
            self.inherits = self.inherits and (moves or known.leftovers != Contents())
        return known

    def _give(self, bridge: Bridge, change: Plan, known: Known) -> Known:
        self.has = None  # not known, until it is known again
        if change:
            LOG.debug("%s: %d flows to add, %d to delete", self.host, len(change.add), len(change.delete))
            bridge.apply(change)
        return known

    def _vouched(self, bridge: Bridge, step: Intent) -> Known | None:
        """What is known if the bridge's marker and meters say that it has this step, and nothing else."""
        digest = in_turns(digesting(step, self.host))
        flows = bridge.claims(digest)
        if flows is None or bridge.meters() != compile_meters(step, self.host):
            return None
        self._witness.found(self.host, bridge.foreign)
        return Known(step, digest, flows, mark(digest, flows + 1), proven=False)

    def _back(self, known: Known, step: Intent) -> tuple[Flow, ...] | None:
        """What is wanted in the places of what is spoilt, if nothing else is to be done and no read is needed."""
        if known.leftovers != Contents() or not same(known.intent, step):
            return None
        return put_back(step, self.host, self._spoilt.values())

    def _refused(self, why: str) -> None:
        if self.error != why:  # it is tried again every second: said once is enough
            LOG.error("%s: %s", self.host, why)
            self._witness.refused(self.host, why)
        self.error = why

    def _stood(self) -> bool:
        """All changes that were seen are put right; if there were more meanwhile, what it has is not known."""
        self._spoilt.clear()
        if self._drifts != self._seen:
            self.has = None
            return False
        self._drifts = 0
        self._witness.stood(self.host, self._seen)
        return True
