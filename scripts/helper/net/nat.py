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
import shlex
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from app.wire import PublishedPort
from scripts.helper.net.conntrack import forget_strays
from scripts.helper.net.firewall import NatError, nft, run
from scripts.helper.net.ports import Published

TABLE = "inet containet"
CHAIN = "DOCKER-USER"
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")

_LEADS = re.compile(
    r"(?:ip daddr (?P<host_address>[\d.]+) )?(?P<protocol>tcp|udp) dport (?P<host_port>\d+) "
    r"dnat ip to (?P<address>[\d.]+):(?P<port>\d+)"
)
_WAS = re.compile(r'comment "ip_forward was ([01])"')


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
        table = _listed()
        before = None if table is None else _forwarding_before(table)
        if wanted or published:
            was = before or IP_FORWARD.read_text().strip()
            nft(_ruleset(wanted, published, was))
            self._forward("1")
        elif before:
            nft(f"delete table {TABLE}\n")
        self._tell_docker(wanted)
        gone = before == "0" and not (wanted or published)
        if gone and self._docker_rules() is None:  # Docker's chain: now Docker forwards too
            self._forward("0")
        _redirect(_published(table or ""), published)
        self._stood = self._look() if wanted or published else None

    def stands(self) -> bool:
        """Whether all that was set is there still: others flush tables and chains (`nft flush ruleset`)."""
        return self._stood is None or self._stood == self._look()

    def _look(self) -> tuple[str | None, list[str] | None]:
        return _listed(), self._docker_rules()

    def _forward(self, value: str) -> None:
        if IP_FORWARD.read_text().strip() == value:
            return
        try:
            IP_FORWARD.write_text(value)
        except OSError as error:
            raise NatError(
                f"“{IP_FORWARD}” could not be set to {value}: {error.strerror}. Without it nothing is routed here."
            ) from error

    def _docker_rules(self) -> list[str] | None:
        """Our rules in Docker's chain, as iptables lists them; None if there is no such chain."""
        try:
            listed = run(["iptables", "-w", "5", "-S", CHAIN], refusal_is_none=True)
        except FileNotFoundError:
            return None
        if listed is None:
            return None
        return [line for line in listed.splitlines() if "--comment containet" in line]

    def _tell_docker(self, subnets: Sequence[IPv4Network]) -> None:
        have = self._docker_rules()
        if have is None:
            return
        want = [rule for subnet in subnets for rule in docker_rules(subnet)]
        for rule in have:
            if rule not in want:
                run(["iptables", "-w", "5", "-D", *shlex.split(rule)[1:]])
        for rule in want:
            if rule not in have:
                run(["iptables", "-w", "5", "-I", *shlex.split(rule)[1:]])


def _listed() -> str | None:
    """Our table as it stands, or None if there is none."""
    return run(["nft", "list", "table", *TABLE.split()], refusal_is_none=True)


def _forwarding_before(table: str) -> str:
    """What forwarding was before our table came."""
    found = _WAS.search(table)
    return found[1] if found else "1"


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


def _ruleset(subnets: Sequence[IPv4Network], ports: Sequence[Published], was: str) -> str:
    """The whole table in nft(8)'s words, as one transaction that replaces an older one."""
    ours = ", ".join(str(subnet) for subnet in collapse_addresses(subnets))
    within = "\n".join(_dnat(published) for published in ports)
    out = "\n".join(
        f"    ip saddr {subnet} ip daddr != {subnet} masquerade\n"
        f"    ct status dnat ip saddr {subnet} ip daddr {subnet} masquerade"
        for subnet in subnets
    )
    apart = "\n".join(f"    ip saddr {subnet} ip daddr != {subnet} ip daddr {{ {ours} }} drop" for subnet in subnets)
    shut = "\n".join(f"    ip saddr != {subnet} ip daddr {subnet} drop" for subnet in subnets)
    return f"""\
add table {TABLE}
delete table {TABLE}
table {TABLE} {{
  comment "ip_forward was {was}"
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
{within}
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
{within}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
{out}
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
{apart}
    ct status dnat accept
    ct state established,related accept
{shut}
  }}
}}
"""


def _dnat(published: Published) -> str:
    """What leads a packet for this port to its container."""
    port, address = published
    where = f"ip daddr {port.host_address}" if port.host_address else "fib daddr type local ip daddr != 127.0.0.0/8"
    return f"    {where} {port.protocol} dport {port.host_port} dnat ip to {address}:{port.port}"


def docker_rules(subnet: IPv4Network | IPv6Network) -> tuple[str, ...]:
    """Out, the answers in, and in by a published port; as `iptables -S` spells them, so that they can be compared."""
    return (
        f"-A {CHAIN} -s {subnet} -m comment --comment containet -j ACCEPT",
        f"-A {CHAIN} -d {subnet} -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment containet -j ACCEPT",
        f"-A {CHAIN} -d {subnet} -m conntrack --ctstate DNAT -m comment --comment containet -j ACCEPT",
    )
