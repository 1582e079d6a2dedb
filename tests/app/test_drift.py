"""The rollout where somebody else changes a switch: it is put right, with no more than is needed, and told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from app.openflow.switch import RefusedFlowsError
from app.rollout import Rollout
from flows.cookie import OWNER_MASK
from flows.diff import Plan
from flows.flow import Contents, Flow, MeterEntry
from tests.app.test_rollout import A, Quiet, Twin
from tests.flows.intents import endpoint, intent


@dataclass
class Told:
    """Keeps what it is told."""

    refusals: list[str] = field(default_factory=list)
    foreign: list[tuple[str, int]] = field(default_factory=list)
    stood_with: list[tuple[str, int]] = field(default_factory=list)
    differing: list[tuple[str, int]] = field(default_factory=list)

    def whose(self, cookie: int) -> str | None:
        return f"the owner of {cookie:#x}"

    def refused(self, host: str, why: str) -> None:  # noqa: ARG002
        self.refusals.append(why)

    def found(self, host: str, foreign: int) -> None:
        self.foreign.append((host, foreign))

    def differed(self, host: str, flows: int) -> None:
        self.differing.append((host, flows))

    def stood(self, host: str, changes: int) -> None:
        self.stood_with.append((host, changes))


def without_one(contents: Contents) -> Contents:
    return replace(contents, flows=dict(list(contents.flows.items())[1:]))


def drifting(told: Told, twin: Twin) -> Rollout:
    """A rollout over this one switch, which has what it should."""
    rollout = Rollout(intent(endpoint("h1", 1, 10), names=("h1",)), Quiet(), lambda _: None, witness=told)
    rollout.sweep()
    rollout.connected("h1", twin)
    rollout.advance()
    assert told.stood_with == [("h1", 0)]
    return rollout


def of_endpoint(rollout: Rollout, contents: Contents) -> Iterator[Flow]:
    """The flows that are there for the one endpoint."""
    owner = rollout.current.endpoints[A].owner
    return (flow for flow in contents.flows.values() if flow.cookie & OWNER_MASK == owner)


def test_what_somebody_else_changed_is_put_right_and_told() -> None:
    told, twin = Told(), Twin(foreign=3)
    rollout = drifting(told, twin)
    wanted, twin.contents, twin.strays = twin.contents, without_one(twin.contents), 1

    rollout.drifted("h1", None)
    rollout.drifted("h1", None)
    assert not rollout.stands("h1", 0)
    rollout.advance()

    assert (twin.contents, twin.strays) == (wanted, 0)
    assert told.stood_with[1:] == [("h1", 2)]
    assert told.foreign == [("h1", 3), ("h1", 3)]
    assert rollout.stands("h1", 0)


def test_single_flows_are_put_back_without_a_read() -> None:
    told, twin = Told(), Twin()
    rollout = drifting(told, twin)
    wanted = twin.contents
    one, two, *_ = of_endpoint(rollout, wanted)
    altered = two._replace(actions=())
    flows = {key: flow for key, flow in wanted.flows.items() if key != one.key} | {two.key: altered}
    twin.contents = replace(wanted, flows=flows)

    rollout.drifted("h1", one)
    rollout.drifted("h1", altered)
    rollout.advance()

    assert twin.contents == wanted
    assert twin.changes[-1] == Plan(add=(one, two))
    assert (told.foreign, told.stood_with[1:]) == ([("h1", 0)], [("h1", 2)]), "it was read once, at its begin"


def test_a_flow_that_nobody_wants_goes_and_so_do_many_changes() -> None:
    told, twin = Told(), Twin()
    rollout = drifting(told, twin)
    wanted = twin.contents
    some = next(of_endpoint(rollout, wanted))
    unwanted = [some._replace(priority=number) for number in range(1, 150)]
    for few in (unwanted[:1], unwanted):
        twin.contents = replace(wanted, flows={**wanted.flows, **{flow.key: flow for flow in few}})
        for flow in few:
            rollout.drifted("h1", flow)
        rollout.advance()

        assert twin.contents == wanted


def test_what_somebody_changes_while_it_is_put_right_is_put_right_too() -> None:
    class Meddled(Twin):
        def read(self, rest_s: float = 0.0) -> Contents:
            found = super().read(rest_s)
            if meddling:
                meddling.pop()
                self.contents = without_one(without_one(found))
                rollout.drifted("h1", None)
            return found

    meddling: list[int] = []
    told, twin = Told(), Meddled()
    rollout = drifting(told, twin)
    wanted, twin.contents = twin.contents, without_one(twin.contents)
    meddling.append(1)

    rollout.drifted("h1", None)
    for _ in range(3):
        rollout.advance()

    assert twin.contents == wanted
    assert told.stood_with[1:] == [("h1", 2)], "told once, when all of it stands"


def test_what_is_told_before_it_is_read_is_put_right_by_that() -> None:
    class Telling(Twin):
        def meters(self) -> Mapping[int, MeterEntry]:
            if late:
                rollout.drifted("h1", late.pop())
            return super().meters()

    late: list[None] = []
    told, twin = Told(), Telling()
    rollout = drifting(told, twin)
    wanted, twin.contents, twin.reads = twin.contents, without_one(twin.contents), 0
    late.append(None)

    rollout.drifted("h1", None)
    rollout.advance()

    assert (twin.contents, twin.reads) == (wanted, 1)
    assert told.stood_with[1:] == [("h1", 2)]


def test_strays_stay_until_the_intent_is_known_complete() -> None:
    twin = Twin(strays=1)
    rollout = Rollout(intent(names=("h1",)), Quiet(), lambda _: None)
    rollout.connected("h1", twin)
    rollout.advance()
    assert twin.strays == 1

    rollout.sweep()
    rollout.advance()
    assert twin.strays == 0


def test_a_refusal_is_told_once() -> None:
    told, twin = Told(), Twin()
    rollout = drifting(told, twin)
    twin.contents = Contents()
    twin.failures = [RefusedFlowsError([(None, "bad match")]), RefusedFlowsError([(None, "bad match")])]

    rollout.drifted("h1", None)
    for _ in range(3):
        rollout.advance()

    assert len(told.refusals) == 1
    assert told.stood_with[1:] == [("h1", 1)]
