"""Who comes back is believed by its marker and compared later; what its marker does not vouch for is read at once."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import pytest
from os_ken.lib import hub

from app.openflow.switch import SwitchGoneError
from app.rollout import Rollout
from app.station import AT_ONCE
from flows.flow import Contents, MeterEntry
from flows.intent import Intent
from tests.app.test_drift import Told
from tests.app.test_rollout import AFTER, BEFORE, Quiet, Twin, bench, holds
from tests.flows.intents import endpoint, intent

LIMITED = intent(endpoint("h1", 1, 10, up_kbps=1000, up_meter=1), endpoint("h2", 2, 10), names=("h1", "h2"))


def given(wanted: Intent = LIMITED) -> Twin:
    """The switch of h1 as a controller left it that wanted this."""
    twin = bench(wanted).twins["h1"]
    twin.changes.clear()
    twin.reads = 0
    return twin


def met(twin: Twin, wanted: Intent = LIMITED, told: Told | None = None, *, sweep: bool = True) -> Rollout:
    """Another controller, which wants this and met the switch."""
    rollout = Rollout(wanted, Quiet(), lambda _: None, witness=told)
    if sweep:
        rollout.sweep()
    rollout.connected("h1", twin)
    rollout.advance()
    return rollout


def altered(contents: Contents) -> Contents:
    """One flow has other actions: as many as before, and the marker too."""
    flow = next(flow for flow in contents.flows.values() if flow.actions)
    return replace(contents, flows={**contents.flows, flow.key: flow._replace(actions=())})


def less(contents: Contents, number: int = 1) -> Contents:
    """So many flows are missing."""
    return replace(contents, flows=dict(islice(contents.flows.items(), number, None)))


def test_who_has_what_is_wanted_is_served_without_a_read() -> None:
    told, twin = Told(), given()
    twin.foreign = 2

    rollout = met(twin, told=told)

    assert rollout.stands("h1", LIMITED.generation)
    assert (twin.reads, twin.changes) == (0, [])
    assert told.foreign == [("h1", 2)]


def test_from_there_it_goes_on_like_any_other() -> None:
    twin = given(BEFORE)
    rollout = met(twin, BEFORE)

    more = intent(*BEFORE.endpoints.values(), endpoint("h1", 3, 10), names=("h1", "h2"), generation=2)
    rollout.aim(more)
    rollout.advance()

    assert twin.reads == 0
    assert holds(twin, more, "h1")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda contents: less(contents),
        lambda contents: less(contents, 1000),
        lambda contents: replace(contents, mark=0),
        lambda contents: replace(contents, mark=contents.mark ^ 1),
        lambda contents: replace(contents, meters={}),
        lambda contents: replace(contents, meters={1: MeterEntry(1, 5, 600)}),
        lambda contents: replace(contents, meters={**contents.meters, 9: MeterEntry(9, 5, 600)}),
    ],
)
def test_what_is_seen_to_differ_is_read_and_put_right_at_once(spoilt) -> None:  # type: ignore[no-untyped-def]
    twin = given()
    twin.contents = spoilt(twin.contents)

    rollout = met(twin)

    assert twin.reads == 1
    assert holds(twin, LIMITED, "h1")
    assert rollout.stands("h1", LIMITED.generation)


def test_who_was_given_something_else_is_read() -> None:
    twin = given(BEFORE)

    met(twin, LIMITED)

    assert twin.reads == 1
    assert holds(twin, LIMITED, "h1")


def test_an_altered_flow_is_found_later_and_told() -> None:
    told, twin = Told(), given()
    twin.contents = altered(twin.contents)
    rollout = met(twin, told=told)
    assert rollout.stands("h1", LIMITED.generation)

    rollout.prove()
    assert not rollout.stands("h1", LIMITED.generation)
    rollout.advance()

    assert holds(twin, LIMITED, "h1")
    assert told.differing == [("h1", 1)]
    assert told.stood_with == [("h1", 0), ("h1", 1)]


def test_it_is_compared_once() -> None:
    twin = given()
    rollout = met(twin)

    for _ in range(3):
        rollout.prove()

    assert (twin.reads, twin.changes) == (1, [])


def test_what_is_changed_during_a_comparison_is_compared_again_but_not_for_ever() -> None:
    class Busy(Twin):
        def read(self, rest_s: float = 0.0) -> Contents:
            found = super().read(rest_s)
            if rest_s:  # nobody waits for it: so others go on
                rollout.aim(other if rollout.target is BEFORE else BEFORE)
                rollout.advance()
            return found

    other = intent(*BEFORE.endpoints.values(), endpoint("h1", 3, 10), names=("h1", "h2"))
    twin = Busy(given(BEFORE).contents)
    rollout = met(twin, BEFORE)

    for _ in range(10):
        rollout.prove()
        rollout.advance()

    assert twin.reads == 6, "five that came to nothing, and one that others waited for"
    assert holds(twin, rollout.target, "h1")


def test_with_leftovers_there_is_no_word_to_take() -> None:
    twin = given(AFTER)
    alone = replace(BEFORE, endpoints={})
    met(twin, alone, sweep=False)
    assert twin.reads == 1
    left = twin.contents

    met(twin, alone, sweep=False)
    assert twin.reads == 2
    assert twin.contents == left, "nothing was written, and the old marker stands"

    met(twin, AFTER, sweep=False)
    assert twin.reads == 2, "it was true all the time"


def test_strays_are_counted() -> None:
    twin = given()
    twin.strays = 1

    met(twin)
    assert (twin.reads, twin.strays) == (1, 0)

    met(twin)
    assert twin.reads == 1


def test_who_saw_somebody_else_change_it_does_not_believe_it() -> None:
    twin = given()
    rollout = Rollout(LIMITED, Quiet(), lambda _: None)
    rollout.sweep()
    rollout.connected("h1", twin)
    rollout.drifted("h1", None)

    rollout.advance()

    assert twin.reads == 1


def test_who_is_silent_holds_up_no_comparison_of_others() -> None:
    class Silent(Twin):
        def meters(self) -> Mapping[int, MeterEntry]:
            silence.wait(10)
            raise SwitchGoneError("no answer")

    silence = hub.Event()
    names = tuple(f"h{number}" for number in range(AT_ONCE + 2))
    rollout = Rollout(intent(names=names), Quiet(), lambda _: None)
    for name in names[1:]:
        rollout.connected(name, Silent())
    hub.spawn(rollout.advance)
    hub.sleep(0.1)
    rollout.connected(names[0], Twin())

    try:
        rollout.advance()
        assert rollout.stands(names[0], 1)
    finally:
        silence.set()
