"""All features together: everything that a bridge should hold, or a refusal to say it. And what a change is about.

A flow is there for one of four subjects, and a feature says what each of them costs:

| subject                        | flows of it stand on                                 |
|--------------------------------|------------------------------------------------------|
| the bridge itself              | every bridge                                         |
| an endpoint that is here       | its own bridge                                       |
| an endpoint as a member        | every bridge that has a member of the segment        |
| a segment                      | every bridge that has a member of it                 |

So what a change is about can be compiled alone: `compile_change` costs what the change touches, whatever else is
there. `compile_bridge` is the oracle: the difference is the same by both ways, as a law in the tests.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import chain

from flows import arp, classify, flood, l2, output, rate_limit, spoof_guard
from flows.delta import Delta, delta
from flows.flow import Contents, Flow, Goto, Key, Meter, MeterEntry
from flows.model import Endpoint, EndpointKey, Host, Intent

OF_BRIDGE: tuple[Callable[[Intent, Host], Iterator[Flow]], ...] = (
    classify.of_bridge,
    spoof_guard.of_bridge,
    rate_limit.of_bridge,
    arp.of_bridge,
    l2.of_bridge,
    output.of_bridge,
)
OF_LOCAL: tuple[Callable[[Endpoint], Iterator[Flow]], ...] = (
    classify.of_local,
    spoof_guard.of_local,
    rate_limit.of_local,
    output.of_local,
)
OF_MEMBER: tuple[Callable[[Endpoint, int, Host], Iterator[Flow]], ...] = (arp.of_member, l2.of_member)
OF_SEGMENT: tuple[Callable[[Intent, int, Host], Iterator[Flow]], ...] = (flood.of_segment,)


class FlowConflictError(Exception):
    """Two flows with one key, a goto that does not go forward, a meter that is not there."""


@dataclass(frozen=True)
class _Part:
    """Some of the subjects of one bridge; those that an intent does not have there yield nothing."""

    bridge: bool
    locals: frozenset[EndpointKey]
    members: frozenset[tuple[int, EndpointKey]]
    segments: frozenset[int]

    def __or__(self, other: "_Part") -> "_Part":
        return _Part(
            self.bridge or other.bridge,
            self.locals | other.locals,
            self.members | other.members,
            self.segments | other.segments,
        )


def compile_bridge(intent: Intent, host: str) -> Contents:
    """Everything that this host's bridge should hold for the intent; FlowConflictError if that cannot be."""
    return _compile(intent, host, _whole(intent, host))


def compile_change(before: Intent, after: Intent, host: str) -> tuple[Contents, Contents]:
    """What differs on this host's bridge between two intents: as it was, and as it should be.

    Both hold all of the subjects that the change is about, so a plan from one to the other is the plan of the whole.
    """
    if host not in before.hosts:
        return Contents(), compile_bridge(after, host)
    part = _differing(before, after, host)
    return _compile(before, host, part), _compile(after, host, part)


def _whole(intent: Intent, host: str) -> _Part:
    segments = intent.segments(host)
    return _Part(
        bridge=True,
        locals=frozenset(endpoint.key for endpoint in intent.local.get(host, ())),
        members=frozenset((segment, endpoint.key) for segment in segments for endpoint in intent.members[segment]),
        segments=frozenset(segments),
    )


def _differing(before: Intent, after: Intent, host: str) -> _Part:
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
    members = {(segment, end.key) for end in ends for segment in end.receives}
    segments = {segment for segment, _ in members} | changed.networks
    for segment in {segment for segment, key in members if key.host == host}:
        if before.serves(host, segment) != after.serves(host, segment):  # first member here, or last
            for intent in (before, after):
                members.update((segment, end.key) for end in intent.members.get(segment, ()))
    return _Part(
        bridge=bool(near),
        locals=frozenset(key for key in changed.endpoints if key.host == host),
        members=frozenset(members),
        segments=frozenset(segments),
    )


def _near(before: Intent, after: Intent, host: str, changed: Delta) -> Set[str]:
    """The peers of this host that its bridge names otherwise than before: by another tunnel port, or another owner."""
    was, now = before.hosts[host].tunnels, after.hosts[host].tunnels
    near = changed.peers & (was.keys() | now.keys())
    if host in changed.hosts:
        near |= {peer for peer in was.keys() | now.keys() if was.get(peer) != now.get(peer)}
    return near


def _compile(intent: Intent, host: str, part: _Part) -> Contents:
    here = intent.hosts[host]
    local = [intent.endpoints[key] for key in sorted(part.locals) if key in intent.endpoints]
    meters = {entry.meter: entry for endpoint in local for entry in rate_limit.meters(endpoint)}
    return Contents(_joined(_flows(intent, here, local, part), meters), meters)


def _flows(intent: Intent, here: Host, local: Iterable[Endpoint], part: _Part) -> Iterator[Flow]:
    if part.bridge:
        for of_bridge in OF_BRIDGE:
            yield from of_bridge(intent, here)
    for endpoint in local:
        for of_local in OF_LOCAL:
            yield from of_local(endpoint)
    concerned = part.segments.union(segment for segment, _ in part.members)
    served = {segment for segment in concerned if intent.serves(here.name, segment)}
    for segment, key in sorted(part.members):
        member = intent.endpoints.get(key)
        if member is not None and segment in served and segment in member.receives:
            for of_member in OF_MEMBER:
                yield from of_member(member, segment, here)
    for segment in sorted(part.segments & served):
        for of_segment in OF_SEGMENT:
            yield from of_segment(intent, segment, here)


def _joined(flows: Iterable[Flow], meters: dict[int, MeterEntry]) -> dict[Key, Flow]:
    by_key: dict[Key, Flow] = {}
    for flow in flows:
        other = by_key.setdefault(flow.key, flow)
        if other is not flow and other != flow:
            raise FlowConflictError(f"one key, two flows:\n{other}\n{flow}")
        for action in flow.actions:
            if isinstance(action, Goto) and action.table <= flow.table:
                raise FlowConflictError(f"a packet only moves forward: {flow}")
            if isinstance(action, Meter) and action.meter not in meters:
                raise FlowConflictError(f"no such meter: {flow}")
    return by_key


def listing(contents: Contents) -> str:
    """The contents as `ovs-ofctl add-flows` reads them, in packet order; meters as comments."""
    lines = [f"# meter={m.meter} kbps burst={m.burst_kbits} rate={m.rate_kbps}" for m in contents.meters.values()]
    lines += [str(contents.flows[key]) for key in sorted(contents.flows, key=lambda key: (key[0], -key[1], key[2]))]
    return "\n".join(lines) + "\n"
