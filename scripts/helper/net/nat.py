"""The way out, and in: a table of our own for each version of IP, whole or gone.

Packets of these subnets leave this host under its own address, and what comes for a published port goes to the
container that it is published for. Of IPv6 too: container subnets are unique-local as a rule (RFC 4193), which nobody
outside knows a way back to.

    table inet containet (IPv6: ip6)                  what it is for
    prerouting   a published port: dnat               whoever reaches this host reaches the container
    output       the same                             so does this host itself
    postrouting  S -> not S: masquerade               answers find their way back
                 S -> S by a published port: likewise the container would answer its neighbour past this host
    forward      S -> other of ours: drop             a host that has gateways of two networks must not join them
                 not S -> S: drop                     unless by a published port, or as an answer

Connections to 127.0.0.1 and ::1 stay with the host's own programs: the kernel routes no such address.

An engine with iptables of its own drops what is forwarded, and an accept in another table does not overrule that: there
the same is said in DOCKER-USER, Docker's chain for what others have to say. Forwarding is switched on while there is a
table; what it was before stands in the table's comment, so that it survives this process.
"""

import logging
import re
import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import NamedTuple

from pyroute2.netlink.exceptions import NetlinkError

from app.wire import PublishedPort, Subnet
from scripts.helper.net import forwarding
from scripts.helper.net.conntrack import forget_strays
from scripts.helper.net.firewall import DockerUser, Table, switched_before
from scripts.helper.net.forwarding import Forwarding
from scripts.helper.net.ports import Published

_LEADS = re.compile(
    r"(?:ip6? daddr (?P<host_address>[\da-f.:]+) )?(?P<protocol>tcp|udp) dport (?P<host_port>\d+) "
    r"dnat (?:ip )?to \[?(?P<address>[\da-f.:]+?)\]?:(?P<port>\d+)$",
    re.MULTILINE,
)

log = logging.getLogger(__name__)


class Version(NamedTuple):
    """What one version of IP has; `own` are the addresses that no packet from outside is for."""

    family: socket.AddressFamily
    table: Table
    docker: DockerUser
    forwarding: Forwarding
    own: str


VERSIONS = {
    4: Version(
        socket.AF_INET,
        Table("inet containet", "ip", "ip_forward"),
        DockerUser("iptables"),
        forwarding.IPV4,
        "127.0.0.0/8",
    ),
    6: Version(
        socket.AF_INET6,
        Table("ip6 containet", "ip6", "forwarding"),
        DockerUser("ip6tables"),
        forwarding.IPV6,
        "::1",
    ),
}


class Nat:
    """Address translation on this host."""

    def __init__(self) -> None:
        self._parts = {number: _Part(version) for number, version in VERSIONS.items()}

    def set(self, subnets: Iterable[Subnet], ports: Iterable[Published] = ()) -> None:
        """These subnets, and no others, reach the outside through this host, and these ports lead in.

        Idempotent; none at all leaves nothing.
        """
        subnets, ports = set(subnets), set(ports)
        for number, part in self._parts.items():
            part.set(
                sorted(subnet for subnet in subnets if subnet.version == number),
                sorted((port for port in ports if port.address.version == number), key=str),
            )

    def stands(self) -> bool:
        """Whether all that was set is there still: others flush tables and chains (`nft flush ruleset`)."""
        return all(part.stands() for part in self._parts.values())


class _Part:
    """The same, of one version of IP."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._stood: tuple[str | None, list[str] | None] | None = None  # as it was when it was set; None: nothing is

    def set(self, subnets: list[Subnet], ports: list[Published]) -> None:
        family, table, docker, switch, _ = self._version
        there = bool(subnets or ports)
        listed = table.listed()
        before = None if listed is None else switched_before(listed)
        if there:
            table.replace(subnets, map(self._dnat, ports), before or switch.read())
            switch.turn("1")
        elif before:
            table.delete()
        docker.tell(subnets)
        if before == "0" and not there and docker.rules() is None:  # Docker's chain: now Docker forwards too
            switch.turn("0")
        _redirect(family, _published(listed or ""), ports)
        self._stood = self._look() if there else None

    def stands(self) -> bool:
        return self._stood is None or self._stood == self._look()

    def _look(self) -> tuple[str | None, list[str] | None]:
        return self._version.table.listed(), self._version.docker.rules()

    def _dnat(self, published: Published) -> str:
        """What leads a packet for this port to its container."""
        (port, address), ip = published, self._version.table.ip
        where = f"{ip} daddr {port.host_address}" if port.host_address else self._anywhere
        to = f"[{address}]" if address.version == 6 else f"{address}"
        return f"{where} {port.protocol} dport {port.host_port} dnat {ip} to {to}:{port.port}"

    @property
    def _anywhere(self) -> str:
        return f"fib daddr type local {self._version.table.ip} daddr != {self._version.own}"


def _published(table: str) -> set[Published]:
    """Where ports lead by this table."""
    found = set()
    for leads in _LEADS.finditer(table):
        said = {key: value for key, value in leads.groupdict().items() if value is not None}
        address = ip_address(said.pop("address"))
        found.add(Published(PublishedPort.model_validate_strings(said), address))
    return found


def _redirect(family: socket.AddressFamily, before: Collection[Published], now: Collection[Published]) -> None:
    """Streams that are under way follow the ports that lead elsewhere now."""
    try:
        forget_strays(family, {published.port for published in set(before) ^ set(now)}, now)
    except (NetlinkError, OSError) as error:
        log.warning("Streams that are under way may go on to where a port led before: %s", error)
