"""What Docker's users do with containers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

from scripts.lab import Lab
from tests.hosts.lives.step import LONGEST_S, Kind, Step, any_host, any_life, command
from tests.hosts.lives.world import FREE_VLAN, NETS, OWN6, Connected, Joined, Life, Port, Rates, State, World

MOST = 9  # containers at a time
ADDRESSES = 60  # more than ever are there at a time
RUN = ("docker", "run", "--detach", "--stop-signal", "KILL")
IDLE = ("lab", "sleep", "100000")
LASTING = ("--restart", "unless-stopped")
CHURNS = 3
FIRST_PORT = 8000
LIVING = (State.RUNNING, State.PAUSED)


def own_address(world: World, vlan: int) -> str:
    """An address for the next container that says its own; with prefix."""
    return f"172.15.{vlan}.{2 + world.born % ADDRESSES}/24"


def next_name(world: World) -> str:
    """What the next container is called."""
    return f"web{world.born}"


def any_rates(rng: Random) -> Rates:
    """Mostly some."""
    return Rates(rng.choice(("none", "5mbit", "10mbit")), rng.choice(("none", "20mbit")))


def any_ports(world: World, rng: Random, host: str, net: str) -> tuple[Port, ...]:
    """Some or none; no two containers have the same."""
    number = FIRST_PORT + 2 * (world.born % ADDRESSES)
    everywhere, there = Port(number), Port(number + 1, f"[{OWN6[host]}]:")
    return rng.choice(((), (everywhere,), *([(there,), (there, everywhere)] if NETS[net].dual else [])))


def run_on_a_network(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    return run_on(world, rng, host, sorted(net for at, net in world.nets if at == host))


def run_on(world: World, rng: Random, host: str, nets: Sequence[str]) -> Step | None:
    """One more, on one of these."""
    if not nets or len(world.lives) >= MOST:
        return None
    name, net, words = next_name(world), rng.choice(nets), []
    joined, rates = Joined(net), None
    if NETS[net].own_ipam and rng.random() < 0.3:
        joined = Joined(net, address=f"172.15.{NETS[net].vlan}.{100 + world.born % ADDRESSES}")
        words += ["--ip", str(joined.address)]
    if rng.random() < 0.3:
        rates = Rates("5mbit", "20mbit")
        words += [f"--label=containet.up={rates.up}", f"--label=containet.down={rates.down}"]
    lasting, ports = rng.random() < 0.3, any_ports(world, rng, host, net)
    words += LASTING if lasting else ()
    words += [word for port in ports for word in ("--publish", port.said)]
    life = Life(name, host, joined=(joined,), label_rates=rates, lasting=lasting, ports=ports)
    after = replace(world.put(life), born=world.born + 1)
    return command(host, *RUN, "--network", net, *words, "--name", name, *IDLE, after=after)


def run_with_labels(world: World, rng: Random) -> Step | None:
    if len(world.lives) >= MOST:
        return None
    host, name, vlan, rates = any_host(rng), next_name(world), rng.choice((10, 20, FREE_VLAN)), any_rates(rng)
    connected, lasting = Connected(own_address(world, vlan), vlan, rates), rng.random() < 0.3
    said = {"address": connected.address, "vlan": vlan, "up": rates.up, "down": rates.down}
    words = [f"--label=containet.{key}={value}" for key, value in said.items() if value != "none"]
    words += LASTING if lasting else ()
    after = world.put(Life(name, host, connected=connected, labelled=True, lasting=lasting))
    after = replace(after, born=world.born + 1)
    return command(host, *RUN, "--net=none", *words, "--name", name, *IDLE, after=after)


def run_bare(world: World, rng: Random) -> Step | None:
    if len(world.lives) >= MOST:
        return None
    host, name = any_host(rng), next_name(world)
    after = replace(world.put(Life(name, host)), born=world.born + 1)
    return command(host, *RUN, "--net=none", "--name", name, *IDLE, after=after)


def _changed(world: World, life: Life | None, state: State, *words: str) -> Step | None:
    if life is None:
        return None
    return command(life.host, "docker", *words, life.name, after=world.put(replace(life, state=state)))


def stop(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.RUNNING), State.STOPPED, "stop")


def start(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.STOPPED), State.RUNNING, "start")


def restart(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.RUNNING, State.STOPPED), State.RUNNING, "restart")


def pause(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.RUNNING), State.PAUSED, "pause")


def unpause(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.PAUSED), State.RUNNING, "unpause")


def kill(world: World, rng: Random) -> Step | None:
    return _changed(world, any_life(world, rng, State.RUNNING), State.STOPPED, "kill")


def rename(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, *State)
    if life is None:
        return None
    name = next_name(world)
    after = replace(world.without(life.name).put(replace(life, name=name)), born=world.born + 1)
    return command(life.host, "docker", "rename", life.name, name, after=after)


def remove(world: World, rng: Random) -> Step | None:
    life = any_life(world, rng, *State)
    if life is None:
        return None
    return command(life.host, "docker", "rm", "--force", life.name, after=world.without(life.name))


def prune(world: World, rng: Random) -> Step | None:
    host = any_host(rng)
    gone = [life.name for life in world.on(host) if not life.lives]
    return command(host, "docker", "container", "prune", "--force", after=world.without(*gone)) if gone else None


def churn(world: World, rng: Random) -> Step | None:
    """Some that come and go at once, side by side."""
    host = any_host(rng)
    here = sorted(net for at, net in world.nets if at == host)
    if not here:
        return None
    words = ("docker", "run", "--rm", "--network", rng.choice(here), "lab", "true")

    def do(lab: Lab) -> None:
        with ThreadPoolExecutor(CHURNS) as pool:
            list(pool.map(lambda _: lab[host].exec(*words, seconds=LONGEST_S), range(CHURNS)))

    return Step(f"{host}: {' '.join(words)} ({CHURNS} times at once)", do, world)


KINDS: dict[Kind, int] = {
    run_on_a_network: 14, run_with_labels: 6, run_bare: 6, stop: 6, start: 10, restart: 6, pause: 3, unpause: 4,
    kill: 4, rename: 4, remove: 6, prune: 1, churn: 3,
}  # fmt: skip
