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
                    subnet=None if rule.subnet is None else str(rule.subnet),
                    gateway=None if rule.gateway is None else str(rule.gateway),
                    endpoints=sorted(members[vlan]),
                )
            )
        return found

    return [operation("GET", "/v1/networks", list_networks)]
