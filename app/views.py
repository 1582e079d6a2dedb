"""What people see of hosts, endpoints and flows, made from what is known: pure."""

from collections.abc import Iterable, Iterator, Mapping

from app.desk import Change, EndpointView, LiveFlow, RefusedError
from app.openflow.codec import LiveEntry
from app.placement import Arrangement, place
from app.policy import Assignment, Match
from app.roster import Roster
from app.rules import Rules
from app.wire import EndpointReport
from flows.cookie import PIPELINE, Cookie, Feature, unpack
from flows.model import EndpointKey
from flows.rate import format_rate, parse_rate


def endpoint_view(
    key: EndpointKey, report: EndpointReport, arrangement: Arrangement, why: str, state: str
) -> EndpointView:
    """One endpoint as people see it."""
    placement = arrangement.placed.get(key) or place(arrangement.rules, key.host, report)
    return EndpointView(
        key=key,
        name=report.name,
        mac=report.mac,
        address=None if report.address is None else str(report.address),
        address6=None if report.address6 is None else str(report.address6),
        network=placement.network,
        vlan=placement.rule.vlan,
        up=format_rate(placement.up_kbps),
        down=format_rate(placement.down_kbps),
        ofport=report.ofport,
        role=report.role.value,
        behind=report.behind,
        state=state,
        why=why,
        labels=report.labels,
        ports=tuple(map(str, report.ports)),
    )


def endpoint_views(
    reports: Mapping[EndpointKey, EndpointReport], arrangement: Arrangement, states: Mapping[str, tuple[str, str]]
) -> list[EndpointView]:
    """All endpoints as people see them; `states` says of each host how it is, and why."""
    found = []
    for key, report in sorted(reports.items()):
        refused = arrangement.refused.get(key)
        state, why = states[key.host] if refused is None else ("refused", refused.why)
        found.append(endpoint_view(key, report, arrangement, why, state))
    return found


def full_name(key: EndpointKey, reports: Mapping[EndpointKey, EndpointReport]) -> str:
    """`host1:web1:eth0`: the name that is never ambiguous."""
    name = reports[key].name if key in reports else key.container
    return f"{key.host}:{name}:{key.interface}"


def resolve(name: str, reports: Roster) -> EndpointKey:
    """`web1`, `host2:web1`, `web1:eth1`, `host2:web1:eth1`, or a container's id; RefusedError 404 or 409.

    A network namespace's own name has a colon in it (`netns:NAME`), so what is called may be all of it, or all but the
    first word, the last, or both.
    """
    words = name.split(":")
    called = {":".join(words[first : len(words) - last]) for first in (0, 1) for last in (0, 1)}
    meant = {key for each in called for key in reports.called(each)}
    found = sorted(key for key in meant if name in _names(key, reports[key]))
    if not found:
        raise RefusedError(404, "unknown-endpoint", f"there is no endpoint “{name[:80]}”: see “containet endpoints”")
    if len(found) > 1:
        candidates = [full_name(key, reports) for key in found]
        raise RefusedError(
            409, "ambiguous-name", f"“{name}” could be {', '.join(candidates)}: say which", candidates=candidates
        )
    return found[0]


def said(name: str, key: EndpointKey, report: EndpointReport) -> dict[str, str]:
    """What of an endpoint somebody who called it so has said: the parts of the match of a rule for it."""
    return next(parts for called, parts in _spellings(key, report) if called == name)


def head(name: str, key: EndpointKey, report: EndpointReport, rules: Rules, change: Change) -> Assignment:
    """The assignment that makes this change for whom somebody called so, and leaves the rest as it is for him.

    RefusedError for a rate that nothing would hold.
    """
    if report.behind is not None and change.down is not None and parse_rate(change.down) is not None:
        raise RefusedError(
            409,
            "behind-bridge",
            f"{name} is behind the Linux bridge {report.behind}, which others are behind, too: what goes down to it "
            "cannot be held to a rate there. Limit --up, or attach it to Open vSwitch instead",
        )
    rule = rules.assignment(report.name, key.host, report.interface, report.labels)
    now = Assignment(match=Match(name=report.name)) if rule is None else rule
    return Assignment(
        match=Match(**said(name, key, report)),
        vlan=now.vlan if change.vlan is None else change.vlan,
        up=now.up if change.up is None else change.up,
        down=now.down if change.down is None else change.down,
    )


def differences(
    old: Arrangement, new: Arrangement, reports: Mapping[EndpointKey, EndpointReport]
) -> list[dict[str, object]]:
    """What would change for whom: `{"endpoint", "field", "from", "to"}`."""
    changes: list[dict[str, object]] = []
    for key, report in reports.items():
        before, after = (endpoint_view(key, report, arrangement, "", "") for arrangement in (old, new))
        for field in ("network", "vlan", "up", "down"):
            was, will = getattr(before, field), getattr(after, field)
            if was != will:
                changes.append({"endpoint": full_name(key, reports), "field": field, "from": was, "to": will})
    return changes


def live_flow(
    host: str,
    entry: LiveEntry,
    owners: Mapping[int, tuple[str, str]],
    reports: Mapping[EndpointKey, EndpointReport],
    rules: Rules,
) -> LiveFlow:
    """A live flow with the reason why it is there, from its cookie; no reason if it is not ours."""
    cookie = unpack(entry.cookie)
    kind, owner = (None, None) if cookie is None else _owner_name(_owner(cookie), owners, reports, rules)
    return LiveFlow(
        host=host,
        table=entry.table,
        priority=entry.priority,
        match=entry.match,
        actions=entry.actions,
        cookie=entry.cookie,
        packets=entry.packets,
        bytes=entry.bytes,
        duration=entry.duration,
        flow=entry.flow,
        feature=None if cookie is None else cookie.feature.label,
        owner_kind=kind,
        owner=owner,
    )


def endpoint_of(
    cookie: int, owners: Mapping[int, tuple[str, str]], reports: Mapping[EndpointKey, EndpointReport]
) -> str | None:
    """The full name of the endpoint that a flow with this cookie is there for, None if it is for none."""
    said = unpack(cookie)
    kind, name = ("", "") if said is None else owners.get(_owner(said), ("", ""))
    return full_name(EndpointKey(*name.split("/", 2)), reports) if kind == "endpoint" else None


def is_for(cookie: int, owner: int) -> bool:
    """Whether a flow with this cookie is there for this owner."""
    said = unpack(cookie)
    return said is not None and _owner(said) == owner


def _owner(said: Cookie) -> int:
    return PIPELINE if said.feature is Feature.MARKER else said.owner  # a marker has its mark there


def _owner_name(
    number: int,
    owners: Mapping[int, tuple[str, str]],
    reports: Mapping[EndpointKey, EndpointReport],
    rules: Rules,
) -> tuple[str, str | None]:
    if number == PIPELINE:
        return "pipeline", None
    kind, name = owners.get(number, ("unknown", str(number)))
    if kind == "endpoint":
        name = full_name(EndpointKey(*name.split("/", 2)), reports)
    elif kind == "network":
        name = rules.network_on(int(name))[0]
    return kind, name


def _names(key: EndpointKey, report: EndpointReport) -> Iterator[str]:
    return (called for called, _ in _spellings(key, report))


def _spellings(key: EndpointKey, report: EndpointReport) -> Iterable[tuple[str, dict[str, str]]]:
    for called in (report.name, key.container):
        match = {"name": report.name}
        yield called, match
        yield f"{key.host}:{called}", match | {"host": key.host}
        yield f"{called}:{key.interface}", match | {"interface": key.interface}
        yield f"{key.host}:{called}:{key.interface}", match | {"host": key.host, "interface": key.interface}
