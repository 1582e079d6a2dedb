"""Keeps what is plugged in step with which containers live: at start, when Docker says so, and every few seconds.

Nothing is concluded from an event but whom to look at; a look that failed is repeated by the sweep.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from flows.model import DEFAULT_VLAN
from scripts.helper.attached.endpoints import devices
from scripts.helper.attached.host import Host
from scripts.helper.containers import NETNS, Container
from scripts.helper.engine import Docker, DockerAwayError
from scripts.helper.line.report import Channel
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.record import NetworkRecord
from scripts.helper.ovs.vswitch import VswitchError

SWEEP_S = 5.0

log = logging.getLogger(__name__)


class Keeper:
    """Looks at containers, and lets the host follow."""

    def __init__(self, host: Host, docker: Docker, channel: Channel, seen: Callable[[Container], None]) -> None:
        self._host, self._docker, self._channel = host, docker, channel
        self._seen = seen  # is told how each container is that was looked at
        self._again: set[str] = set()  # containers whose look failed
        self._bridges: Mapping[str, str] = {}  # Docker's networks -> Linux bridges

    def start(self) -> None:
        """Begin; the threads end with the process."""
        for name, work in (("docker", self._watch), ("sweep", self._sweep_for_ever)):
            threading.Thread(target=work, name=name, daemon=True).start()

    def look_at_all(self) -> None:
        """Every container that has a record or a port here, and those that Docker has on joined bridges."""
        self._host.say_nat_again()
        concerned = {key.container for key in self._host.endpoints.records()}
        concerned |= set(self._host.endpoints.unsettled(devices()))
        concerned |= set(self._host.driven.containers())
        self._guarded(self.look_at_networks)()
        try:
            concerned |= set(self._docker.labelled())
            if self._host.driven.unknown():
                concerned |= set(self._docker.running())
            if self._host.joins.records():
                self._bridges = self._docker.bridges()
                concerned |= {*self._docker.running(), *self._host.joins.containers()}
        except DockerAwayError:
            log.debug("Docker is away: its containers are looked at when it is there")
        self.look_at(concerned)

    def look_at_networks(self) -> None:
        """What Docker calls its networks that are ours to drive, and whether it has them still; its own bridges."""
        called, bridges, addressed = self._docker.driven(), self._docker.bridges(), self._addressed()
        with self._host.alone():
            self._host.driven.see_networks(called)
            self._host.joins.restore(self._host.inner_mtu())
        self._host.pools.release_forgotten([*self._host.driven.networks().values(), *addressed.values()])
        self._channel.mark_changes()
        with self._host.alone():
            joined = {bridge: record.vlan or DEFAULT_VLAN for bridge, record in self._host.joins.records().items()}
            self._host.resolvers.serve_engine(bridges.values(), joined)

    def look_at(self, containers: Iterable[str]) -> None:
        """How these are now is how it is here, and what the controller is told."""
        docker_away = False
        for container in containers:
            if docker_away and not container.startswith(NETNS):
                self._host.unplug_stale(container)
            else:
                docker_away |= self._docker_away_for(container)
        self._channel.mark_changes()

    def _docker_away_for(self, container: str) -> bool:
        """Look at one; whether Docker was needed, and away. Then the container is looked at when it comes."""
        self._again.discard(container)
        try:
            found = self._docker.look(container)
            self._host.settle(container, found, self._bridges_for(found))
            if found is not None:
                self._seen(found)
        except DockerAwayError:
            self._host.unplug_stale(container)
            return True
        except (PlumbError, VswitchError) as error:
            log.warning("Container %.12s: %s", container, error)
            self._again.add(container)
        return False

    def _bridges_for(self, found: Container | None) -> Mapping[str, str]:
        if found and self._host.joins.records() and any(a.network not in self._bridges for a in found.attachments):
            self._bridges = self._docker.bridges()
        return self._bridges

    def _watch(self) -> None:
        self._docker.watch(
            self._guarded(self.look_at_all),
            lambda container: self._guarded(lambda: self.look_at([container]))(),
            self._guarded(self.look_at_networks),
        )

    def _sweep_for_ever(self) -> None:
        pause = threading.Event()
        was_connected = True
        while True:
            connected = self._host.vswitch.connected()
            if connected and not was_connected:
                log.info("Open vSwitch is there again: everything is looked at")
                self._guarded(self.look_at_all)()
            if connected:
                self._guarded(self.sweep)()
            was_connected = connected
            pause.wait(SWEEP_S)

    def sweep(self) -> None:
        """Whatever went, or was left behind, without anybody saying so."""
        self._host.restore()
        self._host.sweep()
        self._host.remind_neighbours()
        concerned = set(self._host.endpoints.unsettled(devices())) | set(self._again)
        concerned |= {key.container for key in self._host.endpoints.records() if key.container.startswith(NETNS)}
        self._forget_stale()
        self._free_addresses()
        if self._channel.connected:
            self._host.pools.return_leaving()
        if self._host.driven.unknown():
            concerned |= set(self._running())
        self.look_at(concerned)

    def _forget_stale(self) -> None:
        """Endpoints that Docker has deleted while nobody listened."""
        for name in self._host.driven.stale(devices()):
            record = self._host.driven.records()[name]
            try:
                gone = name not in self._docker.endpoints_of(record.network)
            except DockerAwayError:
                return
            if gone:
                log.info("Docker has no endpoint %.12s any more: its record goes", name)
                with self._host.alone():
                    self._host.driven.delete(name)

    def _free_addresses(self) -> None:
        """Addresses of endpoints that Docker has deleted, or never made, while nobody listened."""
        for name, pool, idle in self._host.idle_addresses():
            try:
                networks = [network for network, record in self._addressed().items() if pool.serves(record)]
                had = frozenset().union(*map(self._docker.addresses_of, networks))
            except DockerAwayError:
                return
            for address in idle - had:
                log.info("Docker has no endpoint with the address %s any more: it is free", address)
                self._host.pools.take_back(name, address)

    def _addressed(self) -> dict[str, NetworkRecord]:
        """Docker's networks with addresses from our pools, by id: ours to drive, or a bridge of its own perhaps."""
        return {
            network: NetworkRecord(vlan=found.vlan, subnet=found.subnet, subnet6=found.subnet6)
            for network, found in self._docker.addressed().items()
            if found.subnet is not None
        }

    def _running(self) -> tuple[str, ...]:
        try:
            return self._docker.running()
        except DockerAwayError:
            return ()

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """The same, but what it raises is logged: the next event, or the next sweep, tries again."""

        def guarded() -> None:
            try:
                work()
            except (PlumbError, VswitchError, DockerAwayError) as error:
                log.warning("%s", error)
            except Exception:
                log.exception("Something went wrong that should not have")

        return guarded
