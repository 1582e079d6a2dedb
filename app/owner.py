"""The owner: the one that touches the registry. Everybody else asks it, through a queue that has an end.

A change is in the store, and in the intent, when its job is done; it is applied when the rollout and the helpers
concerned have it. Whoever asked waits for that in a thread of its own, never in the owner's.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from os_ken.lib import hub

from app import views
from app.codec import LiveEntry
from app.config import Config
from app.desk import Change, EndpointView, HostView, LiveFlow, RefusedError
from app.helpers import Line, Lines
from app.policy import Assignment, Match, Policy
from app.registry import Registry
from app.rollout import Bridge as RolloutBridge
from app.rollout import Rollout
from app.store import Store
from app.wanted import lowered, shaper, shaper_key, wants
from app.wire import Admission, Ask, Done, EndpointDown, EndpointUp, HostUp, Outcome, TunnelsUp, Want, Welcome
from flows.model import EndpointKey, Intent
from flows.transition import touched

LOG = logging.getLogger(__name__)
ANSWER_S = 2.0  # how long a caller is kept waiting before it is told who is pending
LOWER_S = 0.5  # how long meters wait for the shapers that go before them
MOST_JOBS = 1024
MOST_RULES = 10_000

T = TypeVar("T")


class Bridge(RolloutBridge, Protocol):
    """A connected switch, as the owner needs it."""

    dpid: int

    def live(self, table: int | None) -> list[LiveEntry]:
        """The flows that it has now, with counters."""


class Owner:
    """Implements `app.desk.Desk` over the registry, the rollout and the lines to the helpers."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._registry = Registry(store, config.tunnel)
        self._intent = self._registry.snapshot()
        self._rollout = Rollout(self._registry.agreed(), self, self._agree)
        self._rollout.aim(self._intent)
        self._lines = Lines(first_session=time.time_ns() // 1_000_000)
        self._bridges: dict[int, Bridge] = {}
        self._unheard = set(self._registry.hosts)  # known hosts that have not reported yet
        self._jobs = hub.Queue(MOST_JOBS)

    def start(self) -> None:
        """Spawn the loops."""
        hub.spawn(self._work)
        hub.spawn(self._rollout.run)
        hub.spawn_after(self._config.settle, self._rollout.sweep)
        if not self._unheard:
            self._rollout.sweep()

    # What os-ken says

    def switch_up(self, switch: Bridge) -> None:
        """A bridge connected. If nobody has said whose it is, it waits for the helper that does."""
        self._bridges[switch.dpid] = switch
        host = self._host_of(switch.dpid)
        if host is not None:
            self._rollout.connected(host, switch)

    def switch_down(self, switch: Bridge) -> None:
        """A bridge's connection is gone."""
        if self._bridges.get(switch.dpid) is switch:
            del self._bridges[switch.dpid]
        host = self._host_of(switch.dpid)
        if host is not None:
            self._rollout.disconnected(host, switch)

    # What the REST room asks (app.desk.Desk)

    @property
    def intent(self) -> Intent:
        """What is wanted now."""
        return self._intent

    @property
    def policy(self) -> Policy:
        """What people want now."""
        return self._registry.policy

    @property
    def bridges(self) -> Mapping[int, Bridge]:
        """The connected bridges, by dpid."""
        return self._bridges

    def hosts(self) -> Sequence[HostView]:
        """All hosts that ever reported and were not deleted."""
        return [self._host_view(name, report) for name, report in sorted(self._registry.hosts.items())]

    def endpoints(self) -> Sequence[EndpointView]:
        """All endpoints."""
        arrangement = self._registry.arrangement
        behind = {name: self._behind(name) for name in self._registry.hosts}
        views_ = []
        for key, report in sorted(self._registry.reports.items()):
            why = arrangement.refused.get(key)
            state, words = ("refused", why) if why is not None else behind[key.host]
            views_.append(views.endpoint_view(key, report, arrangement, words, state))
        return views_

    def resolve(self, name: str) -> EndpointKey:
        """`web1`, `host2:web1`, `web1:eth1`, `host2:web1:eth1` -> its key; 404, or 409 with the list."""
        return views.resolve(name, self._registry.reports)

    def live_flows(self, host: str | None, endpoint: str | None, table: int | None) -> Sequence[LiveFlow]:
        """The flows that connected switches have now, read from them side by side."""
        key = None if endpoint is None else self.resolve(endpoint)
        if host is not None:
            self._known(host)
        names = [host] if host is not None else sorted(self._registry.hosts)
        found: dict[str, list[LiveEntry]] = {}
        hub.joinall([hub.spawn(self._read, name, table, found) for name in names])
        owner = None if key is None else self._registry.owner_of(key)
        owners = self._store.owners()
        return [
            views.live_flow(name, entry, owners, self._registry.reports, self.policy)
            for name in names
            for entry in found.get(name, ())
            if owner is None or views.belongs(entry.cookie, owner)
        ]

    def replace_policy(self, policy: Policy) -> Outcome:
        """This is the whole policy now."""

        def job() -> Iterable[EndpointKey]:
            self._registry.replace_policy(policy)
            return self._registry.reports

        return self._change(job)

    def preview(self, policy: Policy) -> Sequence[Mapping[str, object]]:
        """What `replace_policy` would change: `{"endpoint", "field", "from", "to"}`, nothing is changed."""
        registry = self._registry
        return self._ask(lambda: views.differences(registry.arrangement, registry.arranged(policy), registry.reports))

    def assign(self, names: Sequence[str], change: Change) -> Outcome:
        """One change for these endpoints together."""
        return self._change(lambda: self._assign(names, change))

    def forget_host(self, name: str) -> Outcome:
        """This machine is gone for good; 404 unknown, 409 if it is connected."""

        def job() -> Iterable[EndpointKey]:
            self._known(name)
            if self._lines[name].streaming or self._rollout.bridge(name) is not None:
                raise RefusedError(
                    409, "host-connected", f"{name} is connected: stop its helper and Open vSwitch, then say it again"
                )
            self._registry.forget_host(name)
            self._lines.forget(name)
            self._heard_of(name)
            return ()

        return self._change(job)

    def admit(self, host: str, ask: Ask) -> Admission:
        """Whether this endpoint may be, before anything is touched."""
        return self._ask(lambda: self._registry.admit(host, ask))

    def host_up(self, host: str, report: HostUp) -> Welcome:
        """A helper begins a session; 409 for a second host with this dpid."""

        def job() -> Welcome:
            refused = self._registry.host_up(host, report)
            session = self._lines.begin(host)
            self._heard_of(host)
            self._want(self._registry.snapshot(), self._registry.hosts)
            return Welcome(
                session=session, refused={f"{key.container}/{key.interface}": why for key, why in refused.items()}
            )

        welcome = self._ask(lambda: self._then_aim(job))
        bridge = self._bridges.get(report.dpid)
        if bridge is not None and self._rollout.bridge(host) is not bridge:
            self._rollout.connected(host, bridge)
        return welcome

    def heard(self, host: str, session: int, event: EndpointUp | EndpointDown | TunnelsUp) -> Outcome:
        """Something came or went there."""

        def job() -> Iterable[EndpointKey]:
            self._line(host, session)
            match event:
                case EndpointUp(endpoint=report):
                    key = EndpointKey(host, report.container, report.interface)
                    self._registry.endpoint_up(key, report)
                    return (key,)
                case EndpointDown(container=container, interface=interface):
                    self._registry.endpoint_down(EndpointKey(host, container, interface))
                case TunnelsUp(tunnels=tunnels):
                    self._registry.tunnels_up(host, dict(tunnels))
            return ()

        return self._change(job)

    def wants(self, host: str, session: int) -> Iterator[Want | None]:
        """What is wanted there, as it changes; None is a beat. Ends when a newer session begins."""
        return self._line(host, session).open(session)

    def done(self, host: str, session: int, done: Done) -> None:
        """A want stands, or could not be done."""
        self._line(host, session).done(done)
        if done.error is not None:
            LOG.warning("%s could not do %s: %s", host, done.key, done.error)
        self._rollout.tell()

    # What the rollout asks (app.rollout.Shapers)

    def before(self, current: Intent, step: Intent) -> None:
        """Lower the shapers of what sinks, and wait for it a moment."""
        told = set()
        for key, after in step.endpoints.items():
            was = current.endpoints.get(key)
            lower = None if was is None or was is after else lowered(was, after)
            if lower is not None:
                self._lines[key.host].want_one(shaper_key(lower), shaper(lower), step.generation)
                told.add(key.host)
        self._wait_until(lambda: not any(self._lines[host].pending() for host in told), LOWER_S)

    def after(self, before: Intent, step: Intent) -> None:
        """Say what is wanted with this step of those whom it touches."""
        everybody = before.hosts.keys() != step.hosts.keys() or before.links != step.links
        self._want(step, step.hosts if everybody else touched(before, step))

    # How it works

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job()

    def _ask(self, job: Callable[[], T]) -> T:
        """Have the owner do it, and wait for what comes of it."""
        done = hub.Event()
        result: list[T] = []
        failure: list[Exception] = []

        def work() -> None:
            try:
                result.append(job())
            except Exception as error:
                failure.append(error)
            done.set()

        self._jobs.put(work)
        done.wait()
        if failure:
            raise failure[0]
        return result[0]

    def _then_aim(self, job: Callable[[], T]) -> T:
        result = job()
        self._intent = self._registry.snapshot()
        self._rollout.aim(self._intent)
        return result

    def _want(self, intent: Intent, hosts: Iterable[str]) -> None:
        for host in hosts:
            self._lines[host].want(wants(intent, host, self._registry.mtu), intent.generation)

    def _change(self, job: Callable[[], Iterable[EndpointKey]]) -> Outcome:
        """Do it, then wait until it is applied, or until the caller has waited enough.

        The job says whom it is about: all that share a segment with them must have it, even if nothing is new.
        """

        def work() -> tuple[int, frozenset[str]]:
            before = self._intent
            about = self._then_aim(job)
            after = self._intent
            ends = (after.endpoints[key] for key in about if key in after.endpoints)
            peers = {peer.key.host for segment in {end.sends for end in ends} for peer in after.members[segment]}
            return after.generation, touched(before, after) | peers

        generation, concerned = self._ask(work)

        def pending() -> tuple[str, ...]:
            return tuple(sorted(host for host in concerned if not self._applied(host, generation)))

        self._wait_until(lambda: not pending(), ANSWER_S)
        return Outcome(generation=generation, pending=self._culprits(pending()))

    def _wait_until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds() and (left := deadline - time.monotonic()) > 0:
            self._rollout.wait(left)

    def _applied(self, host: str, generation: int) -> bool:
        if host not in self._registry.hosts:
            return True
        return self._rollout.stands(host, generation) and not self._lines[host].pending()

    def _culprits(self, pending: tuple[str, ...]) -> tuple[str, ...]:
        """Of the hosts that have it not yet those that are away, for whom the others may be waiting."""
        away = tuple(host for host in pending if self._behind(host)[0] == "away")
        return away or pending

    def _assign(self, names: Sequence[str], change: Change) -> Iterable[EndpointKey]:
        reports, policy = self._registry.reports, self.policy
        keys = [self.resolve(name) for name in names]
        heads = []
        for name, key in zip(names, keys, strict=True):
            report = reports[key]
            rule = policy.assignment(report.name, key.host, key.interface, report.labels)
            now = Assignment(match=Match(name=report.name)) if rule is None else rule
            heads.append(
                Assignment(
                    match=Match(**views.said(name, key, report)),
                    vlan=change.vlan if change.vlan is not None else now.vlan,
                    up=change.up if change.up is not None else now.up,
                    down=change.down if change.down is not None else now.down,
                )
            )
        after = policy.with_head(heads)
        if len(after.assign) > MOST_RULES:
            raise RefusedError(409, "policy-full", f"a policy has at most {MOST_RULES} assignments: take some out")
        self._registry.replace_policy(after)
        return keys

    def _agree(self, segments: list[tuple[EndpointKey, int]]) -> None:
        self._ask(lambda: self._registry.keep_segments(segments))

    def _line(self, host: str, session: int) -> Line:
        line = self._lines[self._known(host)]
        line.check(session)
        return line

    def _known(self, host: str) -> str:
        if host not in self._registry.hosts:
            raise RefusedError(404, "unknown-host", f"there is no host “{host[:40]}”: see “containet hosts”")
        return host

    def _heard_of(self, host: str) -> None:
        self._unheard.discard(host)
        if not self._unheard:
            self._rollout.sweep()

    def _host_of(self, dpid: int) -> str | None:
        return next((name for name, report in self._registry.hosts.items() if report.dpid == dpid), None)

    def _read(self, host: str, table: int | None, found: dict[str, list[LiveEntry]]) -> None:
        bridge = self._bridges.get(self._registry.hosts[host].dpid)
        if bridge is not None:
            found[host] = bridge.live(table)

    def _behind(self, host: str) -> tuple[str, str]:
        """`up`, `pending` or `away`, and why."""
        line = self._lines[host]
        if self._rollout.bridge(host) is None:
            return "away", f"the switch of {host} is not connected"
        if not line.streaming:
            return "away", f"the helper of {host} is not connected"
        if not self._applied(host, self._intent.generation):
            return "pending", f"{host} has not everything yet"
        return "up", ""

    def _host_view(self, name: str, report: HostUp) -> HostView:
        line = self._lines[name]
        refused = self._rollout.error(name)
        return HostView(
            name=name,
            dpid=report.dpid,
            vtep=str(report.vtep),
            underlay_mtu=report.underlay_mtu,
            switch=self._rollout.bridge(name) is not None,
            helper=line.streaming,
            tunnels=report.tunnels,
            endpoints=sum(key.host == name for key in self._registry.reports),
            pending=not self._applied(name, self._intent.generation),
            errors=(*line.book.errors.values(), *([refused] if refused else [])),
        )
