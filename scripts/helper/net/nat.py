"""The way out, and in: a table of our own, whole or gone.

Packets of these subnets leave this host under its own address, and what comes for a published port goes to the
container that it is published for.

    table inet containet                              what it is for
    prerouting   a published port: dnat               whoever reaches this host reaches the container
    output       the same                             so does this host itself
    postrouting  S -> not S: masquerade               answers find their way back
                 S -> S by a published port: likewise the container would answer its neighbour past this host
    forward      S -> other of ours: drop             a host that has gateways of two networks must not join them
                 not S -> S: drop                     unless by a published port, or as an answer

Connections to 127.0.0.1 stay with the host's own programs: the kernel routes no such address.

An engine with iptables of its own drops what is forwarded, and an accept in another table does not overrule that: there
the same is said in DOCKER-USER, Docker's chain for what others have to say. Forwarding is switched on while there is a
table; what it was before stands in the table's comment, so that it survives this process.
"""

import logging
import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from app.wire import PublishedPort
from scripts.helper.net.conntrack import forget_strays
from scripts.helper.net.firewall import DockerUser, NatError, Table, switched_before
from scripts.helper.net.ports import Published

TABLE, DOCKER = Table("inet containet", "ip", "ip_forward"), DockerUser("iptables")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")

_LEADS = re.compile(
    r"(?:ip daddr (?P<host_address>[\d.]+) )?(?P<protocol>tcp|udp) dport (?P<host_port>\d+) "
    r"dnat ip to (?P<address>[\d.]+):(?P<port>\d+)"
)

log = logging.getLogger(__name__)


class Nat:
    """Address translation on this host."""

    def __init__(self) -> None:
        self._stood: tuple[str | None, list[str] | None] | None = None  # as it was when it was set; None: nothing is

    def set(self, subnets: Iterable[IPv4Network], ports: Iterable[Published] = ()) -> None:
        """These subnets, and no others, reach the outside through this host, and these ports lead in.

        Idempotent; none at all leaves nothing.
        """
        wanted, published = sorted(set(subnets)), sorted(set(ports), key=str)
        table = TABLE.listed()
        before = None if table is None else switched_before(table)
        if wanted or published:
            TABLE.replace(wanted, map(_dnat, published), before or IP_FORWARD.read_text().strip())
            self._forward("1")
        elif before:
            TABLE.delete()
        DOCKER.tell(wanted)
        gone = before == "0" and not (wanted or published)
        if gone and DOCKER.rules() is None:  # Docker's chain: now Docker forwards too
            self._forward("0")
        _redirect(_published(table or ""), published)
        self._stood = self._look() if wanted or published else None

    def stands(self) -> bool:
        """Whether all that was set is there still: others flush tables and chains (`nft flush ruleset`)."""
        return self._stood is None or self._stood == self._look()

    def _look(self) -> tuple[str | None, list[str] | None]:
        return TABLE.listed(), DOCKER.rules()

    def _forward(self, value: str) -> None:
        if IP_FORWARD.read_text().strip() == value:
            return
        try:
            IP_FORWARD.write_text(value)
        except OSError as error:
            raise NatError(
                f"“{IP_FORWARD}” could not be set to {value}: {error.strerror}. Without it nothing is routed here."
            ) from error


def _published(table: str) -> set[Published]:
    """Where ports lead by this table."""
    found = set()
    for leads in _LEADS.finditer(table):
        said = {key: value for key, value in leads.groupdict().items() if value is not None}
        address = IPv4Address(said.pop("address"))
        found.add(Published(PublishedPort.model_validate_strings(said), address))
    return found


def _redirect(before: Collection[Published], now: Collection[Published]) -> None:
    """Streams that are under way follow the ports that lead elsewhere now."""
    try:
        forget_strays({published.port for published in set(before) ^ set(now)}, now)
    except (NetlinkError, OSError) as error:
        log.warning("Streams that are under way may go on to where a port led before: %s", error)


def _dnat(published: Published) -> str:
    """What leads a packet for this port to its container."""
    port, address = published
    where = f"ip daddr {port.host_address}" if port.host_address else "fib daddr type local ip daddr != 127.0.0.0/8"
    return f"{where} {port.protocol} dport {port.host_port} dnat ip to {address}:{port.port}"
