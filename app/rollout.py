"""Brings every bridge from where it is to what is wanted: level-triggered, step by step, all bridges in step.

`current` is the step that every connected switch has or is being given; `target` is what is wanted. A switch that
connects is brought to `current` before it takes part in the next step: if its marker says that it has that, it is
served at once and compared later, else it is read and compared before. One that refuses or fails is tried again at the
next wake, at the latest after a second, and counts as away until then.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Set

from os_ken.lib import hub

from app.openflow.switch import SwitchGoneError
from app.station import Bridge, Nobody, Shapers, Station, Witness
from flows.delta import delta
from flows.flow import Flow
from flows.intent import Intent
from flows.model import EndpointKey
from flows.transition import Place, inherited, next_step, places, same, stale, touched

LOG = logging.getLogger(__name__)
TICK_S = 1.0
LINGER_S = 15.0  # longer than Open vSwitch keeps what it cached and nobody uses (max-idle, 10 s)
PUSH_S = 1.0  # how long the others wait for a switch
PROVE_S = 5.0  # how long what a marker said is believed at the least: what reconnects now is not held up


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
        self._unsettled: frozenset[str] = frozenset()  # hosts of a step whose caches are yet to be waited for
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
        self._stations.setdefault(host, Station(host, self._witness)).connected(bridge)
        self._wake.set()

    def disconnected(self, host: str, bridge: Bridge) -> None:
        """This connection is gone."""
        station = self._stations.get(host)
        if station is not None and station.bridge is bridge:
            station.disconnected()
            self.tell()

    def drifted(self, host: str, flow: Flow | None) -> None:
        """Somebody else changed this flow in the host's switch, or deleted it. None: something, so it is to be read."""
        station = self._stations.get(host)
        if station is not None:
            station.drifted(flow)
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
        return delta(self.current, self.target).endpoints.intersection(keys)

    def stands(self, host: str, generation: int) -> bool:
        """Whether this host's switch has every step of this generation that may be taken."""
        station = self._stations.get(host)
        unsettled = station is None or station.behind or host in self._unsettled
        return station is not None and not unsettled and station.stands >= generation

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
        hub.spawn(self._prove_on)
        while True:
            self._wake.wait(TICK_S)
            self._wake.clear()
            try:
                while self.advance():
                    pass
            except Exception:
                LOG.exception("the rollout failed; it begins again")
                hub.sleep(TICK_S)

    def prove(self) -> None:
        """Compare, one after the other, the switches whose markers were believed; what differs is put right."""
        for station in list(self._stations.values()):
            try:
                station.prove()
            except SwitchGoneError as error:
                LOG.warning("%s: %s", station.host, error)
            if station.behind:
                self._wake.set()

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
            self._unsettled = touched(before, step)
            for name in self._unsettled & self._stations.keys():
                self._stations[name].behind = True
            self._push_all()
            if waited_for := stale(before, step, self._warm()):
                self._shapers.settle(waited_for, step)
            self._unsettled = frozenset()
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
                station.passed_over(self.current)
                station.stands = max(station.stands, target.generation)
        self.tell()
        return not same(before, step) or self.target is not target

    def _begin(self, before: Intent, step: Intent) -> None:
        """The store must know a step before any switch does: the next controller goes on from there."""
        if found := places(before, step):
            self._begun(found)

    def _settle_inherited(self) -> None:
        """A controller before us may have died before it knew what these switches had cached."""
        if hosts := {host for host in self._inherited if self._in_step(host)}:
            self._shapers.settle(hosts, self.current)
            self._inherited -= hosts

    def _prove_on(self) -> None:
        while True:
            hub.sleep(PROVE_S)
            try:
                self.prove()
            except Exception:
                LOG.exception("what a marker said was not compared")

    def _lingering(self) -> bool:
        return self._tidy_at is None or time.monotonic() < self._tidy_at

    def _warm(self) -> Set[int]:
        """The segments of which switches may have cached that somebody is not there."""
        forgotten = time.monotonic() - LINGER_S
        self._left = {segment: when for segment, when in self._left.items() if when > forgotten}
        return self._left.keys()

    def _note_left(self, before: Intent, step: Intent) -> None:
        for key in delta(before, step).endpoints & before.endpoints.keys():
            was, now = before.endpoints[key], step.endpoints.get(key)
            if now is None or now.segment != was.segment:
                self._left[was.segment] = time.monotonic()

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
        hub.spawn(self._push, station, station.bridge)
        return True

    def _push(self, station: Station, bridge: Bridge) -> None:
        try:
            station.gather()
            step, sweeping = self.current, self._sweeping
            has_it = station.bring(bridge, step, sweeping=sweeping)
            if station.inherits:
                self._inherited.add(station.host)
            if has_it:
                # Meanwhile the others may have gone on, or leftovers may go: then it is behind still.
                station.behind = sweeping != self._sweeping or not same(step, self.current)
        finally:
            station.busy = False
            if station.late or station.bridge is not bridge:
                station.late = False
                self._wake.set()
            self.tell()
