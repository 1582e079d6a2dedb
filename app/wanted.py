"""What is wanted of a host's helper: pure, from the intent and what the host said. And the book of what it has done.

A want is a whole statement about one thing; the newest of a key replaces the earlier ones. After every reconnect all
that stand are sent again. What a change is about is found alone, as flows are compiled (flows.pipeline).
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from itertools import chain

from app.wire import (
    MOST_ADDRESSES,
    MOST_NAMES,
    Address,
    Done,
    GatewayWant,
    MtuWant,
    NamesWant,
    SettleWant,
    ShaperWant,
    TunnelPeer,
    TunnelsWant,
    Want,
)
from flows.delta import delta
from flows.intent import Intent
from flows.model import Endpoint, EndpointKey, Mac, Network, Role
from flows.topology import peers
from flows.transition import touched

Body = TunnelsWant | ShaperWant | GatewayWant | NamesWant | MtuWant | SettleWant
TUNNELS, MTU, SETTLE = "tunnels", "mtu", "settle"


@dataclass(frozen=True)
class _Part:
    """Some of the things that may be wanted of one host."""

    itself: bool
    endpoints: frozenset[EndpointKey]
    vlans: frozenset[int]  # whose gateway it may be
    named: frozenset[int]  # vlans whose resolver it may be, or in which somebody may be called otherwise
    segments: frozenset[int]  # where all these are

    @property
    def keys(self) -> Iterator[str]:
        """The keys of the wants for all that."""
        if self.itself:
            yield from (TUNNELS, MTU)
        yield from map(shaper_key, self.endpoints)
        yield from map(_gateway_key, self.vlans)
        yield from map(_names_key, self.named)


def wants(intent: Intent, host: str, mtu: int) -> dict[str, Body]:
    """Everything that is wanted of this host's helper, by key."""
    return _bodies(intent, host, mtu, _whole(intent, host))


def changes(before: Intent, after: Intent, host: str, mtu: int) -> dict[str, Body | None]:
    """What may differ in what is wanted of this host's helper between two intents, as it is now; None: no more."""
    part = _differing(before, after, host)
    return {**dict.fromkeys(part.keys), **_bodies(after, host, mtu, part)}


def concerned(before: Intent, after: Intent) -> Set[str]:
    """The hosts of whose helpers something else may be wanted than before."""
    return after.hosts.keys() if _rewired(before, after) else touched(before, after)


def shaper_key(endpoint: EndpointKey) -> str:
    """The key of the want for an endpoint's shapers."""
    return f"shaper/{endpoint.container}/{endpoint.interface}"


def shaper(endpoint: Endpoint) -> ShaperWant:
    """The shapers that an endpoint should have."""
    return shaper_of(endpoint.key, endpoint.up_kbps, endpoint.down_kbps)


def shaper_of(endpoint: EndpointKey, up_kbps: int | None, down_kbps: int | None) -> ShaperWant:
    """The shapers that hold an endpoint to these rates."""
    return ShaperWant(container=endpoint.container, interface=endpoint.interface, up_kbps=up_kbps, down_kbps=down_kbps)


def lowered(before: Endpoint, after: Endpoint) -> Endpoint | None:
    """The endpoint with the lower of both rates each way, if a rate sinks: the shaper goes down before the meter."""
    up = _lower(before.up_kbps, after.up_kbps)
    down = _lower(before.down_kbps, after.down_kbps)
    if (up, down) == (before.up_kbps, before.down_kbps):
        return None
    return replace(after, up_kbps=up, down_kbps=down)


@dataclass
class Book:
    """The wants of one host: what stands, what is done, what could not be done."""

    standing: dict[str, Want] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    newest: int = -1  # generation of the intent that it follows
    _lacking: dict[str, None] = field(default_factory=dict)  # keys of what is not done yet, in the order of asking
    _leaving: set[str] = field(default_factory=set)  # keys of gateways that go: forgotten once that is done

    def update(self, wanted: Mapping[str, Body], generation: int) -> list[Want]:
        """This is all that is wanted now; the messages to send. An intent older than the newest says nothing."""
        return self.change({**dict.fromkeys(self.standing.keys() - {SETTLE}), **wanted}, generation)

    def change(self, wanted: Mapping[str, Body | None], generation: int) -> list[Want]:
        """This is wanted of these keys now (None: nothing more), likewise."""
        if generation < self.newest:
            return []
        self.newest = generation
        messages = [
            self._take_back(key, generation) if body is None else self.put(key, body, generation)
            for key, body in wanted.items()
        ]
        return [message for message in messages if message is not None]

    def put(self, key: str, body: Body, generation: int) -> Want | None:
        """Want this one thing; the message to send, or None if it stands already.

        Each body of a key has a generation of its own, so that a late done of an earlier one does not count. That a
        new endpoint has no rates is said, since its record may hold some, but nobody waits for it; nor does anybody for
        names, or each attachment would wait for every host of its network.
        """
        self._leaving.discard(key)
        before = self.standing.get(key)
        if before is not None and before.body == body:
            return None
        if before is not None:
            generation = max(generation, before.generation + 1)
        want = self.standing[key] = Want(key=key, generation=generation, body=body)
        self.errors.pop(key, None)
        if before is None and isinstance(body, ShaperWant) and body.up_kbps is None and body.down_kbps is None:
            return want
        if isinstance(body, NamesWant):
            self._lacking.pop(key, None)
            return want
        self._lacking[key] = None
        return want

    def stands(self, key: str, body: Body) -> None:
        """The helper has it so by itself; what is wanted of this key already goes before that."""
        self.standing.setdefault(key, Want(key=key, generation=0, body=body))

    def done(self, done: Done) -> None:
        """The helper says that a want stands, or why it cannot; one that is not the newest does not count."""
        want = self.standing.get(done.key)
        if want is None or want.generation != done.generation:
            return
        self._lacking.pop(done.key, None)
        if done.error is None:
            self.errors.pop(done.key, None)
            if done.key in self._leaving:
                self._forget(done.key)
        else:
            self.errors[done.key] = done.error

    def lacks(self, key: str) -> bool:
        """Whether this is wanted and not done yet."""
        return key in self._lacking

    @property
    def lacking(self) -> bool:
        """Whether anything is not done yet."""
        return bool(self._lacking)

    def outstanding(self) -> list[Want]:
        """What is not done yet."""
        return [self.standing[key] for key in self._lacking]

    def begin_again(self) -> None:
        """Nothing is known to be done, so all of it is outstanding."""
        self._lacking = dict.fromkeys(self.standing)
        self.errors.clear()

    def _take_back(self, key: str, generation: int) -> Want | None:
        """It is wanted no more; a gateway or resolver that was is sent away first."""
        want = self.standing.get(key)
        message = None
        if want is not None and isinstance(want.body, GatewayWant | NamesWant):
            if want.body.present:
                message = self.put(key, type(want.body)(vlan=want.body.vlan, present=False), generation)
            self._leaving.add(key)
        if not (key in self._leaving and self.lacks(key)):
            self._forget(key)
        return message

    def _forget(self, key: str) -> None:
        self.standing.pop(key, None)
        self._lacking.pop(key, None)
        self.errors.pop(key, None)
        self._leaving.discard(key)


def _whole(intent: Intent, host: str) -> _Part:
    local = intent.local.get(host, ())
    segments = frozenset(endpoint.segment for endpoint in local)
    vlans = _vlans(intent, local, segments)
    return _Part(
        itself=True,
        endpoints=frozenset(endpoint.key for endpoint in local),
        vlans=vlans,
        named=vlans,
        segments=segments,
    )


def _differing(before: Intent, after: Intent, host: str) -> _Part:
    if host not in before.hosts:
        return _whole(after, host)
    changed = delta(before, after)
    own = frozenset(key for key in changed.endpoints if key.host == host)
    vlans: set[int] = set()
    named: set[int] = set()
    segments = set(changed.networks)
    for intent in (before, after):
        ends = [intent.endpoints[key] for key in own if key in intent.endpoints]
        vlans |= _vlans(intent, ends, {end.segment for end in ends} | changed.networks)
        where = {intent.endpoints[key].segment for key in changed.endpoints if key in intent.endpoints}
        named |= _vlans(intent, ends, where | changed.networks)
        segments |= where
    return _Part(
        itself=_rewired(before, after),
        endpoints=own,
        vlans=frozenset(vlans),
        named=frozenset(named),
        segments=frozenset(segments),
    )


def _vlans(intent: Intent, ends: Iterable[Endpoint], segments: Set[int]) -> frozenset[int]:
    own = {_own_vlan(end) for end in ends if end.role.everywhere}
    return frozenset(own | {intent.networks[s].vlan for s in segments if s in intent.networks})


def _rewired(before: Intent, after: Intent) -> bool:
    """Whether any tunnel is wanted otherwise."""
    changed = delta(before, after)
    ends = changed.hosts & before.hosts.keys() & after.hosts.keys()
    return changed.links or any(before.hosts[host].vtep != after.hosts[host].vtep for host in ends)


def _bodies(intent: Intent, host: str, mtu: int, part: _Part) -> dict[str, Body]:
    found: dict[str, Body] = {}
    if part.itself:
        found[TUNNELS], found[MTU] = _tunnels(intent, host), MtuWant(mtu=mtu)
    for key in sorted(part.endpoints):
        endpoint = intent.endpoints.get(key)
        if endpoint is not None and endpoint.role is Role.CONTAINER:
            found[shaper_key(key)] = shaper(endpoint)
    here = {segment: intent.members.get(segment, {}).get(host, ()) for segment in sorted(part.segments)}
    for endpoint in chain.from_iterable(here.values()):
        if endpoint.role is Role.GATEWAY and (vlan := _own_vlan(endpoint)) in part.vlans:
            found[_gateway_key(vlan)] = GatewayWant(vlan=vlan, present=False)
        if endpoint.role is Role.RESOLVER and (vlan := _own_vlan(endpoint)) in part.named:
            found[_names_key(vlan)] = NamesWant(vlan=vlan, present=False)
    for segment, endpoints in here.items():
        if segment in intent.networks and not all(endpoint.role.everywhere for endpoint in endpoints):
            found.update(_of_network(intent, intent.networks[segment], mtu, part))
    return found


def _of_network(intent: Intent, network: Network, mtu: int, part: _Part) -> Iterator[tuple[str, Body]]:
    """What is wanted where a network with a subnet is served: a way out if it has one, and names."""
    if network.subnet is None:
        return
    if network.gateway is not None and network.vlan in part.vlans:
        yield _gateway_key(network.vlan), _gateway(network, network.gateway, network.subnet, mtu)
    if network.vlan in part.named:
        outside = network.gateway is not None
        names = NamesWant(vlan=network.vlan, outside=outside, names=_names(intent, network.vni))
        yield _names_key(network.vlan), names


def _gateway_key(vlan: int) -> str:
    return f"gateway/{vlan}"


def _names_key(vlan: int) -> str:
    return f"names/{vlan}"


def _names(intent: Intent, segment: int) -> dict[str, tuple[Address, ...]]:
    """The addresses of each name, in the order of the endpoints' keys."""
    found: dict[str, tuple[Address, ...]] = {}
    for end in intent.in_segment(segment):
        if end.role is not Role.CONTAINER:
            continue
        has = [address.ip for address in (end.address, end.address6) if address is not None]
        for name in dict.fromkeys(called.lower() for called in (end.name, *end.aliases)):
            if has and (name in found or len(found) < MOST_NAMES):
                found[name] = (*found.get(name, ()), *has)[:MOST_ADDRESSES]
    return found


def _own_vlan(endpoint: Endpoint) -> int:
    """The vlan of what every host has of a network."""
    return int(endpoint.key.container.removeprefix(f"{endpoint.role.value}:"))


def _gateway(network: Network, address: IPv4Address, subnet: IPv4Network, mtu: int) -> GatewayWant:
    address6 = None
    if network.gateway6 is not None and network.subnet6 is not None:
        address6 = IPv6Interface((network.gateway6, network.subnet6.prefixlen))
    return GatewayWant(
        vlan=network.vlan,
        present=True,
        address=IPv4Interface((address, subnet.prefixlen)),
        subnet=subnet,
        address6=address6,
        subnet6=network.subnet6 if address6 else None,
        mac=str(Mac.of(address)),
        mtu=mtu,
    )


def _tunnels(intent: Intent, host: str) -> TunnelsWant:
    joined = peers(intent.links, host).items()
    return TunnelsWant(
        peers=tuple(TunnelPeer(peer=p, tunnel=tunnel, remote=intent.hosts[p].vtep) for p, tunnel in joined)
    )


def _lower(one: int | None, other: int | None) -> int | None:
    rates = [rate for rate in (one, other) if rate is not None]
    return min(rates, default=None)
