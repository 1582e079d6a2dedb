"""What befalls a lab: processes that end and begin, hosts that boot again or are made anew, somebody being away."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from signal import Signals

from scripts.lab import Lab, Machine, borrowed
from scripts.lab.command import poll
from tests.hosts.lives import containers, networks
from tests.hosts.lives.step import Kind, Step, any_host
from tests.hosts.lives.views import docker
from tests.hosts.lives.world import World

AWAY_S = 0.3  # how long a helper is away while Docker wants something of it
SETTINGS = "etc/docker/daemon.json"
VOLATILE = "find /run -mindepth 1 -maxdepth 1 ! -name openvswitch -exec rm -rf {} +; rm -f /run/openvswitch/*.pid"
DURING: tuple[Kind, ...] = (
    containers.stop, containers.start, containers.restart, containers.pause, containers.unpause, containers.kill,
    containers.rename, containers.remove,
)  # fmt: skip


def restart_helper(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    return Step(f"{host}: the helper is killed and started", lambda lab: _again(lab, host, "helper"), world)


def restart_controller(world: World, _: Random) -> Step | None:
    return Step("the controller is killed and started", lambda lab: _again(lab, "controller", "controller"), world)


def restart_engine(world: World, rng: Random) -> Step | None:
    """With live-restore: the containers live on."""
    host = any_host(rng)
    return Step(f"{host}: dockerd is killed and started", lambda lab: _again(lab, host, "dockerd"), world)


def restart_switch(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    return Step(f"{host}: ovs-vswitchd is killed and started", lambda lab: _again(lab, host, "ovs-vswitchd"), world)


def end_with_engine(world: World, rng: Random) -> Step | None:
    """Without live-restore: the containers end with their engine."""
    host = any_host(rng)

    def do(lab: Lab) -> None:
        _live_restore(lab[host], there=False)
        lab[host].stop("dockerd")
        lab.start(host, "dockerd")
        _live_restore(lab[host], there=True)

    return Step(f"{host}: dockerd is stopped without live-restore, and started", do, world.engine_ended(host))


def reboot(world: World, rng: Random) -> Step | None:
    """All ends at once; what was on the disk is there again."""
    host = any_host(rng)

    def do(lab: Lab) -> None:
        machine, branch = lab[host], f"{lab.plan.name}/{host}"
        borrowed.thaw(branch)
        machine.exec("sh", "-c", "kill -9 -1", check=False)
        for process in machine.processes().values():
            assert process.pid == machine.pid or process.gone(10)
        machine.exec("sh", "-c", "umount -a -t nsfs; ip -all netns delete; nft flush ruleset; " + VOLATILE)
        borrowed.prune(branch)
        for role in ("ovsdb-server", "ovs-vswitchd", "containerd", "helper", "dockerd"):  # as their units say
            lab.start(host, role)
        lab.serve()

    return Step(f"{host}: it boots again", do, world.engine_ended(host))


def make_anew(world: World, rng: Random) -> Step | None:
    """The host is destroyed, with all that was on it."""
    host = any_host(rng)
    after = world.without(*(life.name for life in world.on(host)))
    nets, bridged = (frozenset(net for net in nets if net[0] != host) for nets in (world.nets, world.bridged))
    after = replace(after, nets=nets, bridged=bridged)
    return Step(f"{host}: it is destroyed, and made again", lambda lab: lab.replace(host), after)


def without_controller(world: World, rng: Random) -> Step | None:
    kind = rng.choice((*DURING, networks.connect, networks.disconnect))
    inner = kind(world, rng)
    if inner is None or (kind in (containers.start, containers.restart) and _needs_lease(world, inner)):
        return None

    def do(lab: Lab) -> None:
        lab.controller.kill("controller")
        try:
            inner.do(lab)
        finally:
            lab.start("controller", "controller")

    return Step(f"{inner.words} (while the controller is away)", do, inner.after)


def without_helper(world: World, rng: Random) -> Step | None:
    """Docker asks for a driver that is away until it is there again."""
    inner = rng.choice(DURING)(world, rng)
    if inner is None:
        return None
    host = inner.words.split(":")[0]

    def do(lab: Lab) -> None:
        lab[host].kill("helper")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(inner.do, lab)
            time.sleep(AWAY_S)
            lab.start(host, "helper")
            asked.result()

    return Step(f"{inner.words} (while the helper is away)", do, inner.after)


def _needs_lease(world: World, starting: Step) -> bool:
    """Whether it is stopped, and has an address of its own, which is then leased to nobody."""
    life = world.lives[starting.words.split()[-1]]
    return not life.lives and any(joined.address for joined in life.joined)


def _again(lab: Lab, machine: str, role: str) -> None:
    lab[machine].kill(role)
    lab.start(machine, role)


def _live_restore(host: Machine, *, there: bool) -> None:
    path = host.root / SETTINGS
    path.write_text(json.dumps({**json.loads(path.read_text()), "live-restore": there}))
    host.send("dockerd", Signals.SIGHUP)
    assert poll(lambda: docker(host, "/info")["LiveRestoreEnabled"] == there, 10)


KINDS: dict[Kind, int] = {
    restart_helper: 3, restart_controller: 2, restart_engine: 2, restart_switch: 1, end_with_engine: 1, reboot: 1,
    make_anew: 1, without_controller: 5, without_helper: 4,
}  # fmt: skip
