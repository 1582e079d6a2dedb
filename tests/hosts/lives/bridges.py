"""What people do with Linux bridges of Docker's."""

from dataclasses import replace
from random import Random

from tests.hosts.lives import containers
from tests.hosts.lives.step import Kind, Step, any_host, asked
from tests.hosts.lives.world import NETS, World


def join(world: World, rng: Random) -> Step | None:
    """With containers on it, or before any come."""
    apart = sorted((host, net) for host, net in world.nets - world.bridged if NETS[net].bridge)
    if not apart:
        return None
    host, net = rng.choice(apart)
    words = ("containet", "join-bridge", str(NETS[net].bridge), "--vlan", str(NETS[net].vlan))
    return asked(host, *words, after=replace(world, bridged=world.bridged | {(host, net)}))


def leave(world: World, rng: Random) -> Step | None:
    """Also when Docker has removed it."""
    if not world.bridged:
        return None
    host, net = rng.choice(sorted(world.bridged))
    words = ("containet", "leave-bridge", str(NETS[net].bridge))
    return asked(host, *words, after=replace(world, bridged=world.bridged - {(host, net)}))


def run_behind(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    return containers.run_on(world, rng, host, sorted(net for at, net in world.bridged & world.nets if at == host))


KINDS: dict[Kind, int] = {join: 20, leave: 3, run_behind: 10}
