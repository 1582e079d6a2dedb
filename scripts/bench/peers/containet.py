"""Containet itself: the helper's API on its socket, and the controller's over TCP."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from flows.model import Mac
from scripts.bench.api import Api
from scripts.bench.peers.place import Place
from scripts.bench.played.player import Player
from scripts.lab import LabError
from scripts.lab.command import poll
from scripts.lab.measure import Box

MORE_S = 60.0
FIRST_PORT = 10_000


class Containet:
    """`containet connect`, `move` and `limit`, by the calls that these commands make."""

    name = "containet"

    def __init__(self, place: Place) -> None:
        self.place, self.hosts = place, place.hosts
        self._helpers = {
            host.name: Api.on(str(host.directory / "run/containet/helper.sock")) for host in place.lab.hosts
        }

    @property
    def _controller(self) -> Api:
        """A new connection: one that was kept would not survive the controller's end."""
        return Api.at(self.place.lab.plan.port)

    def attach(self, box: Box, address: str, vlan: int) -> None:
        """POST /v1/connect to the host's helper."""
        body = {"container": box.name, "address": address, "vlan": vlan, "interface": "eth0"}
        self._helpers[box.host.name]("POST", "/v1/connect", body)

    def detach(self, box: Box) -> None:
        """POST /v1/disconnect."""
        self._helpers[box.host.name]("POST", "/v1/disconnect", {"container": box.name})

    def move(self, boxes: Sequence[Box], vlan: int) -> None:
        """PATCH /v1/endpoints."""
        self._controller("PATCH", "/v1/endpoints", {"names": [box.name for box in boxes], "vlan": vlan})

    def more(self, count: int) -> None:
        """The third host's helper ends, and who plays it from then on reports them all, with ports that are none.

        A thousand real ports would keep the userspace datapath busy that all hosts of the machine share.
        """
        third = self.place.third
        known = next(host for host in self._controller("GET", "/v1/hosts") if host["name"] == third.name)
        third.kill("helper")
        everything = {
            "dpid": int(known["dpid"], 16),
            "vtep": known["vtep"],
            "underlay_mtu": known["underlay_mtu"],
            "tunnels": {link["peer"]: link["ofport"] for link in known["links"]},
            "endpoints": [_crowd(vlan, number) for vlan in (10, 20) for number in range(count // 2)],
        }
        player = Player(self.place.lab.plan.port, third.name, everything)
        player.begin()
        if not poll(lambda: player.answered >= count and not self._pending(), MORE_S):
            raise LabError(f"{count:,} more endpoints are not there after {MORE_S:g} s")

    def _pending(self) -> bool:
        return any(host["pending"] for host in self._controller("GET", "/v1/hosts"))

    def kill(self) -> None:
        """The controller."""
        self.place.lab.controller.kill("controller")

    def start(self) -> None:
        """The controller, and everybody has met again."""
        self.place.lab.serve()

    def limit(self, box: Box, mbps: int | None) -> None:
        """PATCH /v1/endpoints/NAME."""
        self._controller("PATCH", f"/v1/endpoints/{box.name}", {"up": f"{mbps}mbit" if mbps else "none"})


def _crowd(vlan: int, number: int) -> dict[str, Any]:
    """One of many, as a helper reports it."""
    address = f"172.15.{vlan + 100 + number // 250}.{number % 250 + 1}"
    return {
        "container": f"crowd{vlan}-{number}",
        "interface": "eth0",
        "name": f"crowd{vlan}-{number}",
        "mac": str(Mac.of(IPv4Address(address))),
        "ofport": FIRST_PORT + vlan * 1000 + number,
        "address": f"{address}/16",
        "vlan": vlan,
    }
