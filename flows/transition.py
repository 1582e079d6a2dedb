"""From one intent to another with no packet lost and none leaked, as a row of intents.

The law (per-packet consistency; Reitblatt et al., “Abstractions for Network Update”, SIGCOMM 2012): a packet is
delivered only if its ends shared a segment before the change or share one after it, and always if they shared one
before *and* after. Those that go from one segment to one other are a journey, and take three steps together, each
step standing on every switch before the next begins:

| step  | sends in | receives in | why                                                                            |
|-------|----------|-------------|--------------------------------------------------------------------------------|
| open  | old      | old and new | whoever flips first finds the new path standing                                |
| flip  | new      | old and new | packets of those that have not flipped yet still arrive                        |
| close | new      | new         | nobody of the journey sends in the old segment any more: leftovers go          |

Who comes into a segment never meets who leaves it: a journey opens only when nobody is left that leaves its goal. Where
journeys wait for each other in a circle (two that swap), one of them makes a detour by a segment of its own.

Switches cache what they decided, and follow a change of their flows a little later: `stale` says where that must be
waited for after a step. What is only to tidy up may linger, so that an answer need not wait for it and a way back is
short: to close where nobody sends in the old segment any more, and nobody wants to; and the flows for a segment of a
host that all its members there have left.

Each step is an ordinary intent, compiled and compared like any other. A controller that is killed in the middle of one
leaves some switches before it and some behind it; the next one begins with that step, with the same code.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from flows.cookie import PIPELINE
from flows.delta import delta
from flows.intent import Intent
from flows.model import DETOURS, Endpoint, EndpointKey, Network


class Place(NamedTuple):
    """Where an endpoint is in a step."""

    sends: int
    receives: frozenset[int]


@dataclass(frozen=True, order=True)
class _Journey:
    """From where to where; those that take it together."""

    segments: tuple[int, ...]  # all that its members receive in or head for
    goal: int
    members: tuple[EndpointKey, ...]

    def leaves(self, segment: int) -> bool:
        return segment in self.segments and segment != self.goal


def next_step(current: Intent, target: Intent, away: Set[str] = frozenset(), *, lingering: bool = False) -> Intent:
    """The intent that may follow `current` on the way to `target`; one with the same contents if none may.

    `away` are the hosts whose switch does not have `current`. While the host of one of a journey is away, the old
    policy stands for all of the journey, and nobody comes into the segment that they should leave. `lingering`: what
    is only tidying up is not done yet.
    """
    differing = delta(current, target).endpoints
    journeys = _journeys(current, target, differing)
    gone = {seg for key in differing - target.endpoints.keys() for seg in current.endpoints[key].receives}
    waits = {
        journey: [other for other in journeys if other.leaves(journey.goal)]
        for journey in journeys
        if not _is_open(current, journey)
    }
    hopeless = _hopeless(journeys, waits, away)
    ready = [j for j in journeys if j not in hopeless and not waits.get(j) and (j not in waits or j.goal not in gone)]
    left = {segment for journey in journeys for segment in journey.segments if journey.leaves(segment)}
    goals = {
        key: journey.goal
        for journey in ready
        for key in journey.members
        if journey not in waits or journey.goal not in current.endpoints[key].receives
    }
    circle = sorted(waits.keys() - hopeless) if not ready and not gone else []
    if circle:
        goals = dict.fromkeys(_on_a_circle(circle, waits).members, _free_detour(current))
    if lingering:
        goals = {key: goal for key, goal in goals.items() if not _may_linger(current, target, key)}
    step: dict[EndpointKey, Endpoint | None] = {}
    for key in differing:
        wanted, was = target.endpoints.get(key), current.endpoints.get(key)
        if wanted is None or was is None:
            step[key] = None if wanted is None or wanted.sends in left else wanted
        else:
            step[key] = _advance(was, wanted, goals.get(key))
    kept = _kept(current, target, step) if lingering else {}
    if all(step[key] == target.endpoints.get(key) for key in differing):
        return target.changed({}, kept=kept) if kept else target
    spoken = {segment for end in step.values() if end is not None for segment in end.receives}
    return current.changed(
        step,
        beside=(target, [key for key in differing if step[key] != target.endpoints.get(key)]),
        generation=target.generation,
        hosts=target.hosts,
        links=target.links,
        networks=_networks(spoken, current, target),
        kept=kept,
    )


def resumed(target: Intent, begun: Mapping[EndpointKey, Place], network: Callable[[int], Network]) -> Intent:
    """The step that was begun last, with all else as it is wanted now: where another controller goes on from.

    Who was in no step has yet to come. `network` makes one that is not wanted any more, by its segment.
    """
    ends: dict[EndpointKey, Endpoint | None] = {}
    for key, wanted in target.endpoints.items():
        place = begun.get(key)
        if place != (wanted.sends, wanted.receives):
            ends[key] = None if place is None else replace(wanted, sends=place.sends, receives=place.receives)
    spoken = {segment for end in ends.values() if end is not None for segment in end.receives}
    old = {vni: network(vni) for vni in sorted(spoken - target.networks.keys() - set(DETOURS))}
    return target.changed(ends, networks={**old, **_networks(spoken, target, target)}) if ends else target


def inherited(step: Intent) -> frozenset[str]:
    """The hosts where switches may have cached what was before this step, if it was begun and nobody knows more."""
    crossed = {segment for end in step.endpoints.values() if len(end.receives) > 1 for segment in end.receives}
    return frozenset(host for segment in crossed for host in step.members[segment])


def same(one: Intent, other: Intent) -> bool:
    """Whether the two say the same of every switch; the generation does not count."""
    return one is other or not delta(one, other)


def touched(one: Intent, other: Intent) -> frozenset[str]:
    """The hosts whose bridges may differ between the two: all that serve a segment where something does."""
    changed = delta(one, other)
    ends = [intent.endpoints[key] for intent in (one, other) for key in changed.endpoints if key in intent.endpoints]
    segments = changed.networks.union(*(end.receives for end in ends))
    serving = (host for intent in (one, other) for segment in segments for host in intent.members.get(segment, ()))
    keeping = (host for intent in (one, other) for host, kept in intent.kept.items() if not kept.isdisjoint(segments))
    named = changed.peers and {
        host.name
        for intent in (one, other)
        for host in intent.hosts.values()
        if not changed.peers.isdisjoint(host.tunnels)
    }
    own = (end.key.host for end in ends)
    return changed.hosts.union(changed.kept, named, own, serving, keeping) & other.hosts.keys()


def arrived(current: Intent, target: Intent, key: EndpointKey) -> bool:
    """Whether the endpoint is what it should be, as far as any packet can tell."""
    was, wanted = current.endpoints.get(key), target.endpoints.get(key)
    if was is None or wanted is None or was == wanted:
        return was == wanted
    return replace(was, receives=wanted.receives) == wanted and _may_linger(current, target, key)


def stale(before: Intent, step: Intent, target: Intent, warm: Set[int] = frozenset()) -> frozenset[str]:
    """The hosts where nothing that the switch cached before this step may be left, before the next step or an answer.

    `warm` are the segments that somebody left not long ago, so that packets to him may be known as nobody's.
    """
    hosts: set[str] = set()
    for key in delta(before, step).endpoints & before.endpoints.keys() & step.endpoints.keys():
        was, now = before.endpoints[key], step.endpoints[key]
        opened, closed = now.receives - was.receives, was.receives - now.receives
        for segment in opened:
            members = before.members.get(segment, {})
            if members or segment in warm:
                hosts.update({key.host}, members)
        if was.sends != now.sends or any(_in_use(step, target, segment) for segment in closed):
            hosts.add(key.host)
        if (was.up_meter, was.down_meter) != (now.up_meter, now.down_meter):
            hosts.add(key.host)
    return frozenset(hosts)


def _may_linger(current: Intent, target: Intent, key: EndpointKey) -> bool:
    """Whether the endpoint has flipped, and only receives besides where nobody sends nor wants to."""
    was, wanted = current.endpoints[key], target.endpoints[key]
    return was.sends == wanted.sends and not any(
        _in_use(current, target, segment) for segment in was.receives - wanted.receives
    )


def _kept(current: Intent, target: Intent, step: Mapping[EndpointKey, Endpoint | None]) -> Mapping[str, frozenset[int]]:
    """The segments of each host that its last member there has moved out of, now or a while ago."""
    left = {host: set(segments) for host, segments in current.kept.items() if host in target.hosts}
    for key, now in step.items():
        if now is not None and key in current.endpoints:
            left.setdefault(key.host, set()).update(current.endpoints[key].receives - now.receives)
    for host, segments in left.items():
        segments.difference_update(*(end.receives for key, end in step.items() if end is not None and key.host == host))
        segments -= {s for s in segments if s in DETOURS or _stays(current, host, s, step)}
    return {host: frozenset(segments) for host, segments in left.items() if segments}


def _stays(current: Intent, host: str, segment: int, step: Mapping[EndpointKey, Endpoint | None]) -> bool:
    """Whether somebody is there whom the step does not concern."""
    return any(end.key not in step for end in current.members.get(segment, {}).get(host, ()))


def _in_use(current: Intent, target: Intent, segment: int) -> bool:
    return segment in target.members or any(member.sends == segment for member in current.in_segment(segment))


def _networks(spoken: Set[int], current: Intent, target: Intent) -> Mapping[int, Network]:
    """The networks of a step: those that are wanted, and those that somebody is still in."""
    old = {vni: network for vni, network in current.networks.items() if vni not in target.networks and vni in spoken}
    detours = {vni: Network(PIPELINE, "detour", 0, vni) for vni in spoken if vni in DETOURS}
    if not old and not detours:
        return target.networks
    made = {**old, **detours, **target.networks}
    return current.networks if made == current.networks else made  # the same value is seen to be the same at once


def _journeys(current: Intent, target: Intent, differing: Set[EndpointKey]) -> list[_Journey]:
    found: dict[tuple[tuple[int, ...], int], list[EndpointKey]] = {}
    for key in differing & current.endpoints.keys() & target.endpoints.keys():
        was, wanted = current.endpoints[key], target.endpoints[key]
        if was.sends != wanted.sends or was.receives != wanted.receives:
            goal = _goal(was, wanted)
            found.setdefault((tuple(sorted(was.receives | {was.sends, goal})), goal), []).append(key)
    return [_Journey(segments, goal, tuple(sorted(members))) for (segments, goal), members in sorted(found.items())]


def _goal(was: Endpoint, wanted: Endpoint) -> int:
    """Where it heads for now: what is wanted, or the detour that it is on its way to."""
    detour = next((segment for segment in was.receives if segment in DETOURS), None)
    if detour is None or was.receives == {detour} or wanted.sends in was.receives:
        return wanted.sends
    return detour


def _is_open(current: Intent, journey: _Journey) -> bool:
    return all(journey.goal in current.endpoints[key].receives for key in journey.members)


def _hopeless(journeys: list[_Journey], waits: dict[_Journey, list[_Journey]], away: Set[str]) -> frozenset[_Journey]:
    """Those with a host that is away, and those that wait for such."""
    found = {journey for journey in journeys if any(key.host in away for key in journey.members)}
    while more := {j for j, others in waits.items() if j not in found and found.intersection(others)}:
        found |= more
    return frozenset(found)


def _on_a_circle(stuck: list[_Journey], waits: dict[_Journey, list[_Journey]]) -> _Journey:
    """Every one of these waits for another of them: follow them until one comes again."""
    seen: set[_Journey] = set()
    journey = stuck[0]
    while journey not in seen:
        seen.add(journey)
        journey = min(waits[journey])
    return journey


def _free_detour(current: Intent) -> int:
    taken = {segment for endpoint in current.endpoints.values() for segment in endpoint.receives}
    return next(segment for segment in DETOURS if segment not in taken)


def _advance(was: Endpoint, wanted: Endpoint, goal: int | None) -> Endpoint:
    """One step further towards the goal, none if there is none; what is not its segment is as wanted at once."""
    if was.sends == wanted.sends and was.receives == wanted.receives:
        return wanted
    if goal is None:
        return replace(wanted, sends=was.sends, receives=was.receives)
    if goal not in was.receives:  # open
        return replace(wanted, sends=was.sends, receives=frozenset({was.sends, goal}))
    if was.sends != goal:  # flip
        return replace(wanted, sends=goal, receives=was.receives)
    return replace(wanted, sends=goal, receives=frozenset({goal}))  # close
