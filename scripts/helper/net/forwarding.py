"""What lets packets on from one device of this host to another: a switch of the kernel's for each version of IP.

That of IPv6, turned on, makes a router of every device: one that no longer hears from routers, and so loses a default
route that it learnt of them. Only the switch is needed, so each device gets back what it had.
"""

from pathlib import Path
from typing import NamedTuple

from scripts.helper.net.firewall import NatError

DEVICES6 = Path("/proc/sys/net/ipv6/conf")


class Forwarding(NamedTuple):
    """The switch of one version; `devices` has those of devices that stay as they are."""

    switch: Path
    devices: Path | None = None

    def read(self) -> str:
        """`1` if it is on."""
        return self.switch.read_text().strip()

    def turn(self, value: str) -> None:
        """On (`1`) or off (`0`). Idempotent."""
        if self.read() == value:
            return
        others = [] if self.devices is None else list(self.devices.glob("*/forwarding"))
        hosts = [path for path in others if path != self.switch and path.read_text().strip() == "0"]
        try:
            self.switch.write_text(value)
            for path in hosts if value == "1" else ():
                if path.exists():  # a device may go at any moment
                    path.write_text("0")
        except OSError as error:
            raise NatError(
                f"“{self.switch}” could not be set to {value}: {error.strerror}. Without it nothing is routed here."
            ) from error


IPV4 = Forwarding(Path("/proc/sys/net/ipv4/ip_forward"))
IPV6 = Forwarding(DEVICES6 / "all" / "forwarding", DEVICES6)
