"""What a real switch claims by its marker is true, wherever a change of it broke off."""

from collections.abc import Callable, Iterable

import pytest

from app.openflow import switch as room
from app.openflow.line import Line, SwitchGoneError
from app.openflow.switch import RefusedFlowsError, Switch
from flows.cookie import Feature, pack
from flows.diff import Plan
from flows.fields import ARP_OP
from flows.flow import Contents, Output, flow
from flows.marker import mark
from flows.table import Table
from tests.system.conftest import Sandbox
from tests.system.strategies import parted
from tests.system.test_switch import contents, lookup

BEFORE, AFTER = 7, 8  # digests
PIECE = 10
FLOWS = 45
OLD = contents(*(lookup(owner) for owner in range(FLOWS)))
NEW = contents(*(lookup(owner, Output(2)) for owner in range(FLOWS)))
TO_OLD = Plan(add=tuple(OLD.flows.values()), mark=mark(BEFORE, FLOWS + 1))
TO_NEW = Plan(add=tuple(NEW.flows.values()), mark=mark(AFTER, FLOWS + 1))


def is_true(switch: Switch) -> bool:
    """Whether it claims nothing that is not so."""
    found = Contents(switch.read().flows)
    claims = {digest: switch.claims(digest) for digest in (BEFORE, AFTER)}
    return all(
        claims[digest] in (None, FLOWS if found == wanted else None) for digest, wanted in ((BEFORE, OLD), (AFTER, NEW))
    )


def test_it_claims_what_it_was_given_last(switch: Switch) -> None:
    switch.apply(TO_OLD)
    assert (switch.claims(BEFORE), switch.claims(AFTER)) == (FLOWS, None)

    switch.apply(TO_NEW)

    assert (switch.claims(BEFORE), switch.claims(AFTER)) == (None, FLOWS)
    assert switch.read().mark == mark(AFTER, FLOWS + 1)


def test_a_flow_more_or_less_and_it_claims_nothing(switch: Switch, sandbox: Sandbox) -> None:
    switch.apply(TO_OLD)
    sandbox.ofctl("add-flow", "br-int", "table=1,actions=drop")
    assert (switch.claims(BEFORE), switch.foreign) == (FLOWS, 1), "others' flows are no matter of ours"

    sandbox.ofctl("add-flow", "br-int", f"table=1,priority=9,cookie={pack(Feature.L2, 1)},actions=drop")
    assert switch.claims(BEFORE) is None

    sandbox.ofctl("--strict", "del-flows", "br-int", "table=1,priority=9")
    assert switch.claims(BEFORE) == FLOWS


def test_what_only_looks_like_a_marker_goes(switch: Switch, sandbox: Sandbox) -> None:
    switch.apply(TO_OLD)
    (kept,) = (line for line in sandbox.flows() if "table=120" in line)
    cookie = f"{pack(Feature.MARKER, mark(AFTER, FLOWS + 1)):#x}"
    sandbox.ofctl("add-flow", "br-int", f"table=120,cookie={cookie},priority=0,actions=output:1")

    assert switch.claims(BEFORE) is None
    found = switch.read()
    assert found.mark == 0
    assert len(found.flows) == FLOWS + 1, "so it is compared, and replaced"
    switch.apply(TO_OLD)
    assert [line for line in sandbox.flows() if "table=120" in line] == [kept]


def filled(switch: Switch, change: Plan) -> None:
    """The change as it is being made out."""
    switch.fill(parted(change))


WAYS = pytest.mark.parametrize("change", [Switch.apply, filled])


@WAYS
@pytest.mark.parametrize("piece", [PIECE, FLOWS, FLOWS + 1])
@pytest.mark.parametrize("sent", range(0, 16, 2))
def test_wherever_a_change_breaks_off_it_claims_what_is_so(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, change: Callable[[Switch, Plan], None], piece: int, sent: int
) -> None:
    class Broken(Line):
        left = sent

        def send(self, blocks: Iterable[bytes]) -> None:
            if self.left == 0:
                raise SwitchGoneError("it breaks here")
            self.left -= 1
            super().send(blocks)

    switch.apply(TO_OLD)
    whole = switch.line
    monkeypatch.setattr(room, "PIECE", piece)
    switch.line = Broken(switch.dp)
    switch.line._talks = whole._talks  # so that answers are heard

    try:
        change(switch, TO_NEW)
    except SwitchGoneError:
        pass
    finally:
        switch.line = whole

    assert is_true(switch)


@WAYS
@pytest.mark.parametrize("number", [5, 25, 44])
def test_of_what_is_refused_in_part_nothing_is_claimed(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, change: Callable[[Switch, Plan], None], number: int
) -> None:
    monkeypatch.setattr(room, "PIECE", PIECE)
    bad = flow(Table.L2_LOOKUP, 1, (ARP_OP(1),), (), pack(Feature.L2, 7))
    switch.apply(TO_OLD)

    with pytest.raises(RefusedFlowsError) as caught:
        change(switch, Plan(add=(*TO_NEW.add[:number], bad, *TO_NEW.add[number:]), mark=TO_NEW.mark))

    assert is_true(switch)
    assert (switch.claims(BEFORE) is None) == caught.value.partly
