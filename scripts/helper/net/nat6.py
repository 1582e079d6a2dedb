"""The way out, and in, for IPv6: the same as `nat` has it, in a table of its own, whole or gone.

Container subnets are unique-local as a rule (RFC 4193), which nobody outside knows a way back to; so here too packets
leave under the host's own address.

    table ip6 containet                               what it is for
    prerouting   a published port: dnat               whoever reaches this host reaches the container
    output       the same                             so does this host itself
    postrouting  S -> not S: masquerade               answers find their way back
                 S -> S by a published port: likewise the container would answer its neighbour past this host
    forward      S -> other of ours: drop             a host that has gateways of two networks must not join them
                 not S -> S: drop                     unless by a published port, or as an answer

Forwarding of IPv6 is one switch for the whole host, and turning it makes a router of every device: one that no longer
hears from routers, and so loses a default route that it learnt of them. Only the switch is needed, so each device gets
back what it had.
"""

from collections.abc import Iterable
from ipaddress import IPv6Network
from pathlib import Path

from scripts.helper.net.firewall import DockerUser, NatError, Table, switched_before
from scripts.helper.net.ports import Published

TABLE, DOCKER = Table("ip6 containet", "ip6", "forwarding"), DockerUser("ip6tables")
DEVICES = Path("/proc/sys/net/ipv6/conf")


class Nat6:
    """Address translation for IPv6 on this host."""

    def __init__(self) -> None:
        self._stood: tuple[str | None, list[str] | None] | None = None  # as it was when it was set; None: nothing is

    def set(self, subnets: Iterable[IPv6Network], ports: Iterable[Published] = ()) -> None:
        """These subnets, and no others, reach the outside through this host, and these ports lead in to them.

        Idempotent; none at all leaves nothing.
        """
        wanted = sorted(set(subnets))
        published = sorted(set(ports), key=str)
        table = TABLE.listed()
        before = None if table is None else switched_before(table)
        if wanted:
            leads = (_dnat(port) for port in published if port.port.host_address is None)
            TABLE.replace(wanted, leads, before or _forwarding())
            _forward("1")
        elif before:
            TABLE.delete()
        DOCKER.tell(wanted)
        if before == "0" and not wanted and DOCKER.rules() is None:  # Docker's chain: now Docker forwards too
            _forward("0")
        self._stood = _look() if wanted else None

    def stands(self) -> bool:
        """Whether all that was set is there still."""
        return self._stood is None or self._stood == _look()


def _look() -> tuple[str | None, list[str] | None]:
    return TABLE.listed(), DOCKER.rules()


def _forwarding() -> str:
    return (DEVICES / "all" / "forwarding").read_text().strip()


def _forward(value: str) -> None:
    if _forwarding() == value:
        return
    switch = DEVICES / "all" / "forwarding"
    hosts = [each for each in DEVICES.glob("*/forwarding") if each != switch and each.read_text().strip() == "0"]
    try:
        switch.write_text(value)
        for each in hosts if value == "1" else ():
            if each.exists():  # a device may go at any moment
                each.write_text("0")
    except OSError as error:
        raise NatError(
            f"“{switch}” could not be set to {value}: {error.strerror}. Without it no IPv6 is routed here."
        ) from error


def _dnat(published: Published) -> str:
    """What leads a packet for this port to its container."""
    port = published.port
    where = f"fib daddr type local ip6 daddr != ::1 {port.protocol} dport {port.host_port}"
    return f"{where} dnat to [{published.address}]:{port.port}"
