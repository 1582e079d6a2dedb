"""What a bridge is known to have, and what it takes to bring it to another intent.

Where nothing is known it is read and compared whole; where something is, a change costs what it touches. By both ways
the marker says the same, and it says nothing while there is something in the bridge that is not wanted.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from flows.diff import Parts, Plan, joined, plan_meters, planning, spare, without
from flows.flow import Contents, Flow, Key
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
    desired = compile_meters(intent, host)
    meters = plan_meters(installed.meters, desired)
    gone, leftovers = meters.delete_meters, Contents()
    yield replace(meters, delete_meters=())
    have, made, changes = installed.flows, dict[Key, Flow](), False
    for portion in portions(intent, host, made, desired):
        add = tuple(flow for flow in portion if have.get(flow.key) != flow) if have else tuple(portion)
        changes = changes or bool(add)
        yield Plan(add=add)
    left = yield from _left(have, made)
    if not sweeping:
        leftovers = Contents(left, {meter: installed.meters[meter] for meter in gone})
        left, gone = {}, ()
    yield from _leaving(left)
    digest = yield from digesting(intent, host)
    known = Known(intent, digest, len(made), installed.mark, leftovers)
    last, known = _marked(Plan(delete_meters=gone), known, changes=changes or bool(left))
    yield last
    return known, changes or bool(left or gone or meters.add_meters or meters.change_meters)


def _left(have: Mapping[Key, Flow], made: Container[Key]) -> Work[dict[Key, Flow]]:
    """Those of which none was made."""
    left: dict[Key, Flow] = {}
    rest = iter(have.items())
    while portion := list(islice(rest, PORTION)):
        left.update((key, flow) for key, flow in portion if key not in made)
        yield
    return left


def _leaving(flows: Mapping[Key, Flow]) -> Parts[None]:
    """That they go: what lets packets in goes first."""
    for lets_in in (True, False):
        rest = iter(flows.values())
        while portion := list(islice(rest, PORTION)):
            yield Plan(delete=tuple(flow for flow in portion if (flow.table is Table.CLASSIFY) == lets_in))


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
