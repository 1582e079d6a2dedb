"""What is wanted of a host's helper: pure, from the intent and what the host said. And the book of what it has done.

A want is a whole statement about one thing; the newest of a key replaces the earlier ones. After every reconnect all
that stand are sent again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface

from app.wire import Done, GatewayWant, MtuWant, SettleWant, ShaperWant, TunnelPeer, TunnelsWant, Want
from flows.model import Endpoint, Intent, Mac, Role
from flows.topology import peers

Body = TunnelsWant | ShaperWant | GatewayWant | MtuWant | SettleWant
SETTLE = "settle"


def wants(intent: Intent, host: str, mtu: int) -> dict[str, Body]:
    """Everything that is wanted of this host's helper, by key."""
    found: dict[str, Body] = {"tunnels": _tunnels(intent, host), "mtu": MtuWant(mtu=mtu)}
    for endpoint in intent.local.get(host, ()):
        if endpoint.role is Role.CONTAINER:
            found[shaper_key(endpoint)] = shaper(endpoint)
        elif endpoint.role is Role.GATEWAY:
            vlan = int(endpoint.key.container.removeprefix("gateway:"))
            found[f"gateway/{vlan}"] = GatewayWant(vlan=vlan, present=False)
    served = {
        endpoint.sends for endpoint in intent.local.get(host, ()) if endpoint.role is not Role.GATEWAY
    } & intent.networks.keys()
    for segment in sorted(served):
        network = intent.networks[segment]
        if network.gateway is not None and network.subnet is not None:
            found[f"gateway/{network.vlan}"] = GatewayWant(
                vlan=network.vlan,
                present=True,
                address=IPv4Interface((network.gateway, network.subnet.prefixlen)),
                subnet=network.subnet,
                mac=str(Mac.of(network.gateway)),
                mtu=mtu,
            )
    return found


def shaper_key(endpoint: Endpoint) -> str:
    """The key of the want for an endpoint's shapers."""
    return f"shaper/{endpoint.key.container}/{endpoint.key.interface}"


def shaper(endpoint: Endpoint) -> ShaperWant:
    """The shapers that an endpoint should have."""
    return ShaperWant(
        container=endpoint.key.container,
        interface=endpoint.key.interface,
        up_kbps=endpoint.up_kbps,
        down_kbps=endpoint.down_kbps,
    )


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
    acknowledged: dict[str, int] = field(default_factory=dict)  # key -> generation
    errors: dict[str, str] = field(default_factory=dict)
    newest: int = -1  # generation of the intent that it follows

    def update(self, wanted: Mapping[str, Body], generation: int) -> list[Want]:
        """This is all that is wanted now; the messages to send. An intent older than the newest says nothing."""
        if generation < self.newest:
            return []
        self.newest = generation
        messages = [self.put(key, body, generation) for key, body in wanted.items()]
        for key in self.standing.keys() - wanted.keys() - {SETTLE}:
            body = self.standing[key].body
            if isinstance(body, GatewayWant) and body.present:
                messages.append(self.put(key, GatewayWant(vlan=body.vlan, present=False), generation))
            elif not isinstance(body, GatewayWant) or key in self.acknowledged:
                self._forget(key)
        return [message for message in messages if message is not None]

    def put(self, key: str, body: Body, generation: int) -> Want | None:
        """Want this one thing; the message to send, or None if it stands already.

        Each body of a key has a generation of its own, so that a late done of an earlier one does not count. That a
        new endpoint has no rates is said, since its record may hold some, but nobody waits for it.
        """
        before = self.standing.get(key)
        if before is not None and before.body == body:
            return None
        if before is not None:
            generation = max(generation, before.generation + 1)
        want = self.standing[key] = Want(key=key, generation=generation, body=body)
        self.acknowledged.pop(key, None)
        self.errors.pop(key, None)
        if before is None and isinstance(body, ShaperWant) and body.up_kbps is None and body.down_kbps is None:
            self.acknowledged[key] = generation
        return want

    def done(self, done: Done) -> None:
        """The helper says that a want stands, or why it cannot; one that is not the newest does not count."""
        want = self.standing.get(done.key)
        if want is None or want.generation != done.generation:
            return
        self.acknowledged[done.key] = done.generation
        if done.error is None:
            self.errors.pop(done.key, None)
        else:
            self.errors[done.key] = done.error

    def lacks(self, key: str) -> bool:
        """Whether this is wanted and not done yet."""
        want = self.standing.get(key)
        return want is not None and self.acknowledged.get(key) != want.generation

    def outstanding(self) -> list[Want]:
        """What is not done yet."""
        return [want for key, want in self.standing.items() if self.lacks(key)]

    def begin_again(self) -> None:
        """Nothing is known to be done, so all of it is outstanding."""
        self.acknowledged.clear()
        self.errors.clear()

    def _forget(self, key: str) -> None:
        self.standing.pop(key, None)
        self.acknowledged.pop(key, None)
        self.errors.pop(key, None)


def _tunnels(intent: Intent, host: str) -> TunnelsWant:
    joined = peers(intent.links, host).items()
    return TunnelsWant(
        peers=tuple(TunnelPeer(peer=p, tunnel=tunnel, remote=intent.hosts[p].vtep) for p, tunnel in joined)
    )


def _lower(one: int | None, other: int | None) -> int | None:
    rates = [rate for rate in (one, other) if rate is not None]
    return min(rates, default=None)
