"""Journeys: who has to go from which segment to which other one, and who of them may take a step now.

Those that go from one segment to one other take all steps together. A journey is open where its members hear each other
in its goal, in company (`flows.company`), or need not, since all are on one host.

Who comes into a segment never meets who leaves it: a journey waits until nobody is left that leaves its goal. Where
journeys wait for each other in a circle (two that swap), one of them makes a detour by a segment of its own. Nor is one
taken for another that has the same MAC, as those of the same address in two networks have: a journey waits while a
company listens in its goal for such a one.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from flows.intent import Intent
from flows.model import DETOURS, Endpoint, EndpointKey, Mac, on_one_host

Voice = tuple[int, Mac]  # a segment, and who is heard there


@dataclass(frozen=True, order=True)
class Journey:
    """From where to where; those that take it together."""

    start: int
    goal: int
    members: tuple[EndpointKey, ...]

    @property
    def segments(self) -> frozenset[int]:
        """Both."""
        return frozenset((self.start, self.goal))


@dataclass(frozen=True)
class Journeys:
    """All journeys from one intent to another, where `differing` may differ and the switches of `away` do not hear."""

    current: Intent
    target: Intent
    differing: Set[EndpointKey]
    away: Set[str]

    @cached_property
    def all(self) -> Sequence[Journey]:
        """In order."""
        found: dict[tuple[int, int], list[EndpointKey]] = {}
        for key in self.differing & self.current.endpoints.keys() & self.target.endpoints.keys():
            start, goal = self.current.endpoints[key].segment, self._goal(key)
            if start != goal:
                found.setdefault((start, goal), []).append(key)
        return [Journey(start, goal, tuple(sorted(members))) for (start, goal), members in sorted(found.items())]

    @cached_property
    def opening(self) -> Sequence[Journey]:
        """Those that are to be opened now."""
        return [journey for journey in self._ready if not self._is_open(journey)]

    @cached_property
    def flipping(self) -> Sequence[Journey]:
        """Those that are to arrive now."""
        return [journey for journey in self._ready if self._is_open(journey)]

    @cached_property
    def arriving(self) -> Mapping[EndpointKey, int]:
        """Who of these flips, and where to."""
        return {key: journey.goal for journey in self.flipping for key in journey.members}

    def hears(self, end: Endpoint) -> bool:
        """Whether a company would take what comes from this endpoint for what one of its own sent."""
        return (end.segment, end.mac) in self._heard

    @cached_property
    def _heard(self) -> Mapping[Voice, int]:
        """Who is heard where he is not, and the number of the company that listens for him."""
        return {
            (segment, self.current.endpoints[key].mac): number
            for number, company in self.current.companies.items()
            if not on_one_host(company.members)
            for key in company.members
            for segment in company.segments - {self.current.endpoints[key].segment}
        }

    @cached_property
    def _waits(self) -> Mapping[Journey, Sequence[Journey]]:
        """For whom each waits: those that leave its goal."""
        return {journey: [other for other in self.all if other.start == journey.goal] for journey in self.all}

    @cached_property
    def _ready(self) -> Sequence[Journey]:
        gone = {self.current.endpoints[key].segment for key in self.differing - self.target.endpoints.keys()}
        able = [journey for journey in self.all if journey not in self._held]
        if able and all(self._waits[journey] for journey in able):
            return [replace(self._on_a_circle(able[0]), goal=self._free_detour())]
        return [journey for journey in able if not self._waits[journey] and journey.goal not in gone]

    @cached_property
    def _held(self) -> Set[Journey]:
        """Those that cannot go now, and those that wait for such."""
        found = {each for each in self.all if not self.away.isdisjoint(self._hosts(each)) or self._is_taken(each)}
        while more := {each for each in self.all if each not in found and found.intersection(self._waits[each])}:
            found |= more
        return found

    def _hosts(self, journey: Journey) -> set[str]:
        """Of its members, and of those that are in company with one: these hear him no more, or elsewhere."""
        numbers = {self.current.company[key] for key in journey.members if key in self.current.company}
        companies = (self.current.companies[number].members for number in numbers)
        return {key.host for members in (journey.members, *companies) for key in members}

    def _is_taken(self, journey: Journey) -> bool:
        """Whether another company listens in the goal for one with the MAC of a member, as it is or is to be."""
        for key in journey.members:
            own = self.current.company.get(key)
            for end in (self.current.endpoints[key], self.target.endpoints[key]):
                if self._heard.get((journey.goal, end.mac), own) != own:
                    return True
        return False

    def _is_open(self, journey: Journey) -> bool:
        """Whether all hear each other in the goal, or need not."""
        if on_one_host(journey.members):
            return True
        numbers = {self.current.company.get(key) for key in journey.members}
        number = numbers.pop()
        return number is not None and not numbers and journey.goal in self.current.companies[number].segments

    def _goal(self, key: EndpointKey) -> int:
        """Where it heads for now: what is wanted, or the detour that it is on its way to."""
        start, wanted = self.current.endpoints[key].segment, self.target.endpoints[key].segment
        number = self.current.company.get(key)
        if number is None or start == wanted or start in DETOURS:
            return wanted
        return next((segment for segment in self.current.companies[number].segments if segment in DETOURS), wanted)

    def _on_a_circle(self, journey: Journey) -> Journey:
        """Every one waits for another: follow them until one comes again."""
        seen: set[Journey] = set()
        while journey not in seen:
            seen.add(journey)
            journey = min(self._waits[journey])
        return journey

    def _free_detour(self) -> int:
        taken = self.current.members.keys() | {s for each in self.current.companies.values() for s in each.segments}
        return next(segment for segment in DETOURS if segment not in taken)
