"""Compare, don't remember: the smallest change that turns what a bridge holds into what it should hold."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

from flows.flow import Contents, Flow, Key, MeterEntry
from flows.work import PORTION, Work, done

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """A change of one bridge, in the order in which it is safe: meters exist before the flows that use them."""

    add_meters: tuple[MeterEntry, ...] = ()
    change_meters: tuple[MeterEntry, ...] = ()
    add: tuple[Flow, ...] = ()  # new ones, and ones whose actions or cookie changed
    delete: tuple[Flow, ...] = ()
    delete_meters: tuple[int, ...] = ()
    mark: int | None = None  # what the marker says when all of that is done, 0: there is none; None: as before

    @property
    def moves(self) -> bool:
        """Whether packets meet anything of it."""
        return any((self.add_meters, self.change_meters, self.add, self.delete, self.delete_meters))

    def __bool__(self) -> bool:
        return self.moves or self.mark is not None


Parts = Generator[Plan | None, None, T]  # a change as it is being made out: a part of it, or None for a place to wait


def together(parts: Iterable[Plan]) -> Plan:
    """Parts of one change as the whole."""
    known = tuple(parts)
    return Plan(
        add_meters=tuple(chain.from_iterable(part.add_meters for part in known)),
        change_meters=tuple(chain.from_iterable(part.change_meters for part in known)),
        add=tuple(chain.from_iterable(part.add for part in known)),
        delete=tuple(chain.from_iterable(part.delete for part in known)),
        delete_meters=tuple(chain.from_iterable(part.delete_meters for part in known)),
        mark=next((part.mark for part in reversed(known) if part.mark is not None), None),
    )


def whole(parts: Parts[T]) -> Work[tuple[Plan, T]]:
    """All of a change that is made out part by part, and what its making returned."""
    found: list[Plan] = []
    while True:
        try:
            part = next(parts)
        except StopIteration as end:
            return together(found), end.value
        if part is not None:
            found.append(part)
        yield


def plan(installed: Contents, desired: Contents) -> Plan:
    """What to send so that `installed` becomes `desired`; empty if they are equal. The marker stays."""
    return done(planning(installed, desired))


def planning(installed: Contents, desired: Contents) -> Work[Plan]:
    """`plan`, as work that can be laid aside."""
    have, want = installed.flows, desired.flows
    add = yield from _chosen(want.items(), lambda key, flow: have.get(key) != flow)
    delete = yield from _chosen(have.items(), lambda key, _: key not in want)
    return replace(plan_meters(installed.meters, desired.meters), add=add, delete=delete)


def plan_meters(have: Mapping[int, MeterEntry], want: Mapping[int, MeterEntry]) -> Plan:
    """As much of it as is about meters."""
    return Plan(
        add_meters=tuple(entry for meter, entry in sorted(want.items()) if meter not in have),
        change_meters=tuple(entry for meter, entry in sorted(want.items()) if have.get(meter, entry) != entry),
        delete_meters=tuple(sorted(have.keys() - want.keys())),
    )


def _chosen(flows: Iterable[tuple[Key, Flow]], wanted: Callable[[Key, Flow], bool]) -> Work[tuple[Flow, ...]]:
    chosen: list[Flow] = []
    rest = iter(flows)
    while portion := list(islice(rest, PORTION)):
        chosen += [flow for key, flow in portion if wanted(key, flow)]
        yield
    return tuple(chosen)


def without(contents: Contents, other: Contents) -> Contents:
    """What the first holds under no key of the other."""
    return Contents(
        {key: flow for key, flow in contents.flows.items() if key not in other.flows},
        {meter: entry for meter, entry in contents.meters.items() if meter not in other.meters},
    )


def joined(contents: Contents, other: Contents) -> Contents:
    """What both hold; the first one's where they share a key."""
    if not other.flows and not other.meters:
        return contents
    return Contents({**other.flows, **contents.flows}, {**other.meters, **contents.meters})


def spare(change: Plan, kept: Contents) -> Plan:
    """The same change, but what is kept is not deleted."""
    if not kept.flows and not kept.meters:
        return change
    return replace(
        change,
        delete=tuple(flow for flow in change.delete if flow.key not in kept.flows),
        delete_meters=tuple(meter for meter in change.delete_meters if meter not in kept.meters),
    )


def apply(installed: Contents, change: Plan) -> Contents:
    """What the bridge holds after the change."""
    gone = {flow.key for flow in change.delete}
    flows = {key: flow for key, flow in installed.flows.items() if key not in gone}
    flows.update((flow.key, flow) for flow in change.add)
    meters = {meter: entry for meter, entry in installed.meters.items() if meter not in change.delete_meters}
    meters.update((entry.meter, entry) for entry in change.add_meters + change.change_meters)
    return Contents(flows, meters, installed.mark if change.mark is None else change.mark)
