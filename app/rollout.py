"""Brings every bridge from where it is to what is wanted: level-triggered, step by step, all bridges in step.

`current` is the step that every connected switch has or is being given; `target` is what is wanted. A switch that
connects is read, compared and brought to `current` before it takes part in the next step. One that refuses or fails
is tried again at the next wake, at the latest after a second, and counts as away until then.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from os_ken.lib import hub

from app.openflow.switch import RefusedFlowsError, SwitchGoneError
from flows.diff import Plan, apply, plan, spare, without
from flows.flow import Contents
from flows.model import EndpointKey, Intent
from flows.pipeline import FlowConflictError, compile_bridge
from flows.transition import next_step, same, touched

LOG = logging.getLogger(__name__)
TICK_S = 1.0
PUSH_S = 1.0  # how long the others wait for a switch


class Bridge(Protocol):
    """A connected switch, as the rollout needs it. Both raise SwitchGoneError; `apply` RefusedFlowsError too."""

    def read(self) -> Contents:
        """What it holds of ours."""

    def apply(self, change: Plan) -> None:
        """Make the change, whole or not at all."""


class Shapers(Protocol):
    """What the rollout tells the helpers before and after a step, so that a rate never is above what it was."""

    def before(self, current: Intent, step: Intent) -> None:
        """Lower what sinks, and wait for it a moment."""

    def after(self, before: Intent, step: Intent) -> None:
        """Say what is wanted with this step."""


@dataclass
class Station:
    """One host's bridge. `installed` is None until it was read; `stands` the generation that it is known to have.

    `leftovers` are what was found there and is not wanted: it goes when sweeping begins, and not before.
    """

    bridge: Bridge | None = None
    installed: Contents | None = None
    leftovers: Contents = field(default_factory=Contents)
    behind: bool = True
    busy: bool = False  # a push is under way
    late: bool = False  # nobody waits for that push any more
    stands: int = -1
    error: str | None = None


class Rollout:
    """The loop that owns what the switches hold."""

    def __init__(
        self, start: Intent, shapers: Shapers, agreed: Callable[[list[tuple[EndpointKey, int]]], None]
    ) -> None:
        self.current = start
        self.target = start
        self._told = start  # what the helpers were told last
        self._kept = start  # what the store knows to be agreed
        self._shapers = shapers
        self._agreed = agreed
        self._stations: dict[str, Station] = {}
        self._sweeping = False
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
        station.bridge, station.installed, station.behind = bridge, None, True
        self._wake.set()

    def disconnected(self, host: str, bridge: Bridge) -> None:
        """This connection is gone."""
        station = self._stations.get(host)
        if station is not None and station.bridge is bridge:
            station.bridge, station.installed, station.behind = None, None, True
            self.tell()

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
        current, target = self.current.endpoints, self.target.endpoints
        return frozenset(key for key in keys if current.get(key) != target.get(key))

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
        away = frozenset(name for name in target.hosts if not self._in_step(name))
        step = next_step(before, target, away)
        if not same(before, step):
            self._shapers.before(before, step)
            self.current = step
            for name in touched(before, step) & self._stations.keys():
                self._stations[name].behind = True
            self._push_all()
        self.current = replace(step, generation=target.generation)
        self._keep_agreed()
        self._shapers.after(self._told, self.current)
        self._told = self.current
        for station in self._stations.values():
            if not station.behind:
                station.stands = max(station.stands, target.generation)
        self.tell()
        return not same(before, step) or self.target is not target

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
        step, sweeping, installed = self.current, self._sweeping, station.installed
        station.installed = None  # not known, until it is known again
        try:
            desired = compile_bridge(step, host)
            if installed is None:
                installed = bridge.read()
                station.leftovers = without(installed, desired)
            station.leftovers = Contents() if sweeping else without(station.leftovers, desired)
            change = spare(plan(installed, desired), station.leftovers)
            if change:
                LOG.info("%s: %d flows to add, %d to delete", host, len(change.add), len(change.delete))
                bridge.apply(change)
        except (RefusedFlowsError, FlowConflictError) as error:
            if station.error != str(error):  # it is tried again every second: said once is enough
                LOG.error("%s: %s", host, error)
            station.error = str(error)
        except SwitchGoneError as error:
            LOG.warning("%s: %s", host, error)
        else:
            if station.bridge is bridge:
                station.installed = apply(installed, change)
                station.error = None
                # Meanwhile the others may have gone on, or leftovers may go: then it is behind still.
                station.behind = sweeping != self._sweeping or not (step is self.current or same(step, self.current))
        finally:
            station.busy = False
            if station.late or station.bridge is not bridge:
                station.late = False
                self._wake.set()
            self.tell()

    def _keep_agreed(self) -> None:
        """Who sends elsewhere now, or is new: the store must know before the old segment is closed."""
        before, step = self._kept.endpoints, self.current
        changed = [
            (key, endpoint.sends)
            for key, endpoint in step.endpoints.items()
            if key not in before or before[key].sends != endpoint.sends
        ]
        if changed:
            self._agreed(changed)
        self._kept = step
