"""The law of change: nothing lost that both sides allow, nothing delivered that neither does, at every moment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.flow import Contents
from flows.intent import Intent
from flows.model import DETOURS, EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import arrived, next_step, same, stale, touched
from tests.flows.fabric import BROADCAST, receivers
from tests.flows.intents import NAMES, SEGMENTS, endpoint, intent, keeping, moved

A, B, C = EndpointKey("h1", "c1", "eth0"), EndpointKey("h2", "c2", "eth0"), EndpointKey("h3", "c3", "eth0")
TOGETHER = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10), endpoint("h3", 3, 10))

segments = st.dictionaries(
    st.builds(EndpointKey, st.sampled_from(NAMES), st.sampled_from([f"c{n}" for n in range(1, 7)]), st.just("eth0")),
    st.sampled_from((*SEGMENTS, None)),
)


def steps(
    before: Intent, target: Intent, away: frozenset[str] = frozenset(), lingering: bool = False
) -> Iterator[tuple[Intent, Intent]]:
    current = before
    for _ in range(40):
        step = next_step(current, target, away, lingering=lingering)
        if same(current, step):
            return
        yield current, step
        current = step
    raise AssertionError("it does not end")


def unfinished(step: Intent, target: Intent) -> set[EndpointKey]:
    return {key for key, wanted in target.endpoints.items() if step.endpoints.get(key) != wanted}


def bridges(step: Intent) -> dict[str, Contents]:
    return {name: compile_bridge(step, name) for name in step.hosts}


def mixtures(one: Intent, other: Intent, away: frozenset[str], old: Intent) -> Iterator[dict[str, Contents]]:
    """Every moment between two steps: each switch has the one or the other; those that are away have what they had."""
    have, will, had = bridges(one), bridges(other), bridges(old)
    for choice in product((have, will), repeat=len(NAMES)):
        yield {n: had[n] if n in away else chosen[n] for n, chosen in zip(NAMES, choice, strict=True)}


def check_law(before: Intent, target: Intent, away: frozenset[str], lingering: bool = False) -> None:
    for one, other in steps(before, target, away, lingering):
        for now in mixtures(one, other, away, before):
            check_moment(now, before, target)


def check_moment(now: Mapping[str, Contents], before: Intent, target: Intent) -> None:
    for sender, receiver in permutations(before.endpoints.keys() & target.endpoints.keys(), 2):
        old = before.endpoints[sender].sends == before.endpoints[receiver].sends
        new = target.endpoints[sender].sends == target.endpoints[receiver].sends
        for eth_dst in (int(before.endpoints[receiver].mac), BROADCAST):
            copies = [end.key for end in receivers(now, before, before.endpoints[sender], eth_dst)]
            if old and new:
                assert copies.count(receiver) == 1
            elif not old and not new:
                assert receiver not in copies


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, st.frozensets(st.sampled_from(NAMES), max_size=1), st.booleans())
def test_no_moment_of_a_change_breaks_the_law(
    before: Intent, change: dict[EndpointKey, int | None], away: frozenset[str], lingering: bool
) -> None:
    check_law(before, moved(before, change), away, lingering)


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, segments)
def test_a_change_while_another_lingers_keeps_the_law(
    before: Intent, first: dict[EndpointKey, int | None], second: dict[EndpointKey, int | None]
) -> None:
    between = moved(before, first)
    last = [step for _, step in steps(before, between, lingering=True)][-1:] or [before]
    after = moved(between, second)

    assert all(arrived(last[0], between, key) for key in between.endpoints)
    for one, other in steps(last[0], after, lingering=True):
        for now in mixtures(one, other, frozenset(), last[0]):
            check_moment(now, between, after)


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, segments)
def test_a_change_of_mind_halfway_ends_at_the_newest(
    before: Intent, first: dict[EndpointKey, int | None], second: dict[EndpointKey, int | None]
) -> None:
    halfway = next_step(before, moved(before, first))
    target = moved(before, second)

    last = [step for _, step in steps(halfway, target)][-1:] or [halfway]

    assert bridges(last[0]) == bridges(target)
    assert not unfinished(last[0], target)


def test_a_move_opens_flips_and_closes() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})

    path = [(step.endpoints[A].sends, set(step.endpoints[A].receives)) for _, step in steps(TOGETHER, target)]

    assert path == [(10, {10, 20}), (20, {10, 20}), (20, {20})]


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, st.booleans())
def test_what_switches_still_have_cached_breaks_no_law(
    before: Intent, change: dict[EndpointKey, int | None], lingering: bool
) -> None:
    """A switch may act by anything that it had since it was last waited for; and after the end only by the end.

    Who is gone is not looked at: its port went before its flows, and all that is cached for it with that.
    """
    target = moved(before, {key: segment for key, segment in change.items() if segment is not None})
    remembered = {name: [compile_bridge(before, name)] for name in NAMES}

    def check(before: Intent) -> None:
        for choice in product(*(remembered[name] for name in NAMES)):
            check_moment(dict(zip(NAMES, choice, strict=True)), before, target)

    for one, other in steps(before, target, lingering=lingering):
        for name in NAMES:
            remembered[name].append(compile_bridge(other, name))
        check(before)
        for name in stale(one, other, target, frozenset((*SEGMENTS, *DETOURS))):
            del remembered[name][:-1]
    check(target)


def test_to_close_what_nobody_uses_may_linger_and_leaves_the_way_back_open() -> None:
    target = moved(TOGETHER, {A: 20, B: 20, C: 20})
    opened = next_step(TOGETHER, target, lingering=True)
    flipped = next_step(opened, target, lingering=True)

    assert same(next_step(flipped, target, lingering=True), flipped)
    assert all(arrived(flipped, target, key) for key in (A, B, C))
    assert not arrived(opened, target, A)
    assert next_step(flipped, TOGETHER, lingering=True).endpoints[A].sends == 10
    assert same(next_step(flipped, target), target)


def test_nothing_lingers_where_somebody_stays_or_comes() -> None:
    left = moved(TOGETHER, {A: 20, B: 20})
    everybody = moved(TOGETHER, {A: 20, B: 20, C: 20})
    flipped = next_step(next_step(TOGETHER, everybody), everybody)
    newcomer = endpoint("h3", 6, 10)

    assert [step.endpoints[A].receives for _, step in steps(TOGETHER, left, lingering=True)][-1] == {20}
    assert not arrived(next_step(next_step(TOGETHER, left), left), left, A)
    welcome = intent(newcomer, *everybody.endpoints.values())
    closed = next_step(flipped, welcome, lingering=True)
    assert closed.endpoints[A].receives == {20}
    assert newcomer.key not in closed.endpoints
    assert stale(flipped, closed, welcome) == {"h1", "h2", "h3"}


def test_a_host_keeps_for_a_while_what_its_last_member_has_left() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h3", 3, 10))
    target = moved(before, {A: 20})
    there = [step for _, step in steps(before, target, lingering=True)][-1]
    back = moved(target, {A: 10})

    assert not same(there, target)
    assert all(arrived(there, target, key) for key in target.endpoints)
    assert there.serves("h1", 10)
    assert there.kept == {"h1": {10}}
    assert touched(there, moved(there, {C: 30})) == {"h1", "h3"}
    assert [step.kept for _, step in steps(there, back, lingering=True)][-1] == {}, "somebody is there again"
    tidied = next_step(there, target)
    assert tidied is target
    assert touched(there, tidied) == {"h1"}
    assert stale(there, tidied, target) == frozenset(), "no packet is decided there"


def test_what_was_cached_is_waited_for_where_it_would_do_harm() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})
    opened = next_step(TOGETHER, target)
    flipped = next_step(opened, target)
    closed = next_step(flipped, target)

    assert stale(TOGETHER, opened, target) == frozenset(), "nobody was in 20, so nothing of it is cached"
    assert stale(TOGETHER, opened, target, frozenset({20})) == {"h1", "h2"}
    assert stale(opened, flipped, target) == {"h1", "h2"}
    assert stale(flipped, closed, target) == {"h1", "h2"}, "C sends in 10 still"


def test_a_rate_that_comes_is_waited_for_where_it_counts() -> None:
    limited = TOGETHER.changed({A: replace(TOGETHER.endpoints[A], up_kbps=1000, up_meter=1)})

    assert stale(TOGETHER, limited, limited) == {"h1"}
    assert stale(limited, limited.changed({A: replace(limited.endpoints[A], up_kbps=2000)}), limited) == frozenset()


def test_those_that_move_together_wait_for_the_host_that_is_away() -> None:
    target = moved(TOGETHER, {A: 20, B: 20, C: 30})

    last = [step for _, step in steps(TOGETHER, target, frozenset({"h2"}))][-1]

    assert last.endpoints[A].sends == 10, "the old policy stands for A, since B cannot follow"
    assert last.endpoints[C].sends == 30, "C goes alone"
    assert unfinished(last, target) == {A, B}


def test_a_mover_waits_for_one_that_comes_later() -> None:
    opened = next_step(TOGETHER, moved(TOGETHER, {A: 20}))

    step = next_step(opened, moved(TOGETHER, {A: 20, B: 20}))

    assert step.endpoints[A].sends == 10
    assert step.endpoints[B].receives == {10, 20}


@settings(max_examples=100, deadline=None)
@given(keeping(), segments)
def test_hosts_that_are_not_touched_keep_their_flows(before: Intent, change: dict[EndpointKey, int | None]) -> None:
    target = moved(before, change)

    same_flows = {name for name in NAMES if compile_bridge(before, name) == compile_bridge(target, name)}

    assert set(NAMES) - touched(before, target) <= same_flows


def test_two_that_swap_never_meet() -> None:
    swapped = moved(intent(endpoint("h1", 1, 10), endpoint("h2", 2, 20)), {A: 20, B: 10})
    before = moved(swapped, {A: 10, B: 20})

    check_law(before, swapped, frozenset())

    last = [step for _, step in steps(before, swapped)][-1]
    assert bridges(last) == bridges(swapped)


def test_nobody_comes_in_while_one_that_should_leave_cannot() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 20))
    target = moved(before, {A: 20, B: 30})

    assert next_step(before, target, frozenset({"h2"})).endpoints == before.endpoints


def test_a_newcomer_does_not_meet_one_that_should_have_left() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10))
    left = moved(before, {A: 20})
    new = endpoint("h2", 3, 10)

    step = next_step(before, intent(new, *left.endpoints.values()), frozenset({"h1"}))

    assert new.key not in step.endpoints


def test_the_address_of_one_that_cannot_leave_is_not_given_twice() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10))
    left = moved(before, {A: 20})
    heir = endpoint("h2", 1, 10, key=EndpointKey("h2", "new", "eth0"), owner=1999, ofport=9)

    step = next_step(before, intent(heir, *left.endpoints.values()), frozenset({"h1"}))

    compile_bridge(step, "h2")


def test_the_peers_of_a_deleted_host_are_touched() -> None:
    before = intent(endpoint("h1", 1, 10), names=("h1", "h2"))
    after = replace(before, hosts={"h1": before.hosts["h1"]}, links=frozenset())

    assert "h1" in touched(before, after)
