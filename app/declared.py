"""Networks that hosts declare, beside those that the policy names: what `docker network create` said there.

The same network on several hosts is one, joined by its vlan. Where the policy names it, that goes before, and the hosts
fill in what it leaves out. Pure: one answer for a network that is asked for, and for all that are there.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import product

from app.policy import NETWORK_NAME, NetworkRule, unnamed
from app.wire import NetworkReport

Networks = Mapping[str, NetworkRule]


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
