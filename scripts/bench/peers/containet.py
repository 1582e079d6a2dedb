"""Containet itself: the helper's API on its socket, and the controller's over TCP."""

from collections.abc import Sequence

from scripts.bench.api import Api
from scripts.bench.place import Place
from scripts.lab.measure import Box


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
        """Interfaces of two network namespaces, one a VLAN, connected one by one."""
        third = self.place.third
        for vlan in (10, 20):
            third.exec("ip", "netns", "add", f"crowd{vlan}")
            for number in range(count // 2):
                address = f"172.15.{vlan + 100 + number // 250}.{number % 250 + 1}/16"
                body = {"container": f"netns:crowd{vlan}", "address": address, "vlan": vlan}
                self._helpers[third.name]("POST", "/v1/connect", body | {"interface": f"c{number}"})

    def kill(self) -> None:
        """The controller."""
        self.place.lab.controller.kill("controller")

    def start(self) -> None:
        """The controller, and everybody has met again."""
        self.place.lab.serve()

    def limit(self, box: Box, mbps: int | None) -> None:
        """PATCH /v1/endpoints/NAME."""
        self._controller("PATCH", f"/v1/endpoints/{box.name}", {"up": f"{mbps}mbit" if mbps else "none"})
