"""All features together: everything that a bridge should hold, or a refusal to say it. And what a change is about.

A flow is there for one of five subjects, and a feature says what each of them costs:

| subject                        | flows of it stand on                                 |
|--------------------------------|------------------------------------------------------|
| the bridge itself              | every bridge                                         |
| an endpoint that is here       | its own bridge                                       |
| an endpoint as a member        | every bridge that has a member of the segment        |
| a segment                      | every bridge that has a member of it                 |
| a company                      | every bridge that has a member of it                 |

So what a change is about can be compiled alone: `compile_change` costs what the change touches, whatever else is
there. `compile_bridge` is the oracle: the difference is the same by both ways, as a law in the tests.

Flows of CLASSIFY are made last. Without them no packet gets beyond its first table, so a bridge that had none of ours
lets nobody through before it has all the rest. Where others go on to, those of segments, is made before them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

from flows import arp, classify, company, flood, l2, nd, output, rate_limit, spoof_guard
from flows.delta import Delta, delta
from flows.flow import Contents, Flow, Goto, Key, Meter, MeterEntry, Output
from flows.intent import Intent
from flows.model import Endpoint, EndpointKey, Host
from flows.table import Table
from flows.work import PORTION, Work, done

OF_BRIDGE: tuple[Callable[[Intent, Host], Iterator[Flow]], ...] = (
    spoof_guard.of_bridge,
    rate_limit.of_bridge,
    arp.of_bridge,
    company.of_bridge,
    l2.of_bridge,
    output.of_bridge,
)
OF_LOCAL: tuple[Callable[[Endpoint], Iterator[Flow]], ...] = (
    spoof_guard.of_local,
    nd.of_local,
    rate_limit.of_local,
    output.of_local,
)
OF_MEMBER: tuple[Callable[[Endpoint, int, Host], Iterator[Flow]], ...] = (arp.of_member, nd.of_member, l2.of_member)
OF_SEGMENT: tuple[Callable[[Intent, int, Host], Iterator[Flow]], ...] = (nd.of_segment, flood.of_segment)


REMEMBERED = 32  # segments of a host, as one intent has them


class FlowConflictError(Exception):
    """Two flows with one key, a goto that does not go forward, a meter that is not there."""


def compile_bridge(intent: Intent, host: str) -> Contents:
    """Everything that this host's bridge should hold for the intent; FlowConflictError if that cannot be."""
    return done(compiling(intent, host))


def compile_change(before: Intent, after: Intent, host: str) -> tuple[Contents, Contents]:
    """What differs on this host's bridge between two intents: as it was, and as it should be.

    Both hold all of the subjects that the change is about, so a plan from one to the other is the plan of the whole.
    """
    return done(compiling_change(before, after, host))


def compile_meters(intent: Intent, host: str) -> Mapping[int, MeterEntry]:
    """The meters that this host's bridge should hold."""
    return _meters(intent.local.get(host, ()))


def compiling(intent: Intent, host: str) -> Work[Contents]:
    """`compile_bridge`, as work that can be laid aside."""
    return _compiling(intent, intent.hosts[host], _whole(intent, host))


def portions(
    intent: Intent, host: str, flows: dict[Key, Flow], meters: Mapping[int, MeterEntry]
) -> Iterator[list[Flow]]:
    """The flows of `compile_bridge`, a portion at a time, each given once: each joins `flows`, where none is before.

    `meters` are those of `compile_meters`.
    """
    return _portions(intent, intent.hosts[host], _whole(intent, host), flows, meters)


def compiling_change(before: Intent, after: Intent, host: str) -> Work[tuple[Contents, Contents]]:
    """`compile_change`, as work that can be laid aside."""
    if host not in before.hosts:
        return Contents(), (yield from compiling(after, host))
    part = yield from _differing(before, after, host)
    was = yield from _compiling(before, before.hosts[host], part.of(before, host))
    return was, (yield from _compiling(after, after.hosts[host], part.of(after, host)))


@dataclass(frozen=True)
class _Subjects:
    """What flows of one bridge are there for."""

    bridge: bool
    local: Sequence[Endpoint]
    members: Iterable[tuple[int, Endpoint]]
    segments: Iterable[int]
    companies: Iterable[int]


@dataclass(frozen=True)
class _Part:
    """Some subjects of one bridge, by their names; an intent may have them there or not."""

    bridge: bool
    locals: Set[EndpointKey]
    members: Mapping[int, Set[EndpointKey]]  # by segment
    segments: Set[int]
    companies: Set[int]

    def of(self, intent: Intent, host: str) -> _Subjects:
        """Those that the intent has."""
        served = {segment for segment in self.members.keys() | self.segments if intent.serves(host, segment)}
        ends = intent.endpoints
        return _Subjects(
            bridge=self.bridge,
            local=[ends[key] for key in sorted(self.locals) if key in ends],
            members=(
                (segment, ends[key])
                for segment in sorted(self.members.keys() & served)
                for key in sorted(self.members[segment])
                if key in ends and segment == ends[key].segment
            ),
            segments=sorted(self.segments & served),
            companies=[number for number in intent.companies_of(host) if number in self.companies],
        )


def _differing(before: Intent, after: Intent, host: str) -> Work[_Part]:
    changed = delta(before, after)
    near = _near(before, after, host, changed)
    ends = [
        end
        for intent in (before, after)
        for end in chain(
            (intent.endpoints[key] for key in changed.endpoints if key in intent.endpoints),
            *(intent.local.get(peer, ()) for peer in near),
        )
    ]
    members: dict[int, set[EndpointKey]] = {}
    for number, end in enumerate(ends):
        if number % PORTION == 0:
            yield
        members.setdefault(end.segment, set()).add(end.key)
    for segment in changed.kept.get(host, ()):
        members.setdefault(segment, set())
    segments = members.keys() | changed.networks
    for segment, keys in members.items():
        if before.serves(host, segment) != after.serves(host, segment):  # first member here, or last
            for intent in (before, after):
                yield
                keys.update(end.key for end in intent.in_segment(segment))
    locals_ = {key for key in changed.endpoints if key.host == host}
    return _Part(bool(near), locals_, members, segments, _companies(before, after, changed, segments))


def _companies(before: Intent, after: Intent, changed: Delta, segments: Set[int]) -> Set[int]:
    """Those that are others than before, or that are or hear in a segment where somebody is."""
    return changed.companies.union(
        number
        for intent in (before, after)
        for number, company in intent.companies.items()
        if not company.segments.isdisjoint(segments)
    )


def _near(before: Intent, after: Intent, host: str, changed: Delta) -> Set[str]:
    """The peers of this host that its bridge names otherwise than before: by another tunnel port, or another owner."""
    was, now = before.hosts[host].tunnels, after.hosts[host].tunnels
    near = changed.peers & (was.keys() | now.keys())
    if host in changed.hosts:
        near |= {peer for peer in was.keys() | now.keys() if was.get(peer) != now.get(peer)}
    return near


def _whole(intent: Intent, host: str) -> _Subjects:
    segments = intent.segments(host)
    return _Subjects(
        bridge=True,
        local=intent.local.get(host, ()),
        members=((segment, member) for segment in segments for member in intent.in_segment(segment)),
        segments=segments,
        companies=intent.companies_of(host),
    )


def _compiling(intent: Intent, here: Host, subjects: _Subjects) -> Work[Contents]:
    meters = _meters(subjects.local)
    flows: dict[Key, Flow] = {}
    for _ in _portions(intent, here, subjects, flows, meters):
        yield
    return Contents(flows, meters)


def _portions(
    intent: Intent, here: Host, subjects: _Subjects, flows: dict[Key, Flow], meters: Mapping[int, MeterEntry]
) -> Iterator[list[Flow]]:
    """A portion at a time joins the flows that are there; it is given without those that were."""
    rest = _flows(intent, here, subjects)
    while portion := list(islice(rest, PORTION)):
        yield _join(flows, portion, meters)


def _meters(local: Iterable[Endpoint]) -> dict[int, MeterEntry]:
    return {entry.meter: entry for endpoint in local for entry in rate_limit.meters(endpoint)}


def _flows(intent: Intent, here: Host, subjects: _Subjects) -> Iterator[Flow]:
    features: Iterable[Iterator[Flow]] = chain(
        (of_bridge(intent, here) for of_bridge in OF_BRIDGE if subjects.bridge),
        (of_local(endpoint) for endpoint in subjects.local for of_local in OF_LOCAL),
        (iter(_of_segment(intent, segment, here.name)) for segment in subjects.segments),
        (company.of_company(intent, number, here) for number in subjects.companies),
        (of_member(member, segment, here) for segment, member in subjects.members for of_member in OF_MEMBER),
        (classify.of_local(endpoint) for endpoint in subjects.local),
        (classify.of_bridge(intent, here) for _ in range(subjects.bridge)),
    )
    return chain.from_iterable(features)


@lru_cache(REMEMBERED)
def _of_segment(intent: Intent, segment: int, host: str) -> tuple[Flow, ...]:
    """A segment costs as much as it has members, and is asked for twice: after one step and before the next."""
    here = intent.hosts[host]
    return tuple(chain.from_iterable(of_segment(intent, segment, here) for of_segment in OF_SEGMENT))


def _join(by_key: dict[Key, Flow], flows: Iterable[Flow], meters: Mapping[int, MeterEntry]) -> list[Flow]:
    new: list[Flow] = []
    for flow in flows:
        other = by_key.setdefault(flow.key, flow)
        if other is flow:
            new.append(flow)
        elif other != flow:
            raise FlowConflictError(f"one key, two flows:\n{other}\n{flow}")
        for action in flow.actions:
            if type(action) is Output:
                continue  # the most, where a flow has many
            if type(action) is Goto and not flow.table < action.table < Table.MARKER:
                raise FlowConflictError(f"a packet only moves forward, and never to the marker: {flow}")
            if type(action) is Meter and action.meter not in meters:
                raise FlowConflictError(f"no such meter: {flow}")
    return new


def listing(contents: Contents) -> str:
    """The contents as `ovs-ofctl add-flows` reads them, in packet order; meters as comments."""
    lines = [f"# meter={m.meter} kbps burst={m.burst_kbits} rate={m.rate_kbps}" for m in contents.meters.values()]
    lines += [str(contents.flows[key]) for key in sorted(contents.flows, key=lambda key: (key[0], -key[1], key[2]))]
    return "\n".join(lines) + "\n"
