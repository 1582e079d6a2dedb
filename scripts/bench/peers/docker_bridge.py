"""Docker's own bridge, with both containers on one host: what it cannot do across hosts, it need not be slow at."""

from scripts.bench.peers.place import Place
from scripts.lab import Machine
from scripts.lab.measure import Box

NETWORK, SUBNET = "bench", "172.15.0.0/16"


class DockerBridge:
    """`docker network connect` to a network of the driver `bridge`."""

    name = "docker-bridge"

    def __init__(self, place: Place) -> None:
        self.place = place
        here, _ = place.hosts
        self.hosts: tuple[Machine, Machine] = (here, here)
        here.exec("docker", "network", "create", "--subnet", SUBNET, NETWORK)

    def attach(self, box: Box, address: str, vlan: int) -> None:  # noqa: ARG002 - a network is what separates here
        """A container has been on the network “none”, of which Docker wants it parted first; that is not counted."""
        plain = address.partition("/")[0]
        self.place.shell(box.host).run(f"docker network connect --ip {plain} {NETWORK} {box.name}")

    def detach(self, box: Box) -> None:
        """Off that network."""
        self.place.shell(box.host).run(f"docker network disconnect {NETWORK} {box.name}")
