"""From one intent to another with no packet lost and none leaked, as a row of intents.

The law (per-packet consistency; Reitblatt et al., “Abstractions for Network Update”, SIGCOMM 2012): a packet is
delivered only if its ends shared a segment before the change or share one after it, and always if they shared one
before *and* after. Those that go from one segment to one other are a journey, and take three steps together, each
step standing on every switch before the next begins:

| step  | are in | hear each other in | why                                                                  |
|-------|--------|--------------------|----------------------------------------------------------------------|
| open  | old    | old and new        | they are a company: whoever flips first finds the new path standing  |
| flip  | new    | new and old        | packets of those whose switch has not flipped yet still arrive       |
| close | new    | new                | they are no company any more: leftovers go                           |

To open and to close nobody meets but those who travel together, so only what is cached of them is of any matter. Those
on one host learn of a change together and need not open. A company may linger once all of it are where they should be:
no packet can tell, an answer need not wait for it, and a way back is open already.

Who comes into a segment never meets who leaves it: some journeys wait for others (`flows.journeys`).

Switches cache what they decided, and follow a change of their flows a little later: `stale` says where that must be
waited for after a step. The flows for a segment of a host that all its members there have left may linger as well.

Each step is an ordinary intent, compiled and compared like any other. A controller that is killed in the middle of one
leaves some switches before it and some behind it; the next one begins with that step, with the same code.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from flows.cookie import PIPELINE
from flows.delta import delta
from flows.intent import Intent
from flows.journeys import Journeys
from flows.model import DETOURS, Company, Endpoint, EndpointKey, Network, on_one_host


class Place(NamedTuple):
    """Where an endpoint is in a step, and in which company: its number, and the other segment of that."""

    segment: int
    company: int | None = None
    beside: int | None = None


Step = Mapping[EndpointKey, Endpoint | None]


def next_step(current: Intent, target: Intent, away: Set[str] = frozenset(), *, lingering: bool = False) -> Intent:
    """The intent that may follow `current` on the way to `target`; one with the same contents if none may.

    `away` are the hosts whose switch does not have `current`. While the host of one of a journey is away, the old
    policy stands for all of the journey, and nobody comes into the segment that they should leave. `lingering`: what
    is only tidying up is not done yet.
    """
    differing = delta(current, target).endpoints
    journeys = Journeys(current, target, differing, away)
    left = {journey.start for journey in journeys.all}
    step: dict[EndpointKey, Endpoint | None] = {}
    for key in differing:
        wanted, was = target.endpoints.get(key), current.endpoints.get(key)
        if wanted is None:
            step[key] = None
            continue
        now = wanted if was is None else _at(wanted, journeys.arriving.get(key, was.segment))
        new = was is None or was.mac != now.mac
        step[key] = was if new and (now.segment in left or journeys.hears(now)) else now
    companies = _companies(journeys, lingering=lingering)
    kept = _kept(current, target, step) if lingering else {}
    behind = [key for key in differing if step[key] != target.endpoints.get(key)]
    if not behind:
        return target.changed({}, kept=kept, companies=companies) if kept or companies else target
    spoken = {end.segment for end in step.values() if end is not None}
    return current.changed(
        step,
        beside=(target, behind),
        generation=target.generation,
        hosts=target.hosts,
        links=target.links,
        networks=_networks(spoken, current, target),
        kept=kept,
        companies=companies,
    )


def places(before: Intent, step: Intent) -> dict[EndpointKey, Place]:
    """Where the step has those endpoints that are there and were elsewhere, or otherwise, before."""
    changed = delta(before, step)
    found = {}
    for key in sorted((changed.endpoints | _met(before, step)) & step.endpoints.keys()):
        segment, number = step.endpoints[key].segment, step.company.get(key)
        beside = () if number is None else step.companies[number].segments - {segment}
        found[key] = Place(segment, number, next(iter(beside), None))
    return found


def resumed(target: Intent, begun: Mapping[EndpointKey, Place], network: Callable[[int], Network]) -> Intent:
    """The step that was begun last, with all else as it is wanted now: where another controller goes on from.

    Who was in no step has yet to come. `network` makes one that is not wanted any more, by its segment.
    """
    ends: dict[EndpointKey, Endpoint | None] = {}
    together: dict[int, Company] = {}
    for key in sorted(target.endpoints):
        wanted, place = target.endpoints[key], begun.get(key)
        if place is None or place.segment != wanted.segment:
            ends[key] = None if place is None else _at(wanted, place.segment)
        if place is not None and place.company is not None and place.beside is not None:
            known = together.get(place.company, Company(frozenset((place.segment, place.beside)), ()))
            together[place.company] = known._replace(members=(*known.members, key))
    if not ends and not together:
        return target
    spoken = {end.segment for end in ends.values() if end is not None}
    old = {vni: network(vni) for vni in sorted(spoken - target.networks.keys() - set(DETOURS))}
    return target.changed(ends, networks={**old, **_networks(spoken, target, target)}, companies=together)


def inherited(step: Intent) -> frozenset[str]:
    """The hosts where switches may have cached what was before this step, if it was begun and nobody knows more."""
    crossed = {segment for company in step.companies.values() for segment in company.segments}
    return frozenset(host for segment in crossed for host in step.members.get(segment, ()))


def same(one: Intent, other: Intent) -> bool:
    """Whether the two say the same of every switch; the generation does not count."""
    return one is other or not delta(one, other)


def touched(one: Intent, other: Intent) -> frozenset[str]:
    """The hosts whose bridges may differ between the two: all that serve a segment where something does."""
    changed = delta(one, other)
    ends = [intent.endpoints[key] for intent in (one, other) for key in changed.endpoints if key in intent.endpoints]
    segments = changed.networks.union(end.segment for end in ends)
    serving = (host for intent in (one, other) for segment in segments for host in intent.members.get(segment, ()))
    keeping = (host for intent in (one, other) for host, kept in intent.kept.items() if not kept.isdisjoint(segments))
    named = changed.peers and {
        host.name
        for intent in (one, other)
        for host in intent.hosts.values()
        if not changed.peers.isdisjoint(host.tunnels)
    }
    own = (end.key.host for end in ends)
    met = (key.host for key in _met(one, other))
    return changed.hosts.union(changed.kept, named, own, met, serving, keeping) & other.hosts.keys()


def stale(before: Intent, step: Intent, warm: Set[int] = frozenset()) -> frozenset[str]:
    """The hosts where nothing that the switch cached before this step may be left, before the next step or an answer.

    `warm` are the segments that somebody left not long ago, so that packets to him may be known as nobody's.
    """
    changed = delta(before, step)
    hosts: set[str] = set()
    for key in changed.endpoints & before.endpoints.keys() & step.endpoints.keys():
        was, now = before.endpoints[key], step.endpoints[key]
        if was.segment != now.segment:
            hosts.update({key.host}, before.members.get(now.segment, ()))
        if (was.up_meter, was.down_meter) != (now.up_meter, now.down_meter):
            hosts.add(key.host)
    asked = before.members.keys() | warm  # segments where somebody may have sent to who was not there
    for key in _met(before, step) & before.endpoints.keys() & step.endpoints.keys():
        heard, hears = _hears(before, key), _hears(step, key)
        if heard - hears or not asked.isdisjoint(hears - heard):
            hosts.add(key.host)
    return frozenset(hosts)


def _met(one: Intent, other: Intent) -> frozenset[EndpointKey]:
    """The members of all companies that differ between the two."""
    numbers = delta(one, other).companies
    companies = (intent.companies[n].members for intent in (one, other) for n in numbers & intent.companies.keys())
    return frozenset().union(*companies)


def _hears(intent: Intent, key: EndpointKey) -> frozenset[int]:
    own = frozenset((intent.endpoints[key].segment,))
    number = intent.company.get(key)
    if number is None or on_one_host(intent.companies[number].members):
        return own
    return own | intent.companies[number].segments


def _companies(journeys: Journeys, *, lingering: bool) -> Mapping[int, Company]:
    """Who is in company after this step."""
    current, target, flips = journeys.current, journeys.target, journeys.arriving
    goals = {key: journey.goal for journey in journeys.all for key in journey.members} | dict(flips)
    opens = {key for journey in journeys.opening for key in journey.members}
    comers = {(end.segment, end.mac): key for key in journeys.differing if (end := target.endpoints.get(key))}
    made: dict[int, Company] = {}
    for number, (segments, members) in current.companies.items():
        there = [key for key in members if key in target.endpoints and key not in opens]
        together = [key for key in there if flips.get(key) in segments]
        stay = together or [key for key in there if key not in flips]
        on_the_way = any(goals.get(key) in segments for key in stay)
        taken = any(
            comers.get((segment, current.endpoints[key].mac), key) not in members
            for segment in segments
            for key in members
        )
        idle = lingering and not taken and segments.isdisjoint(DETOURS)
        # A bridge that is away lets its members hear the others still.
        if stay and (together or on_the_way or idle or not journeys.away.isdisjoint(key.host for key in members)):
            made[number] = Company(segments, tuple(stay))
    numbers = (number for number in count(1) if number not in current.companies)
    met = {key for company in made.values() for key in company.members}
    for journey in (*journeys.opening, *journeys.flipping):
        if alone := tuple(key for key in journey.members if key not in met):
            made[next(numbers)] = Company(journey.segments, alone)
    return current.companies if made == current.companies else made


def _at(wanted: Endpoint, segment: int) -> Endpoint:
    """What is wanted, in this segment."""
    return wanted if wanted.segment == segment else replace(wanted, segment=segment)


def _kept(current: Intent, target: Intent, step: Step) -> Mapping[str, frozenset[int]]:
    """The segments of each host that its last member there has moved out of, now or a while ago."""
    left = {host: set(segments) for host, segments in current.kept.items() if host in target.hosts}
    for key, now in step.items():
        if now is not None and key in current.endpoints:
            left.setdefault(key.host, set()).update({current.endpoints[key].segment} - {now.segment})
    for host, segments in left.items():
        segments.difference_update(end.segment for key, end in step.items() if end is not None and key.host == host)
        segments -= {s for s in segments if s in DETOURS or _stays(current, host, s, step)}
    return {host: frozenset(segments) for host, segments in left.items() if segments}


def _stays(current: Intent, host: str, segment: int, step: Step) -> bool:
    """Whether somebody is there whom the step does not concern."""
    return any(end.key not in step for end in current.members.get(segment, {}).get(host, ()))


def _networks(spoken: Set[int], current: Intent, target: Intent) -> Mapping[int, Network]:
    """The networks of a step: those that are wanted, and those that somebody is still in."""
    old = {vni: network for vni, network in current.networks.items() if vni not in target.networks and vni in spoken}
    detours = {vni: Network(PIPELINE, "detour", 0, vni) for vni in spoken if vni in DETOURS}
    if not old and not detours:
        return target.networks
    made = {**old, **detours, **target.networks}
    return current.networks if made == current.networks else made  # the same value is seen to be the same at once
