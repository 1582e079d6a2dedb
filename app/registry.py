"""What is known now: policy, hosts, endpoints. Every change is in the store before anybody is told of it.

Only the owner touches it. `snapshot()` is what it makes of all that: the intent, made from the one before it at the
price of what has changed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from operator import attrgetter

from app.declared import declared, objection
from app.desk import RefusedError
from app.draft import Draft
from app.ids import Ids, Meters
from app.placement import Arrangement, Refusal, arrange, place
from app.policy import MOST_RULES, Assignment, Policy
from app.roster import Roster
from app.rules import Rules
from app.store import Store
from app.wire import Address, Admission, Admitted, Ask, EndpointReport, HostUp, NetworkReport, Pool, Subnet
from flows.intent import Intent
from flows.model import EndpointKey, Mac, Network, Tunnel
from flows.transition import Place, resumed

NO_OFPORT = 0xFFFFFEFF  # stands for the port of an endpoint that has none yet: no switch gives it out


class Registry:
    """The controller's memory, over a store."""

    def __init__(self, store: Store, tunnel: Tunnel) -> None:
        self._store = store
        self.tunnel = tunnel
        self._load()

    def _load(self) -> None:
        """All that is known is what the store has."""
        store = self._store
        self.generation = store.generation()
        self.ids, self._meters = Ids(store), Meters(store)
        self.hosts: dict[str, HostUp] = dict(store.hosts())
        kept = store.endpoints()
        self._begun = {key: entry.place for key, entry in kept.items() if entry.place is not None}
        by_coming = sorted(kept, key=self.ids.of_endpoint)
        self.reports = Roster((key, kept[key].report) for key in by_coming)
        self._arrangement = arrange(self._rules(store.policy(), self.hosts), self.reports)
        self._draft = Draft(self.ids, self._meters, self.tunnel)
        for name, host in self.hosts.items():
            self._draft.put_host(name, host)
        for key, placement in self._arrangement.placed.items():
            self._draft.put(key, self.reports[key], placement)
        self._draft.set_networks(self.rules, self._arrangement.inhabitants.keys())

    # What is there

    @property
    def rules(self) -> Rules:
        """What people want."""
        return self._arrangement.rules

    @property
    def arrangement(self) -> Arrangement:
        """Where everybody is by policy, and who cannot be."""
        return self._arrangement

    @property
    def mtu(self) -> int:
        """What a container's interface may send, in bytes: the smallest underlay, minus what the tunnel takes.

        One number for all hosts: between two of one segment nobody could tell the sender that a packet is too big.
        """
        return min((host.underlay_mtu for host in self.hosts.values()), default=1500) - self.tunnel.overhead

    def snapshot(self) -> Intent:
        """What is wanted of the switches, as a frozen value."""
        return self._draft.finish(self.generation)

    def begun(self) -> Intent:
        """The step that was begun last: where a restart goes on from."""

        def network(segment: int) -> Network:
            return Network(self.ids.of("network", str(segment)), f"vni{segment}", 0, segment)

        return resumed(self.snapshot(), self._begun, network)

    def in_use(self, pool: Pool) -> Iterator[Address]:
        """The addresses of this pool that endpoints have: in its network, or if it says none in whichever."""
        for key, report in self.reports.items():
            address = report.address if pool.subnet.version == 4 else report.address6
            if address is not None and address.ip in pool.subnet:
                placement = self._arrangement.placed.get(key)
                if pool.vlan is None or placement is None or placement.rule.vlan == pool.vlan:
                    yield address.ip

    # What happens

    def host_up(self, name: str, report: HostUp) -> dict[EndpointKey, str]:
        """A host says everything it has; who of it was refused, and why."""
        for other, known in self.hosts.items():
            if other != name and (known.dpid == report.dpid or known.vtep == report.vtep):
                what = f"dpid {known.dpid:#018x}" if known.dpid == report.dpid else f"tunnel address {known.vtep}"
                raise RefusedError(
                    409,
                    "host-twin",
                    f"{other} has the {what} already: give {name} another one in its helper.toml, or delete {other} "
                    f"with “containet hosts --forget {other}” if it is gone for good",
                )
        said = {EndpointKey(name, e.container, e.interface): e for e in report.endpoints}
        gone = self.reports.of_host(name) - said.keys()
        new = {key: endpoint for key, endpoint in said.items() if self.reports.get(key) != endpoint}
        networks = self.hosts[name].networks if name in self.hosts else ()  # `networks_up` says which can be
        itself = report.model_copy(update={"endpoints": (), "leases": (), "networks": networks})
        with self._change():
            if self.hosts.get(name) != itself:
                self._store.keep_host(name, itself)
                self.hosts[name] = itself
                self._draft.put_host(name, itself)
            for key in gone:
                self._forget(key)
            for key, endpoint in new.items():
                self._store.keep_endpoint(key, endpoint)
                self.reports.put(key, endpoint)
            self._put(new)
        return {key: refusal.why for key, refusal in self._arrangement.refused.items() if key.host == name}

    def endpoint_up(self, key: EndpointKey, report: EndpointReport) -> None:
        """An endpoint came or changed; RefusedError, and nothing changed, if it cannot be."""
        if self.reports.get(key) == report and key in self._arrangement.placed:
            return
        refusal = self._arrangement.objection(key, report, self.reports)
        if refusal is not None:
            raise _refused(refusal)
        with self._change():
            self._store.keep_endpoint(key, report)
            self.reports.put(key, report)
            self._put([key])

    def endpoint_down(self, key: EndpointKey) -> None:
        """An endpoint went; one that is not known went already."""
        if key in self.reports:
            with self._change():
                self._forget(key)
                self._put(())

    def networks_up(self, name: str, networks: Sequence[NetworkReport]) -> dict[int, str]:
        """Docker's networks of a host, all of them; those that cannot be, by vlan, and why."""
        refused: dict[int, str] = {}
        accepted = [report for report in self.hosts[name].networks if report in networks]
        for report in networks:
            if report not in accepted:
                try:
                    self.admit_network(name, report, accepted)
                except RefusedError as error:
                    refused[report.vlan] = str(error)
                else:
                    accepted.append(report)
        after = self.hosts[name].model_copy(update={"networks": tuple(accepted)})
        if after != self.hosts[name]:
            with self._change():
                self._store.keep_host(name, after)
                self.hosts[name] = after
                self._follow_hosts()
        return refused

    def admit_network(self, name: str, report: NetworkReport, besides: Iterable[NetworkReport] | None = None) -> None:
        """Whether a host may have this network besides these (None: what it has); RefusedError says why not."""
        others = self.hosts[name].networks if besides is None else tuple(besides)
        known = {**self.hosts, name: self.hosts[name].model_copy(update={"networks": others})}
        rules = self._rules(self.rules.policy, known)
        why = objection(rules.networks, report)
        if why is not None:
            raise RefusedError(409, "network-refused", why)
        known[name] = known[name].model_copy(update={"networks": (*others, report)})
        self._follow(self._arrangement.copy(), self._rules(self.rules.policy, known), self.reports)

    def tunnels_up(self, name: str, tunnels: dict[str, int]) -> None:
        """The tunnel ports of a host, all of them."""
        if self.hosts[name].tunnels != tunnels:
            report = self.hosts[name].model_copy(update={"tunnels": tunnels})
            with self._change():
                self._store.keep_host(name, report)
                self.hosts[name] = report
                self._draft.put_host(name, report)

    def forget_host(self, name: str) -> None:
        """A host is gone for good, with all that it had."""
        with self._change():
            for key in tuple(self.reports.of_host(name)):
                self._forget(key)
            self._store.forget_host(name)
            self.ids.forget("host", name)
            del self.hosts[name]
            self._draft.drop_host(name)
            self._follow_hosts()

    def replace_policy(self, policy: Policy) -> None:
        """This is what people want now; RefusedError, and nothing changed, if somebody could not be where it says."""
        moved = self._follow(self._arrangement, self._rules(policy, self.hosts), self.reports)
        with self._change():
            self._store.keep_policy(policy)
            self._draw(moved)

    def put_first(self, heads: Sequence[Assignment]) -> None:
        """These assignments go before all others, in place of those with the same match; likewise."""
        rules = self.rules.with_heads(heads)
        if len(rules) > MOST_RULES:
            raise RefusedError(409, "policy-full", f"a policy has at most {MOST_RULES} assignments: take some out")
        named = {head.match.name for head in heads if head.match.name is not None}
        nameless = any(head.match.name is None for head in heads)
        whom = self.reports if nameless else {key for name in named for key in self.reports.called(name)}
        moved = self._follow(self._arrangement, rules, whom)
        with self._change():
            self._store.keep_heads(heads)
            self._draw(moved)

    def preview(self, policy: Policy) -> Arrangement:
        """Where everybody would be under this policy; RefusedError if somebody could not be where it says."""
        arrangement = self._arrangement.copy()
        self._follow(arrangement, self._rules(policy, self.hosts), self.reports)
        return arrangement

    def keep_step(self, places: Mapping[EndpointKey, Place]) -> None:
        """A step begins, which has these endpoints where it says."""
        moved = {key: place for key, place in places.items() if key in self.reports and self._begun.get(key) != place}
        if moved:
            with self._store.writing():
                for key, place in moved.items():
                    self._store.keep_place(key, place)
            self._begun |= moved

    def admit(self, host: str, ask: Ask, ofport: int = NO_OFPORT) -> Admitted:
        """Whether this endpoint may be, before anything is touched; RefusedError says why not."""
        if ask.network is not None:
            ask = ask.model_copy(update={"vlan": self._vlan_of(ask.network)})
        unaddressed = EndpointReport(
            mac=str(Mac(0)),
            ofport=ofport,
            **ask.model_dump(exclude={"address", "address6", "gateway", "network"}),
        )
        placement = place(self.rules, host, unaddressed)
        rule = placement.rule
        address = _interface(ask.address, rule.subnet)
        address6 = None if ask.address6 is None else _interface6(ask.address6, rule.subnet6)
        report = unaddressed.model_copy(
            update={"address": address, "address6": address6, "mac": str(Mac.of(address.ip))}
        )
        refusal = self._arrangement.objection(EndpointKey(host, ask.container, ask.interface), report, self.reports)
        if refusal is not None:
            raise _refused(refusal)
        admission = Admission(
            address=address,
            address6=address6,
            network=placement.network,
            vlan=rule.vlan,
            mtu=self.mtu,
            gateway=ask.gateway or rule.gateway,
            gateway6=rule.gateway6 if address6 else None,
            up_kbps=placement.up_kbps,
            down_kbps=placement.down_kbps,
        )
        return Admitted(admission=admission, endpoint=report)

    def _vlan_of(self, network: str) -> int:
        rule = self.rules.networks.get(network)
        if rule is None:
            known = ", ".join(sorted(self.rules.networks)[:20]) or "none yet"
            raise RefusedError(404, "unknown-network", f"there is no network “{network[:64]}”, only {known}")
        return rule.vlan

    # How it is kept

    def _rules(self, policy: Policy, hosts: Mapping[str, HostUp]) -> Rules:
        """The policy with what the hosts declare, those that came first going before."""
        by_coming = sorted(hosts, key=lambda name: self.ids.of("host", name))
        reports = [report for name in by_coming for report in sorted(hosts[name].networks, key=attrgetter("vlan"))]
        rules = Rules.of(policy)
        return rules.with_networks(declared(rules.written, reports))

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction that makes a new generation. If it fails, all is known again as the store has it."""
        try:
            with self._store.writing():
                self.generation += 1
                self._store.keep_generation(self.generation)
                yield
                self._draft.set_networks(self.rules, self._arrangement.inhabitants.keys())
        except BaseException:
            self._load()
            raise

    def _put(self, keys: Iterable[EndpointKey]) -> None:
        """Place these endpoints, anew if they are there; then those that were refused, if there is room now."""
        for key in sorted(keys, key=self.ids.of_endpoint):
            self._place(key)
        for key in sorted(self._arrangement.refused, key=self.ids.of_endpoint):
            self._place(key)
        self._rank_refused()

    def _place(self, key: EndpointKey) -> None:
        before = self._arrangement.placed.get(key)
        if self._arrangement.put(key, self.reports[key], self.reports) is not before:
            self._draw_one(key)

    def _draw(self, keys: Iterable[EndpointKey]) -> None:
        for key in keys:
            self._draw_one(key)
        self._rank_refused()

    def _draw_one(self, key: EndpointKey) -> None:
        placement = self._arrangement.placed.get(key)
        if placement is None:
            self._draft.drop(key)
        else:
            self._draft.put(key, self.reports[key], placement)

    def _follow(
        self, arrangement: Arrangement, rules: Rules, whom: Iterable[EndpointKey], *, strict: bool = True
    ) -> Collection[EndpointKey]:
        """Arrange by these rules, which differ for nobody but `whom`; who is elsewhere now, or was refused.

        If strict: RefusedError, and the arrangement is as it was, if somebody who is somewhere now could not be where
        they say.
        """
        refused = tuple(arrangement.refused)
        placed = sorted((key for key in whom if key not in arrangement.refused), key=self.ids.of_endpoint)
        before = arrangement.follow(rules, [*placed, *sorted(refused, key=self.ids.of_endpoint)], self.reports)
        broken = [refusal for key, refusal in arrangement.refused.items() if key not in refused]
        if broken and strict:
            arrangement.go_back(before, self.reports)
            raise _refused(broken[0], errors=[refusal.why for refusal in broken])
        return before.was.keys()

    def _follow_hosts(self) -> None:
        """Arrange by what the hosts declare now, which is so, whatever it means for whom."""
        rules = self._rules(self.rules.policy, self.hosts)
        self._draw(self._follow(self._arrangement, rules, self.reports, strict=False))

    def _rank_refused(self) -> None:
        """Who was refused has come after who holds what it would need, so that it is the same after a restart."""
        late = [
            key
            for key, refusal in self._arrangement.refused.items()
            if refusal.holder is not None and self.ids.of_endpoint(refusal.holder) > self.ids.of_endpoint(key)
        ]
        for key in late:
            self._store.forget_owner("endpoint", str(key))
            self.ids.forget("endpoint", str(key))
            self.ids.of_endpoint(key)
            self.reports.came_last(key)

    def _forget(self, key: EndpointKey) -> None:
        self._store.forget_endpoint(key)
        self._meters.forget(key)
        self.reports.remove(key)
        self._begun.pop(key, None)
        self._arrangement.remove(key)
        self.ids.forget("endpoint", str(key))
        self._draft.drop(key)


def _refused(refusal: Refusal, **more: object) -> RefusedError:
    return RefusedError(409, "endpoint-refused", refusal.why, **more)


def _interface(text: str, subnet: IPv4Network | None) -> IPv4Interface:
    """The address with its prefix: its own, or that of the network's subnet."""
    try:
        return IPv4Interface(_prefixed(text, subnet, 24))
    except ValueError as error:
        raise RefusedError(
            422, "address", f"“{text}” is not an IPv4 address: say it as 172.15.42.100/24 ({error})"
        ) from error


def _interface6(text: str, subnet: IPv6Network | None) -> IPv6Interface:
    """Likewise; what is said of one link only is no address of ours."""
    try:
        found = IPv6Interface(_prefixed(text, subnet, 64))
    except ValueError as error:
        raise RefusedError(
            422, "address", f"“{text}” is not an IPv6 address: say it as fd00:42::100/64 ({error})"
        ) from error
    if found.is_link_local or found.scope_id:
        raise RefusedError(422, "address", f"“{text}” is link-local: containers have such addresses by themselves")
    return found


def _prefixed(text: str, subnet: Subnet | None, example: int) -> str:
    if "/" in text:
        return text
    if subnet is None:
        raise RefusedError(
            422,
            "address",
            f"“{text}” has no prefix, and its network has no subnet to take it from: say {text}/{example}",
        )
    return f"{text}/{subnet.prefixlen}"
