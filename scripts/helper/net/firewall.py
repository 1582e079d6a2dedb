"""What the kernel filters and translates: our table, our rules in Docker's chain, their programs, how they fail."""

import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, collapse_addresses
from typing import NamedTuple, cast

from app.wire import Subnet

TIMEOUT_S = 10
CHAIN = "DOCKER-USER"

_WAS = re.compile(r'comment "\w+ was ([01])"')


class NatError(Exception):
    """NAT could not be set up or taken away, in words."""


def nft(script: str) -> None:
    """Have nftables do all of this, in one transaction, or NatError."""
    run(["nft", "-f", "-"], script)


def run(command: Sequence[str], text: str = "", *, refusal_is_none: bool = False) -> str | None:
    """What the command printed; None, or NatError, if it refused."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        if command[0] == "nft":
            raise NatError("The program “nft” is missing. Install the package nftables.") from error
        raise
    except subprocess.TimeoutExpired as error:
        raise NatError(f"“{shlex.join(command)}” did not end within {TIMEOUT_S} s.") from error
    if done.returncode == 0:
        return done.stdout
    if refusal_is_none:
        return None
    raise NatError(f"“{shlex.join(command)}” failed: {done.stderr.strip() or 'it did not say why'}")


class Table(NamedTuple):
    """A table of ours: `name` with its family, `ip` the word for the addresses in it, `switch` what lets packets on."""

    name: str
    ip: str
    switch: str

    def listed(self) -> str | None:
        """It as it stands, or None if there is none."""
        return run(["nft", "list", "table", *self.name.split()], refusal_is_none=True)

    def delete(self) -> None:
        """It is there, and goes."""
        nft(f"delete table {self.name}\n")

    def replace(self, subnets: Sequence[Subnet], leads: Iterable[str], was: str) -> None:
        """The whole table, as one transaction: these subnets reach the outside, `leads` lead in to them."""
        nft(self._ruleset(subnets, "\n".join(f"    {lead}" for lead in leads), was))

    def _ruleset(self, subnets: Sequence[Subnet], within: str, was: str) -> str:
        whole = collapse_addresses(cast("Sequence[IPv4Network]", subnets))  # or all of IPv6
        ip, ours = self.ip, ", ".join(map(str, whole))
        out = "\n".join(
            f"    {ip} saddr {subnet} {ip} daddr != {subnet} masquerade\n"
            f"    ct status dnat {ip} saddr {subnet} {ip} daddr {subnet} masquerade"
            for subnet in subnets
        )
        apart = "\n".join(
            f"    {ip} saddr {subnet} {ip} daddr != {subnet} {ip} daddr {{ {ours} }} drop" for subnet in subnets
        )
        shut = "\n".join(f"    {ip} saddr != {subnet} {ip} daddr {subnet} drop" for subnet in subnets)
        return f"""\
add table {self.name}
delete table {self.name}
table {self.name} {{
  comment "{self.switch} was {was}"
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


def switched_before(table: str) -> str:
    """What the switch was before this table of ours came."""
    found = _WAS.search(table)
    return found[1] if found else "1"


class DockerUser:
    """Our rules in Docker's chain for what others have to say; `program` is iptables or ip6tables."""

    def __init__(self, program: str) -> None:
        self._command = [program, "-w", "5"]

    def rules(self) -> list[str] | None:
        """As the program lists them; None if there is no such chain."""
        try:
            listed = run([*self._command, "-S", CHAIN], refusal_is_none=True)
        except FileNotFoundError:
            return None
        return None if listed is None else [line for line in listed.splitlines() if "--comment containet" in line]

    def tell(self, subnets: Sequence[Subnet]) -> None:
        """What these subnets send and get passes; no others of ours. Nothing is done where there is no such chain."""
        have = self.rules()
        if have is None:
            return
        want = [rule for subnet in subnets for rule in docker_rules(subnet)]
        for change, rules in (("-D", [r for r in have if r not in want]), ("-I", [r for r in want if r not in have])):
            for rule in rules:
                run([*self._command, change, *shlex.split(rule)[1:]])


def docker_rules(subnet: Subnet) -> tuple[str, ...]:
    """Out, the answers in, and in by a published port; as `iptables -S` spells them, so that they can be compared."""
    return (
        f"-A {CHAIN} -s {subnet} -m comment --comment containet -j ACCEPT",
        f"-A {CHAIN} -d {subnet} -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment containet -j ACCEPT",
        f"-A {CHAIN} -d {subnet} -m conntrack --ctstate DNAT -m comment --comment containet -j ACCEPT",
    )
