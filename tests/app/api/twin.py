"""The Desk's twin: keeps in memory what it is told and answers as the real one does, with no switch behind it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network
from types import MappingProxyType

from app.desk import Change, Desk, EndpointView, Happening, HostView, Kind, LiveFlow, RefusedError
from app.events import Events
from app.policy import Assignment, Match, NetworkRule, Policy
from app.rules import Rules
from app.wire import (
    Admission,
    Admitted,
    Ask,
    Coming,
    Done,
    EndpointDown,
    EndpointReport,
    EndpointUp,
    Event,
    HostUp,
    Lease,
    LeaseAsk,
    NetworkReport,
    Outcome,
    Release,
    TunnelPeer,
    TunnelsUp,
    TunnelsWant,
    Want,
    Welcome,
)
from flows.cookie import Feature, pack
from flows.intent import Intent
from flows.model import EndpointKey, Link, Mac, Tunnel
from flows.rate import format_rate
from flows.table import Table


@dataclass
class HostState:
    report: HostUp
    session: int
    streams: int = 0
    endpoints: dict[EndpointKey, EndpointReport] = field(default_factory=dict)


@dataclass
class Twin:
    """`beat` waits until the next beat is due, and says whether there will be another."""

    beat: Callable[[], bool] = lambda: False
    away: tuple[str, ...] = ()  # these hosts have no change yet
    policy: Policy = field(default_factory=Policy)
    declared: dict[str, NetworkRule] = field(default_factory=dict)  # by hosts
    states: dict[str, HostState] = field(default_factory=dict)
    done_wants: list[Done] = field(default_factory=list)
    released: list[Lease] = field(default_factory=list)
    generation: int = 0
    happened: Events = field(default_factory=Events)

    @property
    def intent(self) -> Intent:
        names = sorted(self.states)
        links = {Link(a, b, Tunnel.VXLAN) for a in names for b in names if a < b}
        return Intent(self.generation, links=frozenset(links))

    @property
    def rules(self) -> Rules:
        return Rules.of(self.policy).with_networks({**self.policy.networks, **self.declared})

    def hosts(self) -> Sequence[HostView]:
        return [
            HostView(
                name=name,
                dpid=state.report.dpid,
                vtep=str(state.report.vtep),
                underlay_mtu=state.report.underlay_mtu,
                switch=name not in self.away,
                helper=state.streams > 0,
                tunnels=state.report.tunnels,
                endpoints=len(state.endpoints),
                pending=name in self.away,
            )
            for name, state in sorted(self.states.items())
        ]

    def endpoints(self) -> Sequence[EndpointView]:
        return [self._view(key, report) for state in self.states.values() for key, report in state.endpoints.items()]

    def resolve(self, name: str) -> EndpointKey:
        meant = [
            view
            for view in self.endpoints()
            if name
            in {
                f"{host}{container}{interface}"
                for host in ("", f"{view.key.host}:")
                for container in (view.name, view.key.container)
                for interface in ("", f":{view.key.interface}")
            }
        ]
        if not meant:
            raise RefusedError(404, "unknown-endpoint", f"There is no endpoint “{name}”.")
        if len(meant) > 1:
            names = [f"{view.key.host}:{view.name}:{view.key.interface}" for view in meant]
            raise RefusedError(409, "ambiguous-name", f"“{name}” is {' and '.join(names)}.", candidates=names)
        return meant[0].key

    def live_flows(self, host: str | None, endpoint: str | None, table: int | None) -> Sequence[LiveFlow]:
        self._host(host) if host else None
        key = self.resolve(endpoint) if endpoint else None
        owned = [
            LiveFlow(
                host=view.key.host,
                table=int(Table.CLASSIFY),
                priority=100,
                match=f"in_port={view.ofport}",
                actions="drop",
                cookie=pack(Feature.CLASSIFY, number),
                packets=3,
                bytes=300,
                duration=1.5,
                flow=None,
                feature=Feature.CLASSIFY.label,
                owner_kind="endpoint",
                owner=f"{view.key.host}:{view.name}:{view.key.interface}",
            )
            for number, view in enumerate(self.endpoints(), 1)
            if key in (None, view.key)
        ]
        others = [LiveFlow(name, 5, 1, "", "drop", 7, 0, 0, 0.5, None, None, None, None) for name in self.states]
        return [
            flow
            for flow in owned + (others if key is None else [])
            if host in (None, flow.host) and table in (None, flow.table)
        ]

    def events(self, since: int | None, host: str | None) -> Sequence[Happening]:
        return self.happened.since(since, host)

    def follow_events(self, since: int | None, host: str | None) -> Iterator[Happening | None]:
        yield from self.happened.since(since, host)
        while self.beat():
            yield None

    def replace_policy(self, policy: Policy) -> Outcome:
        self.policy = policy
        self.happened.add(Kind.POLICY, "the policy was replaced")
        return self._changed()

    def preview(self, policy: Policy) -> Sequence[Mapping[str, object]]:
        rules = Rules.of(policy)
        return [
            {
                "endpoint": f"{view.key.host}:{view.name}:{view.key.interface}",
                "field": "vlan",
                "from": view.vlan,
                "to": to,
            }
            for view in self.endpoints()
            if (rule := rules.assignment(view.name, view.key.host, view.key.interface, view.labels)) is not None
            and (to := rule.vlan) not in (None, view.vlan)
        ]

    def assign(self, names: Sequence[str], change: Change) -> Outcome:
        keys = [self.resolve(name) for name in names]
        views = {view.key: view for view in self.endpoints()}
        heads = [
            Assignment(
                match=Match(name=views[key].name, host=key.host, interface=key.interface),
                vlan=change.vlan,
                up=change.up,
                down=change.down,
            )
            for key in keys
        ]
        self.policy = Rules.of(self.policy).with_heads(heads).policy
        return self._changed()

    def forget_host(self, name: str) -> Outcome:
        if self._host(name).streams:
            raise RefusedError(409, "host-connected", f"{name} is connected: stop its helper first.")
        del self.states[name]
        return self._changed()

    def admit(self, host: str, ask: Ask) -> Admission:
        self._host(host)
        try:
            address = IPv4Interface(ask.address)
        except ValueError as error:
            raise RefusedError(422, "bad-address", f"“{ask.address}” is not an address.") from error
        return Admission(address=address, network="default", vlan=ask.vlan or 1, mtu=1450, up_kbps=ask.up_kbps)

    def come(self, host: str, session: int, coming: Coming) -> Iterator[Admitted | Outcome]:
        self._session(host, session)
        admission = self.admit(host, coming.ask)
        said = coming.ask.model_dump(exclude={"address", "address6", "network", "gateway"})
        mac = str(Mac.of(admission.address.ip))
        endpoint = EndpointReport(**said, ofport=coming.ofport, address=admission.address, mac=mac)
        yield Admitted(admission=admission, endpoint=endpoint)
        yield self.heard(host, session, EndpointUp(endpoint=endpoint))

    def admit_network(self, host: str, network: NetworkReport) -> None:
        self._host(host)
        if network.vlan == 4094:
            raise RefusedError(409, "network-refused", "VLAN 4094 is taken.")

    def lease(self, host: str, session: int, ask: LeaseAsk) -> Lease:
        self._session(host, session)
        return ask.lease(IPv4Network(ask.address or ask.subnet.network_address + 240))

    def release(self, host: str, session: int, release: Release) -> None:
        self._session(host, session)
        self.released += release.leases

    def host_up(self, host: str, report: HostUp) -> Welcome:
        for name, state in self.states.items():
            if name != host and state.report.dpid == report.dpid:
                raise RefusedError(409, "dpid-taken", f"{name} has the dpid {report.dpid:#018x} already.", host=name)
        session = self.states[host].session + 1 if host in self.states else 1
        endpoints = {EndpointKey(host, each.container, each.interface): each for each in report.endpoints}
        self.states[host] = HostState(report, session, endpoints=endpoints)
        self.happened.add(Kind.HELPER_UP, "its helper is connected", host)
        self._changed()
        return Welcome(session=session)

    def heard(self, host: str, session: int, event: Event) -> Outcome:
        state = self._session(host, session)
        match event:
            case EndpointUp(endpoint=report):
                state.endpoints[EndpointKey(host, report.container, report.interface)] = report
            case EndpointDown():
                state.endpoints.pop(EndpointKey(host, event.container, event.interface), None)
            case TunnelsUp():
                state.report = state.report.model_copy(update={"tunnels": event.tunnels})
        return self._changed()

    def wants(self, host: str, session: int) -> Iterator[Want | None]:
        state = self._session(host, session)
        state.streams += 1
        try:
            peers = [
                TunnelPeer(peer=name, tunnel=Tunnel.VXLAN, remote=other.report.vtep)
                for name, other in sorted(self.states.items())
                if name != host
            ]
            yield Want(key="tunnels", generation=self.generation, body=TunnelsWant(peers=tuple(peers)))
            while self.beat() and self.states.get(host) is state:
                yield None
        finally:
            state.streams -= 1

    def done(self, host: str, session: int, done: Done) -> None:
        self._session(host, session)
        self.done_wants.append(done)

    def _host(self, name: str) -> HostState:
        if name not in self.states:
            raise RefusedError(404, "unknown-host", f"There is no host “{name}”; there are {', '.join(self.states)}.")
        return self.states[name]

    def _session(self, host: str, session: int) -> HostState:
        state = self._host(host)
        if state.session != session:
            raise RefusedError(409, "stale-session", f"Session {session} of {host} is over: begin again.")
        return state

    def _changed(self) -> Outcome:
        self.generation += 1
        return Outcome(generation=self.generation, pending=self.away)

    def _view(self, key: EndpointKey, report: EndpointReport) -> EndpointView:
        rule = Rules.of(self.policy).assignment(report.name, key.host, key.interface, report.labels)
        vlan = (rule and rule.vlan) or report.vlan or 1
        return EndpointView(
            key=key,
            name=report.name,
            mac=report.mac,
            address=None if report.address is None else str(report.address),
            address6=None if report.address6 is None else str(report.address6),
            network=Rules.of(self.policy).network(vlan)[0],
            vlan=vlan,
            up=(rule and rule.up) or format_rate(report.up_kbps),
            down=(rule and rule.down) or format_rate(report.down_kbps),
            ofport=report.ofport,
            role=report.role,
            behind=report.behind,
            state="pending" if key.host in self.away else "up",
            labels=MappingProxyType(report.labels),
        )


def desk(twin: Twin) -> Desk:
    """The type checker's word that the twin is one."""
    return twin


def report(
    name: str, ofport: int, container: str = "", interface: str = "eth0", vlan: int | None = None
) -> EndpointReport:
    """An endpoint with what matters said, and the rest made up."""
    return EndpointReport(
        container=container or f"id-of-{name}",
        interface=interface,
        name=name,
        mac=f"02:c7:ac:0f:2a:{ofport:02x}",
        ofport=ofport,
        address=IPv4Interface(f"172.15.42.{ofport}/24"),
        vlan=vlan,
    )


def two_hosts(twin: Twin) -> Twin:
    """h1 has web1 and a namespace foo, h2 has web1 (two interfaces) and db1."""
    twin.host_up(
        "h1",
        HostUp.model_validate(
            {
                "dpid": 1,
                "vtep": "10.0.0.1",
                "underlay_mtu": 1500,
                "tunnels": {"h2": 9},
                "endpoints": [report("web1", 1), report("netns:foo", 2, container="netns:foo")],
            }
        ),
    )
    twin.host_up(
        "h2",
        HostUp.model_validate(
            {
                "dpid": 0xFFEE,
                "vtep": "10.0.0.2",
                "underlay_mtu": 1500,
                "tunnels": {"h1": 4},
                "endpoints": [report("web1", 3), report("web1", 4, interface="eth1", vlan=20), report("db1", 5)],
            }
        ),
    )
    return twin
