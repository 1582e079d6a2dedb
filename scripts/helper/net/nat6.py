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

import re
import shlex
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network, collapse_addresses
from pathlib import Path

from scripts.helper.net.firewall import NatError, nft, run
from scripts.helper.net.nat import CHAIN, docker_rules
from scripts.helper.net.ports import Published

TABLE = "ip6 containet"
DEVICES = Path("/proc/sys/net/ipv6/conf")

_WAS = re.compile(r'comment "forwarding was ([01])"')


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
        table = _listed()
        before = None if table is None else _forwarding_before(table)
        if wanted:
            nft(_ruleset(wanted, published, before or _forwarding()))
            _forward("1")
        elif before:
            nft(f"delete table {TABLE}\n")
        _tell_docker(wanted)
        if before == "0" and not wanted and _docker_rules() is None:  # Docker's chain: now Docker forwards too
            _forward("0")
        self._stood = _look() if wanted else None

    def stands(self) -> bool:
        """Whether all that was set is there still."""
        return self._stood is None or self._stood == _look()


def _look() -> tuple[str | None, list[str] | None]:
    return _listed(), _docker_rules()


def _listed() -> str | None:
    """Our table as it stands, or None if there is none."""
    return run(["nft", "list", "table", *TABLE.split()], refusal_is_none=True)


def _forwarding() -> str:
    return (DEVICES / "all" / "forwarding").read_text().strip()


def _forwarding_before(table: str) -> str:
    """What forwarding was before our table came."""
    found = _WAS.search(table)
    return found[1] if found else "1"


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


def _ruleset(subnets: Sequence[IPv6Network], ports: Sequence[Published], was: str) -> str:
    """The whole table in nft(8)'s words, as one transaction that replaces an older one."""
    ours = ", ".join(str(subnet) for subnet in collapse_addresses(subnets))
    within = "\n".join(_dnat(published) for published in ports if published.port.host_address is None)
    out = "\n".join(
        f"    ip6 saddr {subnet} ip6 daddr != {subnet} masquerade\n"
        f"    ct status dnat ip6 saddr {subnet} ip6 daddr {subnet} masquerade"
        for subnet in subnets
    )
    apart = "\n".join(f"    ip6 saddr {subnet} ip6 daddr != {subnet} ip6 daddr {{ {ours} }} drop" for subnet in subnets)
    shut = "\n".join(f"    ip6 saddr != {subnet} ip6 daddr {subnet} drop" for subnet in subnets)
    return f"""\
add table {TABLE}
delete table {TABLE}
table {TABLE} {{
  comment "forwarding was {was}"
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
    port = published.port
    where = f"fib daddr type local ip6 daddr != ::1 {port.protocol} dport {port.host_port}"
    return f"    {where} dnat to [{published.address}]:{port.port}"


def _docker_rules() -> list[str] | None:
    """Our rules in Docker's chain, as ip6tables lists them; None if there is no such chain."""
    try:
        listed = run(["ip6tables", "-w", "5", "-S", CHAIN], refusal_is_none=True)
    except FileNotFoundError:
        return None
    return None if listed is None else [line for line in listed.splitlines() if "--comment containet" in line]


def _tell_docker(subnets: Sequence[IPv6Network]) -> None:
    have = _docker_rules()
    if have is None:
        return
    want = [rule for subnet in subnets for rule in docker_rules(subnet)]
    for change, rules in (("-D", [r for r in have if r not in want]), ("-I", [r for r in want if r not in have])):
        for rule in rules:
            run(["ip6tables", "-w", "5", change, *shlex.split(rule)[1:]])
