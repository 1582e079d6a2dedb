"""What people do with networks, and with the policy."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.hosts.lives.containers import any_rates, own_address
from tests.hosts.lives.step import Kind, Step, any_host, any_life, asked, command
from tests.hosts.lives.world import FREE_VLAN, HOSTS, NETS, Connected, Joined, Life, Net, Ruled, State, World

ELSEWHERE = (110, 120)  # VLANs that have no subnet: everybody can be moved there


def make(world: World, rng: Random) -> Step | None:
    lacking = sorted({(host, net) for host in HOSTS for net in NETS} - world.nets)
    if not lacking:
        return None
    host, name = rng.choice(lacking)
    net = NETS[name]
    subnets = [word for subnet in net.subnets for word in ("--subnet", subnet)]
    words = [*subnets, *net.options]
    if net.bridge is None:
        words += ["-d", "containet", "-o", f"vlan={net.vlan}"]
    if net.own_ipam:
        words += ["--ipam-driver", "containet"]
    else:  # Docker's own knows of no other host: each gives of another part
        words += _own_part(net, host)
    after = replace(world, nets=world.nets | {(host, name)})
    return command(host, "docker", "network", "create", *words, name, after=after)


def _own_part(net: Net, host: str) -> list[str]:
    """Gateways and ranges; every host has one gateway, but for Linux bridges, each of which is a router of its own."""
    number = HOSTS.index(host)
    gateway = 1 if net.bridge is None else 1 + number
    words = ["--gateway", f"172.15.{net.vlan}.{gateway}", "--ip-range", f"172.15.{net.vlan}.{128 + 32 * number}/27"]
    if net.dual:
        words += ["--gateway", f"fd00:{net.vlan}::{gateway}", "--ip-range", f"fd00:{net.vlan}::{1 + number}:0:0/96"]
    return words


def _unused(world: World, host: str) -> list[str]:
    """Docker's networks here that no container is on, running or not."""
    used = {joined.net for life in world.on(host) for joined in life.joined}
    return sorted(net for at, net in world.nets if at == host and net not in used)


def remove(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    unused = _unused(world, host)
    if not unused:
        return None
    name = rng.choice(unused)
    return command(host, "docker", "network", "rm", name, after=replace(world, nets=world.nets - {(host, name)}))


def prune(world: World, rng: Random) -> Step | None:
    """Docker prunes networks that no running container is on; who is stopped loses his, and cannot start any more."""
    host = any_host(rng)
    used = {joined.net for life in world.on(host) for joined in life.joined}
    living = {joined.net for life in world.on(host) if life.lives for joined in life.joined}
    gone = {(at, net) for at, net in world.nets if at == host and net not in living}
    if used != living or not gone:
        return None
    return command(host, "docker", "network", "prune", "--force", after=replace(world, nets=world.nets - gone))


def join(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, State.RUNNING, fits=lambda life: bool(life.joined))
    if life is None:
        return None
    others = sorted({net for at, net in world.nets if at == life.host} - {joined.net for joined in life.joined})
    if not others:
        return None
    net = rng.choice(others)
    joined = Joined(net, up="15mbit" if NETS[net].bridge is None and rng.random() < 0.5 else None)
    words = ["--driver-opt", "up=15mbit"] if joined.up else []
    after = world.put(replace(life, joined=(*life.joined, joined)))
    return command(life.host, "docker", "network", "connect", *words, net, life.name, after=after)


def part(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, State.RUNNING, fits=lambda life: len(life.joined) > 1)
    if life is None:
        return None
    gone = rng.choice(life.joined)
    if any(port.of for port in life.ports) and NETS[gone.net].dual:
        return None  # its port of an IPv6 address would lead nowhere
    after = world.put(replace(life, joined=tuple(joined for joined in life.joined if joined != gone)))
    return command(life.host, "docker", "network", "disconnect", gone.net, life.name, after=after)


def connect(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, State.RUNNING, fits=lambda life: not (life.joined or life.connected))
    if life is None:
        return None
    vlan, rates = rng.choice((10, 20, FREE_VLAN)), any_rates(rng)
    said = Connected(own_address(world, vlan), vlan, rates)
    words = ["--vlan", str(vlan), "--up", rates.up, "--down", rates.down]
    after = replace(world.put(replace(life, connected=said)), born=world.born + 1)
    return asked(life.host, "containet", "connect", life.name, said.address, *words, after=after)


def disconnect(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, *State, fits=lambda life: bool(life.connected and not life.labelled))
    if life is None:
        return None
    after = world.put(replace(life, connected=None))
    return asked(life.host, "containet", "disconnect", life.name, after=after)


def move(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, State.RUNNING, State.PAUSED, fits=_has_one(world))
    if life is None:
        return None
    vlan = rng.choice(ELSEWHERE)
    after = _ruling(world, life, vlan=vlan)
    return asked(life.host, "containet", "move", life.name, "--vlan", str(vlan), after=after)


def limit(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, State.RUNNING, State.PAUSED, fits=_has_one(world))
    if life is None:
        return None
    up, down = rng.choice(("3mbit", "30mbit", "none")), rng.choice(("3mbit", "30mbit", "none"))
    if any(NETS[on.net].bridge and world.has_endpoint(life, on) for on in life.joined):
        down = "none"  # nothing would hold it
    after = _ruling(world, life, up=up, down=down)
    return asked(life.host, "containet", "limit", life.name, "--up", up, "--down", down, after=after)


def _has_one(world: World) -> Callable[[Life], bool]:
    """A name means an endpoint if there is one."""
    return lambda life: sum(world.has_endpoint(life, on) for on in life.joined) + bool(life.connected) == 1


def _ruling(world: World, life: Life, vlan: int | None = None, up: str | None = None, down: str | None = None) -> World:
    rule = world.policy.get(life.name, Ruled())
    ruled = Ruled(vlan or rule.vlan, up or rule.up, down or rule.down)
    return replace(world, policy={**world.policy, life.name: ruled})


KINDS: dict[Kind, int] = {
    make: 12, remove: 2, prune: 1, join: 6, part: 3, connect: 10, disconnect: 3, move: 5, limit: 5,
}  # fmt: skip
