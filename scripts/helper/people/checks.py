"""What can be refused before anything is touched. Pure, but for the namespace that is looked at."""

from collections.abc import Iterable, Mapping

from app.wire import Ask
from flows.model import DEFAULT_VLAN
from flows.rate import format_rate
from scripts.helper.containers import Container, is_own_namespace
from scripts.helper.ovs.record import EndpointRecord, JoinRecord, Key, PoolRecord
from scripts.helper.people.asked import Connect
from scripts.helper.problem import RefusedError

Records = Mapping[Key, EndpointRecord]


def namespace_of(container: Container) -> str:
    """The path of a running container's network namespace."""
    if container.netns is None:
        raise RefusedError(
            409,
            "not-running",
            f"The container “{container.name}” does not run. Start it: docker start {container.name}",
        )
    if is_own_namespace(container.netns):
        raise RefusedError(
            409,
            "host-network",
            f"“{container.name}” has the host's own network (--net=host). Run it with --net=none to connect it.",
        )
    return container.netns


def existing(records: Records, container: str, asked: Connect) -> tuple[Key, EndpointRecord] | None:
    """What of this container is meant: the named interface, else the one with the address, else the first."""
    own = {key: record for key, record in sorted(records.items()) if key.container == container}
    if asked.interface:
        key = Key(container, asked.interface)
        return (key, own[key]) if key in own else None
    same = [(key, record) for key, record in own.items() if record.address.ip == asked.ip]
    return next(iter(same or own.items()), None)


def refuse_difference(name: str, asked: Connect, key: Key, record: EndpointRecord) -> None:
    """Connected already: with these arguments, or RefusedError that names the difference."""
    up_kbps, down_kbps = asked.kbps
    differences = [
        f"{what} is {there}, asked for is {said}"
        for what, there, said in (
            ("address", str(record.address) if asked.has_prefix else str(record.address.ip), asked.address),
            ("IPv6 address", _said6(record, asked), asked.address6 or "none"),
            ("vlan", record.vlan or "none", (record.vlan if asked.network else asked.vlan) or "none"),
            ("up", format_rate(record.up_kbps), format_rate(up_kbps)),
            ("down", format_rate(record.down_kbps), format_rate(down_kbps)),
            ("gateway", str(record.gateway or "none"), str(asked.gateway or "none")),
            ("bridge", record.behind or "none", asked.bridge or "none"),
        )
        if there != said
    ]
    if differences:
        raise RefusedError(
            409,
            "connected-otherwise",
            f"“{name}” is connected already, as {key.interface}, with other arguments: {'; '.join(differences)}. "
            f"Disconnect it first (containet disconnect {name}), change it with `containet move` or `containet limit`, "
            "or name another --interface for a second one.",
            differences=differences,
        )


def _said6(record: EndpointRecord, asked: Connect) -> str:
    """The IPv6 address in the way in which it was asked for, if it is the same."""
    if record.address6 is None:
        return "none"
    same = record.address6.ip == asked.ip6 if not asked.has_prefix6 else record.address6 == asked.interface6
    return str(asked.address6 if same else record.address6)


def refuse_twin(records: Records, ask: Ask, asked: Connect) -> None:
    """RefusedError, if another endpoint of this host has the address in the same vlan."""
    vlan = ask.vlan or DEFAULT_VLAN
    for key, record in records.items():
        if (record.vlan or DEFAULT_VLAN) != vlan or key == (ask.container, ask.interface):
            continue
        for said, there in ((asked.ip, record.address), (asked.ip6, record.address6)):
            if said and there and there.ip == said:
                raise RefusedError(
                    409,
                    "address-in-use",
                    f"{said} is the address of “{record.name}” on this host already, in vlan {vlan}. Choose another.",
                )


def refuse_leased(pools: Iterable[PoolRecord], ask: Ask, asked: Connect) -> None:
    """RefusedError, if this host may give an address in that vlan to one of Docker's containers at any moment."""
    vlan, said = ask.vlan or DEFAULT_VLAN, [address for address in (asked.ip, asked.ip6) if address]
    blocks = [block for pool in pools if pool.vlan in (None, vlan) for block in pool.blocks]
    for address, block in ((address, block) for address in said for block in blocks if address in block):
        raise RefusedError(
            409,
            "address-leased",
            f"{address} is among the addresses that this host hands out to Docker's containers ({block}). Choose "
            "another.",
        )


def refuse_named_network(asked: Connect, why: str) -> None:
    """RefusedError, if the network was named, and the controller that knows its VLAN is away."""
    if asked.network is not None:
        raise RefusedError(
            503, "controller-away", f"Only the controller knows the VLAN of “{asked.network}”: say that instead. {why}"
        )


def refuse_without_prefix(asked: Connect, why: str) -> None:
    """RefusedError, if a prefix was left to a controller that is away."""
    for said, has_prefix, example in (
        (asked.address, asked.has_prefix, 24),
        (asked.address6, asked.has_prefix6, 64),
    ):
        if not has_prefix:
            raise RefusedError(
                400,
                "prefix-needed",
                f"“{said}” needs its prefix, as {said}/{example}: the controller, which may know the network's subnet, "
                f"is away. {why}",
            )


def refuse_outside_gateway(record: EndpointRecord) -> None:
    """RefusedError, if the default route could not be reached from the address."""
    if record.route and record.route not in record.address.network:
        raise RefusedError(
            400,
            "gateway-outside",
            f"The gateway {record.route} is not inside {record.address.network}, so {record.address.ip} cannot reach "
            "it. Say one that is.",
        )


def vlan_behind(bridge: str, join: JoinRecord | None, vlan: int | None) -> int:
    """The vlan of what is behind this Linux bridge; RefusedError if it is not joined, or another vlan was asked for."""
    if join is None:
        raise RefusedError(
            409,
            "not-joined",
            f"The Linux bridge “{bridge}” is not joined. Join it first: containet join-bridge {bridge}",
        )
    joined = join.vlan or DEFAULT_VLAN
    if vlan is not None and vlan != joined:
        raise RefusedError(
            409,
            "other-vlan",
            f"Everything behind the bridge “{bridge}” is in vlan {joined}, not {vlan}. Leave out the vlan, or connect "
            "the container straight, without a bridge.",
        )
    return joined
