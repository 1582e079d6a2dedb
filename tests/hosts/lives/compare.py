"""Where the views of a lab differ, in words.

Docker is believed in who lives and with which address, the walk in what was said; all others are held against them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from ipaddress import IPv4Interface, ip_interface
from typing import Any, NamedTuple

from app.wire import GatewayWant, NamesWant, ShaperWant
from flows.model import Mac
from tests.hosts.lives.views import HostView, View
from tests.hosts.lives.world import NETS, Life, Port, Rates, Ruled, State, World


class End(NamedTuple):
    """An interface that there should be."""

    container: str
    interface: str
    address: str
    mac: str
    vlan: int
    rates: Rates
    driven: str = ""  # Docker's id of its endpoint, if we drive it
    address6: str | None = None
    ports: tuple[Port, ...] = ()
    behind: bool = False  # a Linux bridge
    known: bool = True  # else it is on one that is not joined

    @property
    def leads(self) -> Iterator[tuple[str, int, str]]:
        """Where its ports lead: the host's address (none: any), its port, the container's address."""
        for port in self.ports:
            for address in (ip_interface(each).ip for each in self.addresses):
                if address.version == 6 or not port.of:
                    yield port.of.strip("[]:"), port.number, str(address)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them."""
        return (self.address, *([self.address6] if self.address6 else []))


def differences(world: World, view: View) -> list[str]:
    """All of them; none if everybody has the same."""
    found = []
    for name, host in view.hosts.items():
        lines = [*_lives(world, name, host), *_nets(world, name, host)]
        if not lines:
            every = {end: life for life in world.on(name) for end in _ends(world, life, host)}
            ends = {end: life for end, life in every.items() if end.known}
            told = [each for each in view.endpoints if each["host"] == name]
            bridges = frozenset(str(NETS[net].bridge) for at, net in world.bridged & world.nets if at == name)
            lines += _told(ends, bridges, told)
            lines += _plugged(ends, bridges, host)
            lines += _addressed(every, host)
            lines += _kept(world, name, host, ends, view.leases)
        lines += _switched(host)
        lines += _settled(next((each for each in view.known if each["name"] == name), None))
        found += [f"{name}: {line}" for line in lines]
    return found


def _versus(what: str, here: str, wanted: Any, there: str, found: Any) -> Iterator[str]:
    """One line if two sets (or maps) are not the same."""
    if wanted != found:
        one, other = (set(each.items()) if isinstance(each, Mapping) else set(each) for each in (wanted, found))
        yield f"{what}: only {here}: {sorted(one - other, key=str)}; only {there}: {sorted(other - one, key=str)}"


def _lives(world: World, name: str, host: HostView) -> Iterator[str]:
    """Docker has the containers that the walk made, and they are as it left them."""
    wanted = {life.name: life.state.value for life in world.on(name)}
    found = {said["Name"].lstrip("/"): _state(said["State"]) for said in host.containers.values()}
    yield from _versus("containers", "walk", wanted, "Docker", found)


def _state(said: Mapping[str, Any]) -> str:
    if said["Paused"]:
        return State.PAUSED
    return State.RUNNING if said["Running"] else State.STOPPED


def _nets(world: World, name: str, host: HostView) -> Iterator[str]:
    """The networks, and a record of each."""
    named = {net: said["Name"] for net, said in host.networks.items()}
    yield from _versus("networks", "walk", {n for h, n in world.nets if h == name}, "Docker", set(named.values()))
    driven = {net: called for net, called in named.items() if NETS[called].bridge is None}
    records = {key.split("/")[1]: record["name"] for key, record in host.records.items() if key.startswith("network/")}
    yield from _versus("networks", "Docker", driven, "OVSDB", records)
    joined = {f"join/{NETS[net].bridge}" for at, net in world.bridged if at == name}
    yield from _versus("joins", "walk", joined, "OVSDB", {key for key in host.records if key.startswith("join/")})


def _ends(world: World, life: Life, host: HostView) -> Iterator[End]:
    """What this container should have now."""
    if not life.lives:
        return
    (container,) = (key for key, said in host.containers.items() if said["Name"] == f"/{life.name}")
    rule = world.policy.get(life.name, Ruled())
    if life.connected:
        said = life.connected
        mac = str(Mac.of(IPv4Interface(said.address).ip))
        yield End(container, "eth0", said.address, mac, rule.vlan or said.vlan, _ruled(rule, said.rates))
    attached = host.containers[container]["NetworkSettings"]["Networks"]
    for joined in life.joined:
        net, there = NETS[joined.net], attached[joined.net]
        rates = Rates(joined.up or net.up, net.down)
        if life.label_rates and not net.bridge:
            rates = life.label_rates
        rates = _ruled(rule, rates)
        mac = there["MacAddress"]
        yield End(
            container,
            host.links.get(container, {}).get(mac, "no interface"),
            f"{there['IPAddress']}/{there['IPPrefixLen']}",
            mac,
            rule.vlan or net.vlan,
            Rates(rates.up, "none") if net.bridge else rates,
            "" if net.bridge else there["EndpointID"],
            f"{there['GlobalIPv6Address']}/{there['GlobalIPv6PrefixLen']}" if net.dual else None,
            life.ports if joined.net == life.way_out and not net.bridge else (),  # else Docker's own driver has them
            net.bridge is not None,
            world.has_endpoint(life, joined),
        )


def _ruled(rule: Ruled, rates: Rates) -> Rates:
    return Rates(rule.up or rates.up, rule.down or rates.down)


def _told(ends: Mapping[End, Life], bridges: Set[str], told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The controller's endpoints are those that there are, and nothing is amiss with them."""
    wanted = {
        (life.name, end.interface, end.address, end.address6, end.mac, end.vlan, end.rates.up, end.rates.down)
        for end, life in ends.items()
    }
    containers = [each for each in told if each["role"] == "container"]
    columns = ("name", "interface", "address", "address6", "mac", "vlan", "up", "down")
    found = {tuple(each[column] for column in columns) for each in containers}
    yield from _versus("endpoints", "Docker", wanted, "controller", found)
    ports = {(life.name, end.interface, port.shown) for end, life in ends.items() for port in end.ports}
    shown = {(each["name"], each["interface"], port) for each in containers for port in each["ports"]}
    yield from _versus("published ports", "walk", ports, "controller", shown)
    routers = {each["name"] for each in told if each["role"] == "router"}
    yield from _versus("joined bridges", "walk", bridges, "controller", routers)
    yield from (f"{each['name']} is {each['state']}: {each['why']}" for each in told if each["state"] != "up")


def _plugged(ends: Iterable[End], bridges: Set[str], host: HostView) -> Iterator[str]:
    """A port and a device for each, a gateway, a resolver and a tunnel where one is wanted, and no others."""
    wanted = {end.driven or f"{end.container}/{end.interface}" for end in ends if not end.behind}
    held = [port.ids.get("containet-driven") or port.ids.get("containet-endpoint") for port in host.ports]
    yield from _versus("ports", "Docker", wanted, "OVSDB", {each for each in held if each})
    yield from (f"the port {port.name} is broken: {port.error}" for port in host.ports if port.error or not port.ofport)
    pairs = {port.name: port.ids["containet-join"] for port in host.ports if "containet-join" in port.ids}
    yield from _versus("pairs", "walk", bridges, "OVSDB", set(pairs.values()))
    own = len(bridges)
    for what, kind in (("gateway", GatewayWant), ("resolver", NamesWant)):
        asked = {body.vlan for body in host.wanted.values() if isinstance(body, kind) and body.present}
        made = {int(port.ids[f"containet-{what}"]) for port in host.ports if f"containet-{what}" in port.ids}
        yield from _versus(f"{what}s", "wanted", asked, "OVSDB", made)
        own += len(asked)
    plugged = {port.name for port in host.ports if not port.ids.get("containet-peer")}
    if len(plugged) != len(wanted) + own:
        yield f"{len(plugged)} ports for {len(wanted)} endpoints and {own} of the host's own: {sorted(plugged)}"
    ours = {name for name in host.devices if name.startswith(("ct", "cd", "cj", "gw"))}
    yield from _versus("devices", "OVSDB", plugged | {"cj" + name[2:] for name in pairs}, "kernel", ours)
    shaped = {(body.container, body.interface) for body in host.wanted.values() if isinstance(body, ShaperWant)}
    yield from _versus("shapers", "Docker", {end[:2] for end in ends}, "wanted", shaped)
    yield from _versus("where ports lead", "walk", {lead for end in ends for lead in end.leads}, "nftables", host.leads)


def _addressed(ends: Collection[End], host: HostView) -> Iterator[str]:
    """A container has its addresses, and no others."""
    for container in {end.container for end in ends}:
        has = {each.split("/")[0] for end in ends if end.container == container for each in end.addresses}
        yield from _versus(f"{container[:12]}", "Docker", has, "kernel", host.addresses.get(container, frozenset()))


def _kept(
    world: World, name: str, host: HostView, ends: Iterable[End], leases: frozenset[tuple[str, str, str]]
) -> Iterator[str]:
    """The records on the bridge: who is connected, who Docker has, which addresses are in use and which leased."""
    names = {key: said["Name"].lstrip("/") for key, said in host.containers.items()}
    connected = {f"endpoint/{key}/eth0" for key, called in names.items() if world.lives[called].connected}
    driven = {f"driven/{end.driven}" for end in ends if end.driven}
    found = {key for key in host.records if key.startswith(("endpoint/", "driven/"))}
    yield from _versus("records", "Docker", connected | driven, "OVSDB", found)
    pools = {key.removeprefix("pool/"): record for key, record in host.records.items() if key.startswith("pool/")}
    served = {each for at, net in world.nets if at == name and NETS[net].own_ipam for each in NETS[net].subnets}
    yield from _versus("pools", "walk", served, "OVSDB", set(pools))
    for subnet, pool in pools.items():
        inside = [ip_interface(each) for end in ends if end.driven for each in end.addresses]
        having = {str(address.ip) for address in inside if str(address.network) == subnet}
        yield from _versus(f"addresses of {subnet}", "Docker", having, "OVSDB", set(pool["used"]))
        if pool["leaving"]:
            yield f"{pool['leaving']} of {subnet} are not given back yet"
    blocks = {(name, subnet, block) for subnet, pool in pools.items() for block in pool["blocks"]}
    yield from _versus("leases", "OVSDB", blocks, "controller", {lease for lease in leases if lease[0] == name})


def _switched(host: HostView) -> Iterator[str]:
    """What is compiled is in the switch, and nothing else."""
    yield from (f"flow only {'in the switch' if line[0] == '-' else 'compiled'}: {line[1:]}" for line in host.amiss)
    yield from _versus("meters", "compiled", host.metered, "switch", host.meters)


def _settled(known: Mapping[str, Any] | None) -> Iterator[str]:
    if known is None:
        yield "the controller does not know it"
        return
    for what in ("helper", "switch"):
        if known[what] != "connected":
            yield f"its {what} is {known[what]}"
    yield from known["errors"]
    if known["pending"]:
        yield "something is pending"
