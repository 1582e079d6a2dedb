"""Compare, don't remember: the smallest change that turns what a bridge holds into what it should hold."""

from dataclasses import dataclass, replace

from flows.flow import Contents, Flow, MeterEntry


@dataclass(frozen=True)
class Plan:
    """A change of one bridge, in the order in which it is safe: meters exist before the flows that use them."""

    add_meters: tuple[MeterEntry, ...] = ()
    change_meters: tuple[MeterEntry, ...] = ()
    add: tuple[Flow, ...] = ()  # new ones, and ones whose actions or cookie changed
    delete: tuple[Flow, ...] = ()
    delete_meters: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return any((self.add_meters, self.change_meters, self.add, self.delete, self.delete_meters))


def plan(installed: Contents, desired: Contents) -> Plan:
    """What to send so that `installed` becomes `desired`; empty if they are equal."""
    have, want = installed.flows, desired.flows
    meters_have, meters_want = installed.meters, desired.meters
    return Plan(
        add_meters=tuple(entry for meter, entry in sorted(meters_want.items()) if meter not in meters_have),
        change_meters=tuple(
            entry for meter, entry in sorted(meters_want.items()) if meters_have.get(meter, entry) != entry
        ),
        add=tuple(flow for key, flow in want.items() if have.get(key) != flow),
        delete=tuple(flow for key, flow in have.items() if key not in want),
        delete_meters=tuple(sorted(meters_have.keys() - meters_want.keys())),
    )


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
    return Contents(flows, meters)
