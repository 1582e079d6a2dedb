"""What a bridge is known to have, and what it takes to bring it to another intent.

Where nothing is known it is read and compared whole; where something is, a change costs what it touches. By both ways
the marker says the same, and it says nothing while there is something in the bridge that is not wanted.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from flows.diff import Parts, Plan, joined, plan_meters, planning, spare, without
from flows.flow import Contents, Flow
from flows.intent import Intent
from flows.marker import NONE, digesting, digesting_change, mark
from flows.pipeline import compile_meters, compiling_change, portions
from flows.table import Table
from flows.work import PORTION, Work


@dataclass(frozen=True, eq=False)
class Known:
    """A bridge has what this intent compiles to, and `leftovers`: what was found there and is not wanted.

    `digest` and `flows`, their number, are of what the intent compiles to; `mark` is what the bridge's marker says.
    """

    intent: Intent
    digest: int
    flows: int
    mark: int
    leftovers: Contents = field(default_factory=Contents)
    proven: bool = True  # False: its marker says so, and nobody has compared


def catching_up(installed: Contents, intent: Intent, host: str, *, sweeping: bool) -> Parts[tuple[Known, bool]]:
    """How a bridge that has this comes to have what the intent wants, part by part.

    Parts come while the rest is still being compiled: meters with the first, what goes with the last. What is not
    wanted goes if it is the time of sweeping, and is left over else. Returns what is known of the bridge then, and
    whether packets meet anything of the change.
    """
    wanted = compile_meters(intent, host)
    meters = plan_meters(installed.meters, wanted)
    gone, leftovers = meters.delete_meters, Contents()
    yield replace(meters, delete_meters=())
    left, flows, changes = dict(installed.flows), 0, False
    for portion in portions(intent, host, wanted):
        add = tuple(flow for flow in portion if left.pop(flow.key, None) != flow) if left else tuple(portion)
        flows, changes = flows + len(portion), changes or bool(add)
        yield Plan(add=add)
    if not sweeping:
        leftovers = Contents(left, {meter: installed.meters[meter] for meter in gone})
        left, gone = {}, ()
    for leaving in _leaving(left.values()):
        yield Plan(delete=leaving)
    digest = yield from digesting(intent, host)
    known = Known(intent, digest, flows, installed.mark, leftovers)
    last, known = _marked(Plan(delete_meters=gone), known, changes=changes or bool(left))
    yield last
    return known, changes or bool(left or gone or meters.add_meters or meters.change_meters)


def _leaving(flows: Collection[Flow]) -> Iterator[tuple[Flow, ...]]:
    """A portion at a time; what lets packets in goes first."""
    rest = chain(
        (flow for flow in flows if flow.table is Table.CLASSIFY),
        (flow for flow in flows if flow.table is not Table.CLASSIFY),
    )
    while portion := tuple(islice(rest, PORTION)):
        yield portion


def going_on(known: Known, intent: Intent, host: str, *, sweeping: bool) -> Work[tuple[Plan, Known]]:
    """The same for a bridge of which that is known."""
    before, after = yield from compiling_change(known.intent, intent, host)
    found = without(known.leftovers, after)
    leftovers = Contents() if sweeping else found
    change = spare((yield from planning(joined(before, known.leftovers), after)), leftovers)
    digest = yield from digesting_change(known.digest, known.intent, intent, host)
    flows = known.flows + len(after.flows) - len(before.flows)
    known = replace(known, intent=intent, digest=digest, flows=flows, leftovers=leftovers)
    return _marked(change, known, changes=bool(change.add or change.delete))


def _marked(change: Plan, known: Known, *, changes: bool) -> tuple[Plan, Known]:
    """The change with its marker. Where that changes no flow, what the marker said before is true still."""
    wanted = mark(known.digest, known.flows + 1)
    if known.leftovers.flows:
        wanted = NONE if changes else known.mark
    if wanted == known.mark and not changes:
        return change, known
    return replace(change, mark=wanted), replace(known, mark=wanted)
