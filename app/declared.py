"""Networks that hosts declare, beside those that the policy names: what `docker network create` said there.

The same network on several hosts is one, joined by its vlan. Where the policy names it, that goes before, and the hosts
fill in what it leaves out. Pure: one answer for a network that is asked for, and for all that are there.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from itertools import product

from app.policy import NETWORK_NAME, NetworkRule, unnamed
from app.wire import NetworkReport, Subnet

Networks = Mapping[str, NetworkRule]
UNFIT: tuple[Subnet, ...] = (  # RFC 6890: this host's own, a link's, everybody's of a group, nobody's
    *map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")),
    *map(IPv6Network, ("::/127", "fe80::/10", "ff00::/8")),
)


def declared(written: Networks, reports: Iterable[NetworkReport]) -> Networks:
    """The policy's networks and those of the hosts, who came first going before; what clashes is left out."""
    networks = dict(written)
    for report in reports:
        if objection(networks, report) is None:
            name = _name(networks, report)
            networks[name] = _rule(networks.get(name), report)
    return networks


def objection(networks: Networks, report: NetworkReport) -> str | None:
    """Why this network cannot be beside these, in words for whoever typed `docker network create`; None if it can."""
    rule = _rule(None, report)
    for subnet in (rule.subnet, rule.subnet6):
        if subnet is not None and (why := _unfit(subnet)) is not None:
            return why
    for name, other in networks.items():
        called = f"the network {name} (VLAN {other.vlan})"
        if other.vlan == rule.vlan:
            for what, theirs, ours in (
                ("vni", other.segment, rule.segment if report.vni else other.segment),
                ("subnet", other.subnet or rule.subnet, rule.subnet),
                ("gateway", other.gateway or rule.gateway, rule.gateway or other.gateway),
                ("IPv6 subnet", other.subnet6 or rule.subnet6, rule.subnet6 or other.subnet6),
                ("IPv6 gateway", other.gateway6 or rule.gateway6, rule.gateway6 or other.gateway6),
            ):
                if theirs != ours:
                    return f"{called} has the {what} {theirs}, not {ours}: say the same, or choose another VLAN"
        elif other.segment == rule.segment:
            return f"{called} has the vni {other.segment}: choose another one (-o vni=N)"
        for theirs, ours in product(other.routed, rule.routed):
            if other.vlan != rule.vlan and theirs.overlaps(ours):
                return (
                    f"{called} has the subnet {theirs}, which overlaps {ours}, and both have a gateway: a host can "
                    "route to one of them only; choose another --subnet, or -o gateway=none"
                )
    return None


def _unfit(subnet: Subnet) -> str | None:
    if any(subnet.overlaps(unfit) for unfit in UNFIT if unfit.version == subnet.version):
        return (
            f"no container can have an address of {subnet}: choose another --subnet, as 172.15.42.0/24 or fd00:42::/64"
        )
    if subnet.num_addresses == 1:
        return f"{subnet} has room for nobody beside its gateway: choose a larger --subnet"
    return None


def _name(networks: Networks, report: NetworkReport) -> str:
    """What it is called: as it is known, as Docker calls it if nothing else is called so, by its vlan."""
    known = next((name for name, rule in networks.items() if rule.vlan == report.vlan), None)
    if known is not None:
        return known
    name = (report.name or "").lower()
    free = name not in networks and not re.fullmatch(r"default|vlan\d+", name)
    return name if free and re.fullmatch(NETWORK_NAME, name) else unnamed(report.vlan)


def _rule(known: NetworkRule | None, report: NetworkReport) -> NetworkRule:
    said = NetworkRule(**report.model_dump(exclude={"name"}))
    if known is None:
        return said
    filled = ("subnet", "gateway", "subnet6", "gateway6")
    return known.model_copy(update={what: getattr(known, what) or getattr(said, what) for what in filled})
