"""The law of change: nothing lost that both sides allow, nothing delivered that neither does, at every moment."""

from dataclasses import replace
from itertools import permutations, product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flows.intent import Intent
from flows.model import DETOURS, Company, EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import next_step, places, resumed, same, stale, touched
from tests.flows.fabric import BROADCAST, receivers
from tests.flows.intents import NAMES, NETWORKS, SEGMENTS, endpoint, intent, keeping, may_be, moved
from tests.flows.law import TOGETHER, A, B, C, bridges, check_law, check_moment, end, mixtures, steps, unfinished

segments = st.dictionaries(
    st.builds(EndpointKey, st.sampled_from(NAMES), st.sampled_from([f"c{n}" for n in range(1, 7)]), st.just("eth0")),
    st.sampled_from((*SEGMENTS, None)),
)


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, st.frozensets(st.sampled_from(NAMES), max_size=1), st.booleans())
def test_no_moment_of_a_change_breaks_the_law(
    before: Intent, change: dict[EndpointKey, int | None], away: frozenset[str], lingering: bool
) -> None:
    target = moved(before, change)
    assume(may_be(target))
    check_law(before, target, away, lingering)


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, segments)
def test_a_change_while_another_lingers_keeps_the_law(
    before: Intent, first: dict[EndpointKey, int | None], second: dict[EndpointKey, int | None]
) -> None:
    between = moved(before, first)
    there = end(before, between, lingering=True)
    after = moved(between, second)
    assume(may_be(between))
    assume(may_be(after))

    assert not unfinished(there, between)
    for one, other in steps(there, after, lingering=True):
        for now in mixtures(one, other, frozenset(), there):
            check_moment(now, between, after)


@settings(max_examples=100, deadline=None)
@given(keeping(), st.lists(segments, min_size=2, max_size=3), st.frozensets(st.sampled_from(NAMES), max_size=2))
def test_a_host_that_is_away_lets_nobody_in_who_is_elsewhere_by_now(
    before: Intent, changes: list[dict[EndpointKey, int | None]], away: frozenset[str]
) -> None:
    target = moved(before, changes[0])
    assume(may_be(target))
    now = there = end(before, target, lingering=True)
    had = bridges(there)
    for change in changes[1:]:
        target = moved(target, change)
        assume(may_be(target))
        now = end(end(now, target, away, lingering=True), target, away)
    have = {name: had[name] if name in away else each for name, each in bridges(now).items()}
    for sender, receiver in permutations(now.endpoints.keys() & there.endpoints.keys(), 2):
        for eth_dst in (int(now.endpoints[receiver].mac), BROADCAST):
            copies = [end.key for end in receivers(have, there, there.endpoints[sender], eth_dst)]
            together = now.endpoints[sender].segment == now.endpoints[receiver].segment
            assert together or receiver not in copies


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, segments)
def test_a_change_of_mind_halfway_ends_at_the_newest(
    before: Intent, first: dict[EndpointKey, int | None], second: dict[EndpointKey, int | None]
) -> None:
    halfway = next_step(before, moved(before, first))
    target = moved(before, second)
    assume(may_be(moved(before, first)))
    assume(may_be(target))

    last = end(halfway, target)

    assert bridges(last) == bridges(target)
    assert not unfinished(last, target)


def test_a_move_opens_flips_and_closes() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})

    path = [(step.endpoints[A].segment, step.companies) for _, step in steps(TOGETHER, target)]

    company = {1: Company(frozenset({10, 20}), (A, B))}
    assert path == [(10, company), (20, company), (20, {})]


@settings(max_examples=60, deadline=None)
@given(keeping(), segments, st.booleans())
def test_what_switches_still_have_cached_breaks_no_law(
    before: Intent, change: dict[EndpointKey, int | None], lingering: bool
) -> None:
    """A switch may act by anything that it had since it was last waited for; and after the end only by the end.

    Who is gone is not looked at: its port went before its flows, and all that is cached for it with that.
    """
    target = moved(before, {key: segment for key, segment in change.items() if segment is not None})
    assume(may_be(target))
    remembered = {name: [compile_bridge(before, name)] for name in NAMES}

    def check(before: Intent) -> None:
        for choice in product(*(remembered[name] for name in NAMES)):
            check_moment(dict(zip(NAMES, choice, strict=True)), before, target)

    for one, other in steps(before, target, lingering=lingering):
        for name in NAMES:
            remembered[name].append(compile_bridge(other, name))
        check(before)
        for name in stale(one, other, frozenset((*SEGMENTS, *DETOURS))):
            del remembered[name][:-1]
    check(target)


def test_a_company_may_linger_and_leaves_the_way_back_open() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})
    opened = next_step(TOGETHER, target, lingering=True)
    flipped = next_step(opened, target, lingering=True)

    assert same(next_step(flipped, target, lingering=True), flipped)
    assert unfinished(opened, target) == {A, B}
    assert not unfinished(flipped, target)
    assert not unfinished(next_step(flipped, TOGETHER, lingering=True), TOGETHER), "no step but the flip"
    assert same(next_step(flipped, target), target)


def test_who_stays_behind_hears_his_company_no_more() -> None:
    target = moved(TOGETHER, {A: 20, B: 20, C: 20})
    there = end(TOGETHER, target, lingering=True)
    back = moved(target, {A: 10, B: 10})

    flipped = next_step(there, back, lingering=True)

    assert not unfinished(flipped, back)
    assert [company.members for company in flipped.companies.values()] == [(A, B)]
    assert "h3" in stale(there, flipped)
    waiting = next_step(there, back, frozenset({"h3"}), lingering=True)
    assert unfinished(waiting, back) == {A, B}, "not while C would hear them still"


def test_a_company_stays_while_a_host_of_it_is_away() -> None:
    moved_on = moved(TOGETHER, {A: 20, B: 20})
    there = end(TOGETHER, moved_on, lingering=True)
    back = moved(moved_on, {A: 10})

    waiting = end(there, moved_on, frozenset({"h2"}))

    assert waiting.companies == there.companies
    assert unfinished(end(waiting, back, frozenset({"h2"})), back) == {A}, "B would hear it still"
    assert same(end(waiting, back), back)


@settings(max_examples=60, deadline=None)
@given(keeping(), segments)
def test_what_is_said_of_the_steps_is_enough_to_go_on(before: Intent, change: dict[EndpointKey, int | None]) -> None:
    target = moved(before, change)
    assume(may_be(target))
    begun = places(replace(before, endpoints={}, companies={}), before)

    for one, other in steps(before, target, lingering=True):
        begun |= places(one, other)
        again = resumed(target, begun, NETWORKS.__getitem__)
        there = {key: end.segment for key, end in other.endpoints.items() if key in target.endpoints}
        assert {key: end.segment for key, end in again.endpoints.items()} == there
        assert again.companies == {
            n: Company(c.segments, tuple(k for k in c.members if k in target.endpoints))
            for n, c in other.companies.items()
            if not target.endpoints.keys().isdisjoint(c.members)
        }


def test_a_host_keeps_for_a_while_what_its_last_member_has_left() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h3", 3, 10))
    target = moved(before, {A: 20})
    there = end(before, target, lingering=True)
    back = moved(target, {A: 10})

    assert not same(there, target)
    assert not unfinished(there, target)
    assert there.serves("h1", 10)
    assert there.kept == {"h1": {10}}
    assert touched(there, moved(there, {C: 30})) == {"h1", "h3"}
    assert end(there, back, lingering=True).kept == {"h1": {20}}, "it was left now"
    tidied = next_step(there, target)
    assert tidied is target
    assert touched(there, tidied) == {"h1"}
    assert stale(there, tidied) == frozenset(), "no packet is decided there"


def test_what_was_cached_is_waited_for_where_it_would_do_harm() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})
    opened = next_step(TOGETHER, target)
    flipped = next_step(opened, target)

    assert stale(TOGETHER, opened) == frozenset(), "nobody was in 20, so nothing of it is cached"
    assert stale(TOGETHER, opened, frozenset({20})) == {"h1", "h2"}
    assert stale(opened, flipped) == {"h1", "h2"}
    assert stale(flipped, moved(target, {A: 10, B: 10, C: 20})) == {"h1", "h2", "h3"}, "where they come to as well"


def test_a_rate_that_comes_is_waited_for_where_it_counts() -> None:
    limited = TOGETHER.changed({A: replace(TOGETHER.endpoints[A], up_kbps=1000, up_meter=1)})

    assert stale(TOGETHER, limited) == {"h1"}
    assert stale(limited, limited.changed({A: replace(limited.endpoints[A], up_kbps=2000)})) == frozenset()


@settings(max_examples=100, deadline=None)
@given(keeping(), segments)
def test_hosts_that_are_not_touched_keep_their_flows(before: Intent, change: dict[EndpointKey, int | None]) -> None:
    target = moved(before, change)
    assume(may_be(target))

    same_flows = {name for name in NAMES if compile_bridge(before, name) == compile_bridge(target, name)}

    assert set(NAMES) - touched(before, target) <= same_flows


def test_the_peers_of_a_deleted_host_are_touched() -> None:
    before = intent(endpoint("h1", 1, 10), names=("h1", "h2"))
    after = replace(before, hosts={"h1": before.hosts["h1"]}, links=frozenset())

    assert "h1" in touched(before, after)
