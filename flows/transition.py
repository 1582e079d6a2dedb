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

Each step is an ordinary intent, compiled and compared like any other. So a controller that was killed between two
steps goes on from what it finds, with the same code.
"""

from collections.abc import Set
from dataclasses import dataclass, replace

from flows.cookie import PIPELINE
from flows.model import DETOURS, Endpoint, EndpointKey, Intent, Network


@dataclass(frozen=True, order=True)
class _Journey:
    """From where to where; those that take it together."""

    segments: tuple[int, ...]  # all that its members receive in or head for
    goal: int
    members: tuple[EndpointKey, ...]

    def leaves(self, segment: int) -> bool:
        return segment in self.segments and segment != self.goal


def next_step(current: Intent, target: Intent, away: Set[str] = frozenset()) -> Intent:
    """The intent that may follow `current` on the way to `target`; one with the same contents if none may.

    `away` are the hosts whose switch does not have `current`. While the host of one of a journey is away, the old
    policy stands for all of the journey, and nobody comes into the segment that they should leave.
    """
    journeys = _journeys(current, target)
    gone = {
        seg for key in current.endpoints.keys() - target.endpoints.keys() for seg in current.endpoints[key].receives
    }
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
    endpoints = {
        key: _advance(current.endpoints[key], wanted, goals.get(key)) if key in current.endpoints else wanted
        for key, wanted in target.endpoints.items()
        if key in current.endpoints or wanted.sends not in left
    }
    spoken = {segment for endpoint in endpoints.values() for segment in endpoint.receives}
    detours = {vni: Network(PIPELINE, "detour", 0, vni) for vni in spoken if vni in DETOURS}
    kept = {vni: network for vni, network in current.networks.items() if vni in spoken}
    return replace(target, endpoints=endpoints, networks=detours | kept | dict(target.networks))


def same(one: Intent, other: Intent) -> bool:
    """Whether the two say the same of every switch; the generation does not count."""
    return replace(one, generation=other.generation) == other


def touched(one: Intent, other: Intent) -> frozenset[str]:
    """The hosts whose bridges may differ between the two: all that have a member in a segment where something does."""
    segments: set[int] = {vni for vni in one.networks.keys() | other.networks.keys() if _differs(one, other, vni)}
    hosts = {name for name in one.hosts.keys() | other.hosts.keys() if one.hosts.get(name) != other.hosts.get(name)}
    for key in one.endpoints.keys() | other.endpoints.keys():
        before, after = one.endpoints.get(key), other.endpoints.get(key)
        if before != after:
            hosts.add(key.host)
            segments.update(segment for end in (before, after) if end is not None for segment in end.receives)
    members = (end for intent in (one, other) for segment in segments for end in intent.members.get(segment, ()))
    changed_peers = {peer for name in hosts for peer in other.hosts if _peer_changed(one, other, name, peer)}
    return frozenset((hosts | {end.key.host for end in members} | changed_peers) & other.hosts.keys())


def _journeys(current: Intent, target: Intent) -> list[_Journey]:
    found: dict[tuple[tuple[int, ...], int], list[EndpointKey]] = {}
    for key, wanted in target.endpoints.items():
        was = current.endpoints.get(key)
        if was is not None and (was.sends != wanted.sends or was.receives != wanted.receives):
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


def _differs(one: Intent, other: Intent, vni: int) -> bool:
    return one.networks.get(vni) != other.networks.get(vni)


def _peer_changed(one: Intent, other: Intent, name: str, peer: str) -> bool:
    """Whether the peer's flows name this host: its owner id is in the cookie of the tunnel to it."""
    return peer != name and (name in one.hosts) != (name in other.hosts) and name in other.hosts[peer].tunnels
