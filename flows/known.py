"""What a bridge is known to have, and what it takes to bring it to another intent.

Where nothing is known it is read and compared whole; where something is, a change costs what it touches. By both ways
the marker says the same, and it says nothing while there is something in the bridge that is not wanted.
"""

from dataclasses import dataclass, field, replace

from flows.diff import Plan, joined, planning, spare, without
from flows.flow import Contents
from flows.intent import Intent
from flows.marker import NONE, digesting, digesting_change, mark
from flows.pipeline import compiling, compiling_change
from flows.work import Work


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


def catching_up(installed: Contents, intent: Intent, host: str, *, sweeping: bool) -> Work[tuple[Plan, Known]]:
    """How a bridge that has this comes to have what the intent wants, and what is known of it then.

    What is not wanted goes if it is the time of sweeping, and is left over else.
    """
    desired = yield from compiling(intent, host)
    change = yield from planning(installed, desired)
    leftovers = Contents()
    if not sweeping:
        leftovers = Contents(
            {flow.key: flow for flow in change.delete},
            {meter: installed.meters[meter] for meter in change.delete_meters},
        )
        change = replace(change, delete=(), delete_meters=())
    digest = yield from digesting(intent, host)
    return _marked(change, Known(intent, digest, len(desired.flows), installed.mark, leftovers))


def going_on(known: Known, intent: Intent, host: str, *, sweeping: bool) -> Work[tuple[Plan, Known]]:
    """The same for a bridge of which that is known."""
    before, after = yield from compiling_change(known.intent, intent, host)
    found = without(known.leftovers, after)
    leftovers = Contents() if sweeping else found
    change = spare((yield from planning(joined(before, known.leftovers), after)), leftovers)
    digest = yield from digesting_change(known.digest, known.intent, intent, host)
    flows = known.flows + len(after.flows) - len(before.flows)
    return _marked(change, replace(known, intent=intent, digest=digest, flows=flows, leftovers=leftovers))


def _marked(change: Plan, known: Known) -> tuple[Plan, Known]:
    """The change with its marker. Where it changes no flow, what the marker said before is true still."""
    changes = bool(change.add or change.delete)
    wanted = mark(known.digest, known.flows + 1)
    if known.leftovers.flows:
        wanted = NONE if changes else known.mark
    if wanted == known.mark and not changes:
        return change, known
    return replace(change, mark=wanted), replace(known, mark=wanted)
