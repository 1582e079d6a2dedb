"""Where each endpoint belongs by policy, and which cannot be there: pure, one answer for admit, report and change.

Claims make two endpoints that cannot both be collide: one address or one MAC in a segment, one port on a host. Who
has something keeps it; after a restart all are arranged in the order in which they came (by owner id).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.policy import NetworkRule
from app.rules import Rules
from app.wire import EndpointReport
from flows.model import DEFAULT_VLAN, EndpointKey, Role, reserved
from flows.rate import parse_rate


@dataclass(frozen=True, slots=True)
class Placement:
    """What policy makes of an endpoint: its network and its rates in kilobits per second."""

    network: str
    rule: NetworkRule
    up_kbps: int | None
    down_kbps: int | None

    @property
    def segment(self) -> int:
        """The network's number on the tunnel."""
        return self.rule.segment


class Refusal(NamedTuple):
    """Why an endpoint cannot be, in words; and who has what it would need, if it is that."""

    why: str
    holder: EndpointKey | None = None


class Before(NamedTuple):
    """What was before a change of the rules: those, and where everybody was who is elsewhere now."""

    rules: Rules
    was: Mapping[EndpointKey, Placement | Refusal]


def place(rules: Rules, host: str, report: EndpointReport) -> Placement:
    """The first assignment that matches, then what `connect` said, then the default network."""
    rule = None
    if not report.role.everywhere:
        rule = rules.assignment(report.name, host, report.interface, report.labels)
    vlan = report.vlan or DEFAULT_VLAN
    up, down = report.up_kbps, report.down_kbps
    if rule is not None:
        vlan = rule.vlan or vlan
        up = up if rule.up is None else parse_rate(rule.up)
        down = down if rule.down is None else parse_rate(rule.down)
    name, network = rules.network(vlan)
    # A meter of `down` is found by the port, and a joined bridge's port is not one container's.
    return Placement(name, network, up, None if report.behind else down)


def misplaced(rules: Rules, placement: Placement, report: EndpointReport) -> str | None:
    """Why this endpoint cannot be in that network, in words; None if it can."""
    rule = placement.rule
    called = f"the network {placement.network} (VLAN {rule.vlan})"
    taken = rules.by_segment.get(rule.segment)
    if taken is not None and rules.networks[taken].vlan != rule.vlan:
        return (
            f"{called} would have the vni {rule.segment} on the tunnel, which {taken} has: name it in the policy "
            "and give it another vni"
        )
    if report.role.everywhere:
        return None
    for address, subnet, gateway in (
        (report.address, rule.subnet, rule.gateway),
        (report.address6, rule.subnet6, rule.gateway6),
    ):
        if address is None or subnet is None:
            continue
        if address.network != subnet:
            return (
                f"{report.name} has {address}, and {called} has the subnet {subnet}: connect it anew with an address "
                "of that subnet, or choose a network with the same subnet or none"
            )
        if address.ip == gateway:
            return f"{address.ip} is the gateway of {called}: choose another address"
        if address.ip in reserved(subnet):
            return f"{address.ip} is the network or broadcast address of {subnet}: choose one between them"
    return None


class Claim(NamedTuple):
    """What only one endpoint can have, or several of a kind together (what all hosts have of a network)."""

    what: Hashable
    words: str
    shared: bool = False


@dataclass
class Claims:
    """Who holds what."""

    holders: dict[Hashable, EndpointKey] = field(default_factory=dict)
    sharers: dict[Hashable, dict[EndpointKey, None]] = field(default_factory=dict)
    held: dict[EndpointKey, tuple[tuple[Hashable, bool], ...]] = field(default_factory=dict)  # and whether it is shared

    def taken(self, key: EndpointKey, wanted: Iterable[Claim]) -> tuple[str, EndpointKey] | None:
        """The first of these claims that another one holds, in words, and who that is."""
        for claim in wanted:
            holder = self.holders.get(claim.what)
            others = () if claim.shared else self.sharers.get(claim.what, ())
            for other in ((holder,) if holder else ()) + tuple(others):
                if other != key:
                    return claim.words, other
        return None

    def take(self, key: EndpointKey, wanted: Iterable[Claim]) -> None:
        """These claims are its own now, in place of what it had."""
        self.drop(key)
        self.held[key] = tuple((claim.what, claim.shared) for claim in wanted)
        for what, shared in self.held[key]:
            if shared:
                self.sharers.setdefault(what, {})[key] = None
            else:
                self.holders[what] = key

    def drop(self, key: EndpointKey) -> None:
        """It needs nothing any more."""
        for what, shared in self.held.pop(key, ()):
            if shared:
                del self.sharers[what][key]
                if not self.sharers[what]:
                    del self.sharers[what]
            else:
                del self.holders[what]

    def copy(self) -> "Claims":
        """One that changes by itself."""
        sharers = {what: dict(keys) for what, keys in self.sharers.items()}
        return Claims(dict(self.holders), sharers, dict(self.held))


@dataclass
class Arrangement:
    """All endpoints under one policy: who is where, and who cannot be and why."""

    rules: Rules
    placed: dict[EndpointKey, Placement] = field(default_factory=dict)
    refused: dict[EndpointKey, Refusal] = field(default_factory=dict)
    inhabitants: Counter[int] = field(default_factory=Counter)  # segment -> how many are placed there; never 0
    claims: Claims = field(default_factory=Claims)

    def objection(
        self, key: EndpointKey, report: EndpointReport, others: Mapping[EndpointKey, EndpointReport]
    ) -> Refusal | None:
        """Why this endpoint cannot be; None if it can. Changes nothing."""
        return self._objection(key, report, place(self.rules, key.host, report), others)

    def put(
        self, key: EndpointKey, report: EndpointReport, others: Mapping[EndpointKey, EndpointReport]
    ) -> Placement | None:
        """Place one endpoint, anew if it is there; None if it is refused."""
        self.remove(key)
        placement = place(self.rules, key.host, report)
        refusal = self._objection(key, report, placement, others)
        if refusal is not None:
            self.refused[key] = refusal
            return None
        self._take(key, placement, report)
        return placement

    def remove(self, key: EndpointKey) -> None:
        """Forget an endpoint."""
        self.claims.drop(key)
        self.refused.pop(key, None)
        placement = self.placed.pop(key, None)
        if placement is not None:
            self.inhabitants[placement.segment] -= 1
            if not self.inhabitants[placement.segment]:
                del self.inhabitants[placement.segment]

    def follow(
        self, rules: Rules, whom: Iterable[EndpointKey], reports: Mapping[EndpointKey, EndpointReport]
    ) -> Before:
        """Go by these rules, which differ from the present ones for nobody but `whom`. The way back, for `go_back`.

        They leave what they have, then take what they get in the order in which they are given.
        """
        moving = [key for key in whom if key in self.refused or self._moves(key, reports[key], rules)]
        before = Before(self.rules, {key: self.placed.get(key) or self.refused[key] for key in moving})
        self.rules = rules
        for key in moving:
            self.remove(key)
        for key in moving:
            self.put(key, reports[key], reports)
        return before

    def go_back(self, before: Before, reports: Mapping[EndpointKey, EndpointReport]) -> None:
        """As if these rules had never been followed."""
        self.rules = before.rules
        for key in before.was:
            self.remove(key)
        for key, was in before.was.items():
            if isinstance(was, Refusal):
                self.refused[key] = was
            else:
                self._take(key, was, reports[key])

    def copy(self) -> "Arrangement":
        """One that changes by itself."""
        return Arrangement(
            self.rules, dict(self.placed), dict(self.refused), self.inhabitants.copy(), self.claims.copy()
        )

    def _take(self, key: EndpointKey, placement: Placement, report: EndpointReport) -> None:
        self.claims.take(key, _claims(key, placement, report))
        self.placed[key] = placement
        self.inhabitants[placement.segment] += 1

    def _moves(self, key: EndpointKey, report: EndpointReport, rules: Rules) -> bool:
        now, then = self.placed[key], place(rules, key.host, report)
        return now != then or misplaced(rules, then, report) is not None

    def _objection(
        self,
        key: EndpointKey,
        report: EndpointReport,
        placement: Placement,
        others: Mapping[EndpointKey, EndpointReport],
    ) -> Refusal | None:
        why = misplaced(self.rules, placement, report)
        if why is not None:
            return Refusal(why)
        taken = self.claims.taken(key, _claims(key, placement, report))
        if taken is None:
            return None
        words, holder = taken
        name = others[holder].name if holder in others else holder.container
        return Refusal(
            f"{words} belongs to {name} on {holder.host}: choose another, or disconnect that one first", holder
        )


def arrange(rules: Rules, reports: Mapping[EndpointKey, EndpointReport]) -> Arrangement:
    """All endpoints under these rules; `reports` with those first that came first."""
    arrangement = Arrangement(rules)
    for key, report in reports.items():
        arrangement.put(key, report, reports)
    return arrangement


def _claims(key: EndpointKey, placement: Placement, report: EndpointReport) -> Iterator[Claim]:
    segment = placement.segment
    where = f"in the network {placement.network} (VLAN {placement.rule.vlan})"
    everywhere = report.role.everywhere
    if everywhere:
        yield Claim((report.role, segment, key.host), f"the {report.role.value} of this host {where}")
    for address in (report.address, report.address6):
        if address is not None:
            yield Claim(("address", segment, address.ip), f"the address {address.ip} {where}", everywhere)
    yield Claim(("mac", segment, report.mac), f"the MAC {report.mac} {where}", everywhere)
    if report.behind is None and report.role is Role.CONTAINER:
        yield Claim(("port", key.host, report.ofport), f"the port {report.ofport} of the bridge")
    else:
        yield Claim(("port", key.host, report.ofport, report.mac), f"the MAC {report.mac} on port {report.ofport}")
