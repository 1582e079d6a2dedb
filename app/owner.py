"""The owner: the one that touches the registry. Everybody else asks it, through a queue that has an end.

A change is in the store, and in the intent, when its job is done; it is applied when the rollout and the helpers
concerned have it. Whoever asked waits for that in a thread of its own, never in the owner's.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from os_ken.lib import hub

from app import views
from app.config import Config
from app.desk import Change, EndpointView, Happening, HostView, LiveFlow, RefusedError
from app.diary import Diary
from app.events import Events
from app.helpers import Line, Lines
from app.jobs import Jobs
from app.leases import Leases
from app.live import LiveFlows
from app.openflow.monitor import Drifted, News
from app.openflow.switch import Switch
from app.policy import Policy
from app.progress import Progress
from app.registry import NO_OFPORT, Registry
from app.rollout import Rollout
from app.rules import Rules
from app.store import Store
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
    Event,
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
from flows.intent import Intent
from flows.model import EndpointKey
from flows.transition import Place, touched

LOG = logging.getLogger(__name__)
ANSWER_S = 2.0  # how long a caller is kept waiting before it is told who is pending

T = TypeVar("T")


class _Begun(NamedTuple):
    """A change that the switches are being told of."""

    hosts: frozenset[str]  # that must have it
    keys: tuple[EndpointKey, ...]  # whom it is about
    generation: int


class Owner:
    """Implements `app.desk.Desk` over the registry, the rollout and the lines to the helpers."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._events = Events()
        self._diary = Diary(
            self._events, lambda cookie: views.endpoint_of(cookie, self._registry.ids.things, self._registry.reports)
        )
        self._registry = Registry(store, config.tunnel)
        self._leases = Leases(store, self._registry.in_use)
        self._intent = self._registry.snapshot()
        self._lines = Lines(lambda: self._registry.mtu)
        self._rollout = Rollout(self._registry.begun(), self._lines, self._begin, witness=self._diary)
        self._rollout.aim(self._intent)
        self._progress = Progress(self._rollout, self._lines)
        self._bridges: dict[int, Switch] = {}
        self._live = LiveFlows(self._registry, self._bridges)
        self._unheard = set(self._registry.hosts)  # known hosts that have not reported yet
        self._jobs = Jobs()

    def start(self) -> None:
        """Spawn the loops."""
        hub.spawn(self._jobs.run)
        hub.spawn(self._rollout.run)
        hub.spawn_after(self._config.settle, self._rollout.sweep)

    # What os-ken says

    def switch_up(self, switch: Switch) -> None:
        """A bridge connected. If nobody has said whose it is, it waits for the helper that does."""
        self._bridges[switch.dpid] = switch
        switch.watch(lambda news: self._drifted(switch, news))  # before the first read, so that nothing is missed
        host = self._host_of(switch.dpid)
        if host is not None:
            self._connect(host, switch)

    def switch_down(self, switch: Switch) -> None:
        """A bridge's connection is gone."""
        if self._bridges.get(switch.dpid) is switch:
            del self._bridges[switch.dpid]
        host = self._host_of(switch.dpid)
        if host is not None:
            self._rollout.disconnected(host, switch)
            self._diary.switch(host, up=False)

    # What the REST room asks (app.desk.Desk)

    @property
    def intent(self) -> Intent:
        """What is wanted now."""
        return self._intent

    @property
    def policy(self) -> Policy:
        """What people want now."""
        return self._registry.rules.policy

    @property
    def rules(self) -> Rules:
        """The same, with the networks that hosts declare."""
        return self._registry.rules

    @property
    def bridges(self) -> Mapping[int, Switch]:
        """The connected bridges, by dpid."""
        return self._bridges

    def hosts(self) -> Sequence[HostView]:
        """All hosts that ever reported and were not deleted."""
        counts = Counter(key.host for key in self._registry.reports)
        return [
            self._progress.view(name, report, counts[name], self._intent.generation)
            for name, report in sorted(self._registry.hosts.items())
        ]

    def endpoints(self) -> Sequence[EndpointView]:
        """All endpoints."""
        states = {name: self._progress.state(name, self._intent.generation) for name in self._registry.hosts}
        return views.endpoint_views(self._registry.reports, self._registry.arrangement, states)

    def resolve(self, name: str) -> EndpointKey:
        """`web1`, `host2:web1`, `web1:eth1`, `host2:web1:eth1` -> its key; 404, or 409 with the list."""
        return views.resolve(name, self._registry.reports)

    def live_flows(self, host: str | None, endpoint: str | None, table: int | None) -> Sequence[LiveFlow]:
        """The flows that connected switches have now, read from them side by side."""
        key = None if endpoint is None else self.resolve(endpoint)
        return self._live.read(None if host is None else self._known(host), key, table)

    def events(self, since: int | None, host: str | None) -> Sequence[Happening]:
        """What happened after the event of this number, as far as it is kept (None: all that is)."""
        return self._events.since(since, host)

    def follow_events(self, since: int | None, host: str | None) -> Iterator[Happening | None]:
        """The same, then what comes, for ever; None is a beat."""
        return self._events.follow(since, host)

    def replace_policy(self, policy: Policy) -> Outcome:
        """This is the whole policy now."""

        def job() -> Iterable[EndpointKey]:
            self._registry.replace_policy(policy)
            self._diary.policy_replaced()
            return self._registry.reports

        return self._change(job)

    def preview(self, policy: Policy) -> Sequence[Mapping[str, object]]:
        """What `replace_policy` would change: `{"endpoint", "field", "from", "to"}`, nothing is changed."""
        registry = self._registry
        return self._jobs.ask(
            lambda: views.differences(registry.arrangement, registry.preview(policy), registry.reports)
        )

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
            self._leases.forget_host(name)
            self._lines.forget(name)
            self._heard_of(name)
            return ()

        return self._change(job)

    def admit(self, host: str, ask: Ask) -> Admission:
        """Whether this endpoint may be, before anything is touched."""
        return self._jobs.ask(lambda: self._admit(host, ask)).admission

    def come(self, host: str, session: int, coming: Coming) -> Iterator[Admitted | Outcome]:
        """The same for one that comes at once: its flows are made from then on. Then what came of that."""
        found: list[Admitted] = []

        def job() -> Iterable[EndpointKey]:
            self._line(host, session)
            admitted = self._admit(host, coming.ask, coming.ofport)
            key = self._endpoint_up(host, admitted.endpoint)
            self._lines.holds(key, admitted.admission)
            found.append(admitted)
            return (key,)

        begun = self._begin_change(job)
        yield found[0]
        yield self._outcome(begun)

    def admit_network(self, host: str, network: NetworkReport) -> None:
        """Whether Docker may have this network there; RefusedError says why not."""
        self._jobs.ask(lambda: self._registry.admit_network(self._known(host), network))

    def lease(self, host: str, session: int, ask: LeaseAsk) -> Lease:
        """Addresses that this host may hand out by itself."""

        def job() -> Lease:
            self._line(host, session)
            return self._leases.grant(host, ask)

        return self._jobs.ask(job)

    def release(self, host: str, session: int, release: Release) -> None:
        """Addresses that this host gives back."""

        def job() -> None:
            self._line(host, session)
            self._leases.release(host, release.leases)

        self._jobs.ask(job)

    def host_up(self, host: str, report: HostUp) -> Welcome:
        """A helper begins a session; 409 for a second host with this dpid."""

        def job() -> Welcome:
            refused = self._registry.host_up(host, report)
            self._networks_up(host, report.networks)
            clashing = self._leases.tell(host, report.leases)
            session = self._lines.begin(host)
            self._heard_of(host)
            self._diary.helper_up(host, len(report.endpoints))
            return Welcome(
                session=session,
                refused={f"{key.container}/{key.interface}": why for key, why in refused.items()},
                clashing=clashing,
            )

        welcome = self._jobs.ask(lambda: self._then_aim(job))
        before, bridge = self._rollout.bridge(host), self._bridges.get(report.dpid)
        if before is not None and before is not bridge:
            self._rollout.disconnected(host, before)
        if bridge is not None and before is not bridge:
            self._connect(host, bridge)
        return welcome

    def heard(self, host: str, session: int, event: Event) -> Outcome:
        """Something came or went there."""

        def job() -> Iterable[EndpointKey]:
            self._line(host, session)
            match event:
                case EndpointUp(endpoint=report):
                    return (self._endpoint_up(host, report),)
                case EndpointDown(container=container, interface=interface):
                    key = EndpointKey(host, container, interface)
                    if key in self._registry.reports:
                        self._diary.endpoint(host, self._name(key), up=False)
                    self._registry.endpoint_down(key)
                case TunnelsUp(tunnels=tunnels):
                    self._registry.tunnels_up(host, dict(tunnels))
                case NetworksUp(networks=networks):
                    self._networks_up(host, networks)
                case Drift(what=what, repaired=repaired):
                    self._diary.helper_drift(host, what, repaired)
            return ()

        return self._change(job, patience_s=0.0 if _waits_for_nothing(event) else ANSWER_S)

    def wants(self, host: str, session: int) -> Iterator[Want | None]:
        """What is wanted there, as it changes; None is a beat. Ends when a newer session begins."""
        line = self._line(host, session)
        return self._listening(host, line, line.open(session))

    def done(self, host: str, session: int, done: Done) -> None:
        """A want stands, or could not be done."""
        line = self._line(host, session)
        if done.error is not None and done.error != line.book.errors.get(done.key):
            LOG.warning("%s could not do %s: %s", host, done.key, done.error)
            self._diary.refused(host, f"{done.key}: {done.error}")
        self._lines.done(host, done)
        self._rollout.tell()

    # How it works

    def _then_aim(self, job: Callable[[], T]) -> T:
        result = job()
        self._intent = self._registry.snapshot()
        self._rollout.aim(self._intent)
        return result

    def _change(self, job: Callable[[], Iterable[EndpointKey]], patience_s: float = ANSWER_S) -> Outcome:
        """Do it, then wait until it is applied, or until the caller has waited enough."""
        return self._outcome(self._begin_change(job), patience_s)

    def _begin_change(self, job: Callable[[], Iterable[EndpointKey]]) -> _Begun:
        """Do it; the switches are told.

        The job says whom it is about: all that share a segment with them must have it, even if nothing is new.
        """

        def work() -> _Begun:
            before = self._intent
            about = tuple(self._then_aim(job))
            after = self._intent
            ends = (after.endpoints[key] for key in about if key in after.endpoints)
            peers = {host for segment in {end.segment for end in ends} for host in after.members[segment]}
            return _Begun(touched(before, after) | peers, about, after.generation)

        return self._jobs.ask(work)

    def _outcome(self, begun: _Begun, patience_s: float = ANSWER_S) -> Outcome:
        pending = self._progress.wait(*begun, patience_s)
        return Outcome(generation=begun.generation, pending=pending, why=self._progress.why(pending))

    def _admit(self, host: str, ask: Ask, ofport: int = NO_OFPORT) -> Admitted:
        admitted = self._registry.admit(host, ask, ofport)
        admission = admitted.admission
        self._leases.refuse_leased(admission.address, admission.vlan)
        if admission.address6 is not None:
            self._leases.refuse_leased(admission.address6, admission.vlan)
        return admitted

    def _endpoint_up(self, host: str, report: EndpointReport) -> EndpointKey:
        key = EndpointKey(host, report.container, report.interface)
        new = key not in self._registry.reports
        self._registry.endpoint_up(key, report)
        if new:
            self._diary.endpoint(host, self._name(key), up=True)
        return key

    def _assign(self, names: Sequence[str], change: Change) -> Iterable[EndpointKey]:
        reports, rules = self._registry.reports, self._registry.rules
        keys = [self.resolve(name) for name in names]
        heads = [views.head(name, key, reports[key], rules, change) for name, key in zip(names, keys, strict=True)]
        self._registry.put_first(heads)
        self._diary.assigned([self._name(key) for key in keys], change)
        return keys

    def _networks_up(self, host: str, networks: Sequence[NetworkReport]) -> None:
        for vlan, why in self._registry.networks_up(host, networks).items():
            self._diary.refused(host, f"Docker's network with VLAN {vlan}: {why}")

    def _connect(self, host: str, switch: Switch) -> None:
        self._rollout.connected(host, switch)
        self._diary.switch(host, up=True)

    def _drifted(self, switch: Switch, news: News) -> None:
        host = self._host_of(switch.dpid)
        if host is not None and self._bridges.get(switch.dpid) is switch and self._diary.drift(host, news):
            self._rollout.drifted(host, news.flow if isinstance(news, Drifted) else None)

    def _listening(self, host: str, line: Line, stream: Iterator[Want | None]) -> Iterator[Want | None]:
        session = line.session
        try:
            yield from stream
        finally:
            if not line.streaming and line.session == session:  # else a newer one goes on
                self._diary.helper_down(host)

    def _name(self, key: EndpointKey) -> str:
        return views.full_name(key, self._registry.reports)

    def _begin(self, places: Mapping[EndpointKey, Place]) -> None:
        self._jobs.ask(lambda: self._registry.keep_step(places))

    def _line(self, host: str, session: int) -> Line:
        line = self._lines[self._known(host)]
        line.check(session)
        return line

    def _known(self, host: str) -> str:
        if host not in self._registry.hosts:
            known = ", ".join(sorted(self._registry.hosts)) or "none at all yet"
            raise RefusedError(404, "unknown-host", f"there is no host “{host[:40]}”, only {known[:200]}")
        return host

    def _heard_of(self, host: str) -> None:
        """The last of the known hosts has reported: the intent is complete. If none was known, nobody can tell."""
        if host in self._unheard:
            self._unheard.remove(host)
            if not self._unheard:
                self._rollout.sweep()

    def _host_of(self, dpid: int) -> str | None:
        return next((name for name, report in self._registry.hosts.items() if report.dpid == dpid), None)


def _waits_for_nothing(event: Event) -> bool:
    """Whether it changes nothing, or the helper says it on its way to `done`: that would be waiting for itself."""
    return isinstance(event, Drift | TunnelsUp | NetworksUp) or (
        isinstance(event, EndpointUp) and event.endpoint.role.everywhere
    )
