"""Brings every bridge from where it is to what is wanted: level-triggered, step by step, all bridges in step.

`current` is the step that every connected switch has or is being given; `target` is what is wanted. A switch that
connects is read, compared and brought to `current` before it takes part in the next step. One that refuses or fails
is tried again at the next wake, at the latest after a second, and counts as away until then.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Set

from os_ken.lib import hub

from app.openflow.switch import RefusedFlowsError, SwitchGoneError
from app.station import Bridge, Nobody, Shapers, Station, Witness
from flows.delta import delta
from flows.diff import Plan, joined, plan, spare, without
from flows.flow import Contents, Flow
from flows.mend import put_back
from flows.model import EndpointKey, Intent
from flows.pipeline import FlowConflictError, compile_bridge, compile_change
from flows.transition import Place, arrived, inherited, next_step, same, stale, touched

LOG = logging.getLogger(__name__)
TICK_S = 1.0
LINGER_S = 15.0  # longer than Open vSwitch keeps what it cached and nobody uses (max-idle, 10 s)
PUSH_S = 1.0  # how long the others wait for a switch
GATHER_S, MOST_GATHER_S = 0.05, 0.4  # who changed one thing in a switch may be at it still: one repair for all of it
MOST_SPOILT = 100  # flows that are put back one by one; of more the whole bridge is read


class Rollout:
    """The loop that owns what the switches hold."""

    def __init__(
        self,
        start: Intent,
        shapers: Shapers,
        begun: Callable[[Mapping[EndpointKey, Place]], None],
        linger_s: float = LINGER_S,
        witness: Witness | None = None,
    ) -> None:
        self.current = start
        self.target = start
        self._told = start  # what the helpers were told last
        self._shapers = shapers
        self._begun = begun
        self._witness = witness or Nobody()
        self._stations: dict[str, Station] = {}
        self._linger_s = linger_s
        self._tidy_at: float | None = None  # when what lingers goes (monotonic)
        self._left: dict[int, float] = {}  # segment -> when somebody left it last
        self._sweeping = False
        self._inherited = set(inherited(start))  # hosts whose caches nobody has waited for since a controller before us
        self._wake = hub.Event()
        self._news = hub.Event()

    # What others tell it

    def aim(self, target: Intent) -> None:
        """This is wanted now."""
        self.target = target
        for name in self._stations.keys() - target.hosts.keys():
            del self._stations[name]
        self._wake.set()

    def sweep(self) -> None:
        """The intent is known complete: from now on leftovers go."""
        if not self._sweeping:
            self._sweeping = True
            for station in self._stations.values():
                station.behind = True
            self._wake.set()

    def connected(self, host: str, bridge: Bridge) -> None:
        """This host's switch is there."""
        station = self._stations.setdefault(host, Station())
        station.bridge, station.has, station.behind = bridge, None, True
        self._wake.set()

    def disconnected(self, host: str, bridge: Bridge) -> None:
        """This connection is gone."""
        station = self._stations.get(host)
        if station is not None and station.bridge is bridge:
            station.bridge, station.has, station.behind = None, None, True
            self.tell()

    def drifted(self, host: str, flow: Flow | None) -> None:
        """Somebody else changed this flow in the host's switch, or deleted it. None: something, so it is to be read."""
        station = self._stations.get(host)
        if station is not None:
            station.drifts += 1
            station.behind = True
            if flow is None or len(station.spoilt) >= MOST_SPOILT:
                station.has = None
            else:
                station.spoilt[flow.key] = flow
            self._wake.set()

    # What others ask it

    def bridge(self, host: str) -> Bridge | None:
        """The host's switch, if it is connected."""
        station = self._stations.get(host)
        return station.bridge if station is not None else None

    def error(self, host: str) -> str | None:
        """What its switch refused, in words."""
        station = self._stations.get(host)
        return station.error if station is not None else None

    def unfinished(self, keys: Iterable[EndpointKey]) -> frozenset[EndpointKey]:
        """Those of these endpoints that are not yet where they are wanted."""
        differing = delta(self.current, self.target).endpoints.intersection(keys)
        return frozenset(key for key in differing if not arrived(self.current, self.target, key))

    def stands(self, host: str, generation: int) -> bool:
        """Whether this host's switch has every step of this generation that may be taken."""
        station = self._stations.get(host)
        return station is not None and not station.behind and station.stands >= generation

    def wait(self, timeout_s: float) -> None:
        """Until something was done, or the time is over."""
        self._news.wait(timeout_s)

    def tell(self) -> None:
        """Wake all that wait."""
        news, self._news = self._news, hub.Event()
        news.set()

    # What it does

    def run(self) -> None:
        """For ever: take every step that may be taken, then wait."""
        while True:
            self._wake.wait(TICK_S)
            self._wake.clear()
            try:
                while self.advance():
                    pass
            except Exception:
                LOG.exception("the rollout failed; it begins again")
                hub.sleep(TICK_S)

    def advance(self) -> bool:
        """One step, on all switches; whether it changed anything, so that another may follow."""
        target, before = self.target, self.current
        self._push_all()
        self._settle_inherited()
        away = frozenset(name for name in target.hosts if not self._in_step(name))
        step = next_step(before, target, away, lingering=self._lingering())
        if not same(before, step):
            self._begin(before, step)
            self._shapers.before(before, step)
            self.current = step
            for name in touched(before, step) & self._stations.keys():
                self._stations[name].behind = True
            self._push_all()
            if waited_for := stale(before, step, target, self._warm()):
                self._shapers.settle(waited_for, step)
            self._note_left(before, step)
        self.current = step
        if step is target:
            self._tidy_at = None
        elif self._tidy_at is None:
            self._tidy_at = time.monotonic() + self._linger_s
        self._shapers.after(self._told, self.current)
        self._told = self.current
        for station in self._stations.values():
            if not station.behind:
                station.has = self.current  # for what it has not been given does not concern it
                station.stands = max(station.stands, target.generation)
        self.tell()
        return not same(before, step) or self.target is not target

    def _begin(self, before: Intent, step: Intent) -> None:
        """The store must know a step before any switch does: the next controller goes on from there."""
        moved: dict[EndpointKey, Place] = {}
        for key in sorted(delta(before, step).endpoints & step.endpoints.keys()):
            was, now = before.endpoints.get(key), step.endpoints[key]
            if was is None or (was.sends, was.receives) != (now.sends, now.receives):
                moved[key] = Place(now.sends, now.receives)
        if moved:
            self._begun(moved)

    def _settle_inherited(self) -> None:
        """A controller before us may have died before it knew what these switches had cached."""
        if hosts := {host for host in self._inherited if self._in_step(host)}:
            self._shapers.settle(hosts, self.current)
            self._inherited -= hosts

    def _lingering(self) -> bool:
        return self._tidy_at is None or time.monotonic() < self._tidy_at

    def _warm(self) -> Set[int]:
        """The segments of which switches may have cached that somebody is not there."""
        forgotten = time.monotonic() - LINGER_S
        self._left = {segment: when for segment, when in self._left.items() if when > forgotten}
        return self._left.keys()

    def _note_left(self, before: Intent, step: Intent) -> None:
        for key in delta(before, step).endpoints & before.endpoints.keys():
            now = step.endpoints.get(key)
            for segment in before.endpoints[key].receives - (now.receives if now else frozenset()):
                self._left[segment] = time.monotonic()

    def _in_step(self, host: str) -> bool:
        station = self._stations.get(host)
        return station is not None and station.bridge is not None and not station.behind

    def _push_all(self) -> None:
        """Bring all that are behind to `current`. Who takes long is away for now, and wakes the loop when done."""
        pushed = [station for host, station in self._stations.items() if self._begin_push(host, station)]
        deadline = time.monotonic() + PUSH_S
        while any(station.busy for station in pushed) and (left := deadline - time.monotonic()) > 0:
            self.wait(left)
        for station in pushed:
            station.late = station.busy

    def _begin_push(self, host: str, station: Station) -> bool:
        if not station.behind or station.busy or station.bridge is None or host not in self.current.hosts:
            return False
        station.busy = True
        hub.spawn(self._push, host, station, station.bridge)
        return True

    def _push(self, host: str, station: Station, bridge: Bridge) -> None:
        self._gather(station)
        step, sweeping, drifts = self.current, self._sweeping, station.drifts
        try:
            change, leftovers = self._change(host, station, bridge, step, sweeping)
            station.has = None  # not known, until it is known again
            if change:
                LOG.info("%s: %d flows to add, %d to delete", host, len(change.add), len(change.delete))
                bridge.apply(change)
            if sweeping:
                bridge.drop_strays()
        except (RefusedFlowsError, FlowConflictError) as error:
            self._refused(host, station, str(error))
        except SwitchGoneError as error:
            LOG.warning("%s: %s", host, error)
        else:
            if station.bridge is bridge:
                station.has, station.leftovers, station.error = step, leftovers, None
                # Meanwhile the others may have gone on, or leftovers may go: then it is behind still.
                station.behind = sweeping != self._sweeping or not same(step, self.current)
                self._count_drifts(host, station, drifts)
        finally:
            station.busy = False
            if station.late or station.bridge is not bridge:
                station.late = False
                self._wake.set()
            self.tell()

    def _gather(self, station: Station) -> None:
        """If somebody else changes it, wait until that is over, but not for long."""
        seen, deadline = 0, time.monotonic() + MOST_GATHER_S
        while station.drifts != seen and time.monotonic() < deadline:
            seen = station.drifts
            hub.sleep(GATHER_S)

    def _refused(self, host: str, station: Station, why: str) -> None:
        if station.error != why:  # it is tried again every second: said once is enough
            LOG.error("%s: %s", host, why)
            self._witness.refused(host, why)
        station.error = why

    def _count_drifts(self, host: str, station: Station, drifts: int) -> None:
        """So many were put right; if somebody changed more meanwhile, what it has is not known."""
        station.spoilt.clear()
        if station.drifts != drifts:
            station.has, station.behind = None, True
        else:
            station.drifts = 0
            self._witness.stood(host, drifts)

    def _change(
        self, host: str, station: Station, bridge: Bridge, step: Intent, sweeping: bool
    ) -> tuple[Plan, Contents]:
        """What the bridge needs to have this step, and what is left over there then."""
        if station.spoilt:
            back = self._back(host, station, step)
            if back is not None:
                return Plan(add=back), Contents()
            station.has = None
        if station.has is None:
            desired = compile_bridge(step, host)
            installed = bridge.read()
            self._witness.found(host, bridge.foreign)
            if station.stands < 0 and installed.flows and installed != desired:
                self._inherited.add(host)
            found = without(installed, desired)
        else:
            known, desired = compile_change(station.has, step, host)
            found = without(station.leftovers, desired)
            installed = joined(known, station.leftovers)
        leftovers = Contents() if sweeping else found
        return spare(plan(installed, desired), leftovers), leftovers

    def _back(self, host: str, station: Station, step: Intent) -> tuple[Flow, ...] | None:
        """What is wanted in the places of what is spoilt, if nothing else is to be done and no read is needed."""
        if station.has is None or station.leftovers != Contents() or not same(station.has, step):
            return None
        return put_back(step, host, station.spoilt.values())
