"""Networks: those that the policy names or a host declares, and those that are because an endpoint is in their vlan."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from app.api.endpoints import full_name
from app.api.operation import Operation, operation
from app.desk import Desk


@dataclass(frozen=True, slots=True)
class Network:
    """One broadcast domain over all hosts, with its endpoints as HOST:NAME:INTERFACE."""

    name: str
    vlan: int
    vni: int
    subnet: str | None
    gateway: str | None
    subnet6: str | None
    gateway6: str | None
    endpoints: Sequence[str]


def operations(desk: Desk) -> list[Operation]:
    """What is asked about networks."""

    def list_networks() -> list[Network]:
        """All networks, by vlan."""
        rules, members = desk.rules, defaultdict[int, list[str]](list)
        for view in desk.endpoints():
            members[view.vlan].append(full_name(view))
        found = []
        for vlan in sorted(members.keys() | {rule.vlan for rule in rules.networks.values()}):
            name, rule = rules.network(vlan)
            found.append(
                Network(
                    name=name,
                    vlan=vlan,
                    vni=rule.segment,
                    subnet=_text(rule.subnet),
                    gateway=_text(rule.gateway),
                    subnet6=_text(rule.subnet6),
                    gateway6=_text(rule.gateway6),
                    endpoints=sorted(members[vlan]),
                )
            )
        return found

    return [operation("GET", "/v1/networks", list_networks)]


def _text(said: object) -> str | None:
    return None if said is None else str(said)
