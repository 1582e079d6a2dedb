"""The rollout with switches that fail: whatever happens, it ends where it should, and never flips too early."""

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from os_ken.lib import hub

from app.openflow.switch import RefusedFlowsError, SwitchGoneError
from app.rollout import Rollout
from flows.diff import Parts, Plan, apply, whole
from flows.flow import Contents, MeterEntry
from flows.intent import Intent
from flows.marker import digesting, mark
from flows.model import EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import Place, resumed, touched
from flows.work import done
from tests.flows.intents import NAMES, NETWORKS, endpoint, intent, intents, may_be, moved

T = TypeVar("T")

A, B = EndpointKey("h1", "c1", "eth0"), EndpointKey("h2", "c2", "eth0")
BEFORE = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10), names=("h1", "h2"))
AFTER = moved(BEFORE, {A: 20, B: 20})


@dataclass
class Twin:
    """A switch that holds what it was given; `failures` are raised one a call, None is none."""

    contents: Contents = field(default_factory=Contents)
    failures: list[Exception | None] = field(default_factory=list)
    changes: list[Plan] = field(default_factory=list)
    foreign: int = 0
    strays: int = 0
    reads: int = 0

    def claims(self, digest: int) -> int | None:
        flows = len(self.contents.flows) + self.strays
        return flows if self.contents.mark == mark(digest, flows + 1) else None

    def meters(self) -> Mapping[int, MeterEntry]:
        return self.contents.meters

    def read(self, rest_s: float = 0.0) -> Contents:  # noqa: ARG002
        self.reads += 1
        return self.contents

    def apply(self, change: Plan) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.changes.append(change)
        self.contents = apply(self.contents, change)

    def fill(self, parts: Parts[T]) -> T:
        change, returned = done(whole(parts))
        if change:
            self.apply(change)
        return returned

    def drop_strays(self) -> None:
        self.strays = 0


class Quiet:
    """Helpers that have nothing to do."""

    def before(self, current: Intent, step: Intent) -> None:
        pass

    def settle(self, hosts: Set[str], step: Intent) -> None:
        pass

    def after(self, before: Intent, step: Intent) -> None:
        pass


@dataclass
class Bench:
    rollout: Rollout
    twins: dict[str, Twin]
    begun: dict[EndpointKey, Place]

    def settle(self) -> None:
        for _ in range(60):
            if not self.rollout.advance():
                return
        raise AssertionError("it does not end")

    def holds(self, wanted: Intent) -> bool:
        return all(holds(twin, wanted, name) for name, twin in self.twins.items())


def holds(twin: Twin, wanted: Intent, host: str) -> bool:
    """Whether it has that, and its marker says so."""
    desired = compile_bridge(wanted, host)
    said = mark(done(digesting(wanted, host)), len(desired.flows) + 1)
    return twin.contents == replace(desired, mark=said)


def bench(start: Intent, sweep: bool = True, linger_s: float = 0.0) -> Bench:
    begun = {key: Place(end.segment) for key, end in start.endpoints.items()}
    made = Bench(Rollout(start, Quiet(), begun.update, linger_s), {name: Twin() for name in start.hosts}, begun)
    if sweep:
        made.rollout.sweep()
    for name, twin in made.twins.items():
        made.rollout.connected(name, twin)
    made.settle()
    return made


def test_a_change_ends_everywhere_and_is_kept() -> None:
    made = bench(BEFORE)

    made.rollout.aim(AFTER)
    made.settle()

    assert made.holds(AFTER)
    assert made.begun == {A: Place(20), B: Place(20)}
    assert all(made.rollout.stands(name, AFTER.generation) for name in AFTER.hosts)


def test_what_lingers_is_no_part_of_the_answer_and_goes_later() -> None:
    made = bench(BEFORE, linger_s=0.2)

    made.rollout.aim(AFTER)
    made.settle()

    assert not made.rollout.unfinished([A, B])
    assert not made.holds(AFTER)
    time.sleep(0.2)
    made.settle()
    assert made.holds(AFTER)


def test_nothing_new_sends_nothing() -> None:
    made = bench(BEFORE)
    for twin in made.twins.values():
        twin.changes.clear()

    made.rollout.aim(BEFORE)
    for name, twin in made.twins.items():
        made.rollout.connected(name, twin)
    made.settle()

    assert not any(twin.changes for twin in made.twins.values())


def test_while_one_is_away_the_old_policy_stands() -> None:
    made = bench(BEFORE)
    made.rollout.disconnected("h2", made.twins["h2"])

    made.rollout.aim(AFTER)
    made.settle()

    assert made.rollout.current.endpoints[A].segment == 10
    assert not made.rollout.stands("h2", AFTER.generation)
    made.rollout.connected("h2", made.twins["h2"])
    made.settle()
    assert made.holds(AFTER)


def test_a_refusal_is_told_and_blocks_the_flip() -> None:
    made = bench(BEFORE)
    refusal = RefusedFlowsError([(None, "bad match")])
    made.twins["h2"].failures = [refusal, refusal]

    made.rollout.aim(AFTER)
    made.rollout.advance()

    assert "bad match" in (made.rollout.error("h2") or "")
    assert made.rollout.current.endpoints[A].segment == 10
    made.settle()  # refused again
    made.settle()
    assert made.holds(AFTER)
    assert made.rollout.error("h2") is None


def test_leftovers_stay_until_the_intent_is_known_complete() -> None:
    made = bench(BEFORE)
    held = dict(made.twins)
    empty = intent(names=("h1", "h2"))

    again = Rollout(empty, Quiet(), lambda _: None)
    for name, twin in held.items():
        again.connected(name, twin)
    again.advance()
    assert made.holds(BEFORE)

    again.sweep()
    again.advance()
    assert made.holds(empty)


def test_what_a_step_takes_away_goes_also_before_that() -> None:
    made = bench(BEFORE, sweep=False)

    made.rollout.aim(AFTER)
    made.settle()

    assert made.holds(AFTER)


def test_caches_are_waited_for_also_if_the_switch_went_before_it_said_that_it_has_all() -> None:
    """It has all when it comes back, and its marker says so; but what it cached was there before."""
    waited_for: list[str] = []

    class Patient(Quiet):
        def settle(self, hosts: Set[str], step: Intent) -> None:  # noqa: ARG002
            waited_for.extend(hosts)

    class Mute(Twin):
        def apply(self, change: Plan) -> None:
            super().apply(change)
            raise SwitchGoneError("made, and then gone")

    twin = Mute(bench(BEFORE).twins["h1"].contents)
    rollout = Rollout(AFTER, Patient(), lambda _: None)
    rollout.sweep()
    rollout.connected("h1", twin)
    rollout.advance()
    assert holds(twin, AFTER, "h1")
    assert not waited_for

    rollout.disconnected("h1", twin)
    rollout.connected("h1", Twin(twin.contents))
    rollout.advance()
    rollout.advance()

    assert waited_for == ["h1"]


def test_leftovers_go_also_when_sweeping_begins_during_a_push() -> None:
    rollout = Rollout(BEFORE, Quiet(), lambda _: None)

    class Sweeping(Twin):
        def apply(self, change: Plan) -> None:
            super().apply(change)
            rollout.sweep()

    more = intent(*BEFORE.endpoints.values(), endpoint("h1", 3, 10), names=("h1", "h2"))
    held = compile_bridge(more, "h1")
    changed = next(key for key, flow in held.flows.items() if compile_bridge(BEFORE, "h1").flows.get(key) != flow)
    twin = Sweeping(Contents({key: flow for key, flow in held.flows.items() if key != changed}, held.meters))
    rollout.connected("h1", twin)
    for _ in range(4):
        rollout.advance()

    assert holds(twin, BEFORE, "h1")


def test_a_switch_that_does_not_answer_holds_up_nobody_for_long() -> None:
    made = bench(BEFORE)

    class Silent(Twin):
        def read(self, rest_s: float = 0.0) -> Contents:  # noqa: ARG002
            hub.sleep(5)
            raise SwitchGoneError("no answer")

    made.rollout.connected("h2", Silent())
    extra = endpoint("h1", 5, 30)
    target = intent(*BEFORE.endpoints.values(), extra, names=("h1", "h2"), generation=2)
    made.rollout.aim(target)
    began = time.monotonic()
    made.settle()

    assert time.monotonic() - began < 3
    assert made.rollout.stands("h1", 2)
    assert not made.rollout.stands("h2", 2)


def test_a_move_that_waits_does_not_make_all_else_wait() -> None:
    made = bench(BEFORE)
    made.rollout.disconnected("h2", made.twins["h2"])
    made.rollout.aim(AFTER)
    made.settle()
    extra = endpoint("h1", 5, 30)

    made.rollout.aim(intent(*AFTER.endpoints.values(), extra, names=("h1", "h2"), generation=9))
    made.settle()

    assert made.rollout.stands("h1", 9)
    assert made.rollout.unfinished([extra.key, A]) == {A}


def test_what_could_not_be_told_is_told_again() -> None:
    told: list[frozenset[str]] = []

    class Failing(Quiet):
        def after(self, before: Intent, step: Intent) -> None:
            told.append(touched(before, step))
            if len(told) == 1:
                raise OSError("disk full")

    rollout = Rollout(intent(names=("h1",)), Failing(), lambda _: None)
    rollout.connected("h1", Twin())
    rollout.aim(intent(endpoint("h1", 1, 10), names=("h1",)))
    with pytest.raises(OSError, match="disk full"):
        rollout.advance()
    rollout.advance()

    assert told == [frozenset({"h1"}), frozenset({"h1"})]


def test_what_a_controller_before_it_left_in_the_caches_is_waited_for_once_and_first() -> None:
    told: list[tuple[Set[str], int]] = []

    class Noting(Quiet):
        def settle(self, hosts: Set[str], step: Intent) -> None:
            told.append((hosts, len(step.companies)))

    flipped = {key: Place(20, 1, 10) for key in (A, B)}
    rollout = Rollout(resumed(AFTER, flipped, NETWORKS.__getitem__), Noting(), lambda _: None, linger_s=0.0)
    rollout.aim(AFTER)
    for name in AFTER.hosts:
        rollout.connected(name, Twin())
    for _ in range(3):
        rollout.advance()

    assert rollout.current is AFTER
    assert told == [({"h1", "h2"}, 1), ({"h1", "h2"}, 0)], "first, and when they close"


def test_nobody_is_told_that_a_step_stands_before_the_caches_are_waited_for() -> None:
    told: list[bool] = []

    class Asking(Quiet):
        def settle(self, hosts: Set[str], step: Intent) -> None:  # noqa: ARG002
            told.extend(made.rollout.stands(host, AFTER.generation) for host in hosts)

    begun = {key: Place(end.segment) for key, end in BEFORE.endpoints.items()}
    twins = {name: Twin() for name in BEFORE.hosts}
    made = Bench(Rollout(BEFORE, Asking(), begun.update, linger_s=0.0), twins, begun)
    for name, twin in twins.items():
        made.rollout.connected(name, twin)
    made.settle()
    made.rollout.aim(AFTER)
    made.settle()

    assert len(told) == 4, "both hosts, when they flip and when they close"
    assert not any(told)
    assert all(made.rollout.stands(host, AFTER.generation) for host in AFTER.hosts)


def test_where_the_first_push_changes_something_the_cache_is_waited_for() -> None:
    told: list[Set[str]] = []

    class Noting(Quiet):
        def settle(self, hosts: Set[str], step: Intent) -> None:  # noqa: ARG002
            told.append(hosts)

    rollout = Rollout(AFTER, Noting(), lambda _: None)
    for name, held in (("h1", BEFORE), ("h2", AFTER)):
        rollout.connected(name, Twin(compile_bridge(held, name)))
    rollout.advance()

    assert told == [{"h1"}]


failures = st.lists(st.sampled_from([None, None, "gone", "refused"]), max_size=4)
segments = st.dictionaries(
    st.builds(EndpointKey, st.sampled_from(NAMES), st.sampled_from([f"c{n}" for n in range(1, 7)]), st.just("eth0")),
    st.sampled_from((10, 20, 30, None)),
)


def raised(name: str | None) -> Exception | None:
    match name:
        case "gone":
            return SwitchGoneError("gone")
        case "refused":
            return RefusedFlowsError([(None, "bad match")])
        case _:
            return None


@settings(max_examples=60, deadline=None)
@given(intents(), segments, st.tuples(failures, failures, failures))
def test_whatever_fails_it_ends_where_it_should(
    before: Intent, change: dict[EndpointKey, int | None], failing: tuple[list[str | None], ...]
) -> None:
    made = bench(before)
    target = moved(before, change)
    assume(may_be(target))
    for twin, names in zip(made.twins.values(), failing, strict=True):
        twin.failures = [raised(name) for name in names]

    made.rollout.aim(target)
    for _ in range(8):  # a tick each: what failed is tried again
        made.settle()

    assert made.holds(target)


@settings(max_examples=60, deadline=None)
@given(intents(), segments, st.integers(0, 12))
def test_killed_between_any_two_steps_it_goes_on_to_the_new_policy(
    before: Intent, change: dict[EndpointKey, int | None], steps: int
) -> None:
    made = bench(before)
    target = moved(before, change)
    assume(may_be(target))
    made.rollout.aim(target)
    for _ in range(steps):
        made.rollout.advance()

    start = resumed(target, made.begun, NETWORKS.__getitem__)
    again = Bench(Rollout(start, Quiet(), made.begun.update, linger_s=0.0), made.twins, made.begun)
    again.rollout.aim(target)
    again.rollout.sweep()
    for name, twin in made.twins.items():
        again.rollout.connected(name, twin)
    for _ in range(2):  # what lingers goes with the next tick
        again.settle()

    assert again.holds(target)
