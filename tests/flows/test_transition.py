"""The law of change: nothing lost that both sides allow, nothing delivered that neither does, at every moment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations, product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flows.flow import Contents
from flows.intent import Intent
from flows.model import DETOURS, Company, EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import next_step, places, resumed, same, stale, touched
from tests.flows.fabric import BROADCAST, receivers
from tests.flows.intents import NAMES, NETWORKS, SEGMENTS, endpoint, intent, keeping, may_be, moved

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


def end(before: Intent, target: Intent, away: frozenset[str] = frozenset(), lingering: bool = False) -> Intent:
    """The last step that may be taken."""
    return next(reversed([step for _, step in steps(before, target, away, lingering)]), before)


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
        old = before.endpoints[sender].segment == before.endpoints[receiver].segment
        new = target.endpoints[sender].segment == target.endpoints[receiver].segment
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


def test_who_is_alone_or_on_one_host_with_his_company_need_not_open() -> None:
    beside = endpoint("h1", 4, 10)
    before = intent(beside, *TOGETHER.endpoints.values())

    for movers in ({A}, {A, beside.key}):
        target = moved(before, dict.fromkeys(movers, 20))
        flipped = next_step(before, target, lingering=True)
        assert not unfinished(flipped, target)
        assert {key for company in flipped.companies.values() for key in company.members} == movers, "it is known of"


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


def test_a_company_that_goes_on_elsewhere_opens_that() -> None:
    there = end(TOGETHER, moved(TOGETHER, {A: 20, B: 20}), lingering=True)
    opened = next_step(there, moved(TOGETHER, {A: 30, B: 30}), lingering=True)

    assert [opened.endpoints[key].segment for key in (A, B)] == [20, 20]
    assert list(opened.companies.values()) == [Company(frozenset({20, 30}), (A, B))]
    assert stale(there, opened) == {"h1", "h2"}, "they hear each other in 10 no more"


def test_a_company_stays_while_a_host_of_it_is_away() -> None:
    moved_on = moved(TOGETHER, {A: 20, B: 20})
    there = end(TOGETHER, moved_on, lingering=True)
    back = moved(moved_on, {A: 10})

    waiting = end(there, moved_on, frozenset({"h2"}))

    assert waiting.companies == there.companies
    assert unfinished(end(waiting, back, frozenset({"h2"})), back) == {A}, "B would hear it still"
    assert same(end(waiting, back), back)


def twins(of: Intent, segment: int) -> Intent:
    """The same, and for each another one on his host with his address in that segment."""
    more = (
        replace(end, key=end.key._replace(container=f"twin-{end.name}"), owner=end.owner + 100, ofport=end.ofport + 50)
        for end in of.endpoints.values()
    )
    return intent(*of.endpoints.values(), *(replace(end, segment=segment) for end in more))


def test_those_of_the_same_addresses_may_swap() -> None:
    before = twins(moved(TOGETHER, {C: None}), 20)
    swapped = moved(before, {key: 30 - end.segment for key, end in before.endpoints.items()})

    for lingering in (False, True):
        check_law(before, swapped, frozenset(), lingering)
        assert not unfinished(end(before, swapped, lingering=lingering), swapped)


def test_who_comes_where_another_of_the_same_address_is_listened_for_waits_until_that_is_over() -> None:
    before = twins(moved(TOGETHER, {C: None}), 20)
    away = moved(before, {A: 30, B: 30})
    there = end(before, away, lingering=True)
    after = moved(away, {key: 10 for key, end in away.endpoints.items() if end.segment == 20})

    path = [step for _, step in steps(there, after, lingering=True)]

    assert path[0].companies == {}, "nobody listens in 10 any more"
    assert stale(there, path[0]) == {"h1", "h2"}
    assert not unfinished(path[-1], after)
    for one, other in steps(there, after, lingering=True):
        for now in mixtures(one, other, frozenset(), there):
            check_moment(now, away, after)


def test_nobody_comes_where_one_of_the_same_address_is_listened_for() -> None:
    away = moved(TOGETHER, {A: 20, B: 20})
    there = end(TOGETHER, away, lingering=True)
    newcomer = endpoint("h3", 9, 10, mac=TOGETHER.endpoints[A].mac)
    anew = replace(TOGETHER.endpoints[C], mac=TOGETHER.endpoints[B].mac)
    after = intent(*(away.endpoints[key] for key in (A, B)), newcomer, anew)

    first = next_step(there, after, lingering=True)

    assert newcomer.key not in first.endpoints
    assert first.endpoints[C].mac == TOGETHER.endpoints[C].mac
    assert not unfinished(next_step(first, after, lingering=True), after)


def test_nobody_arrives_with_a_new_address_where_one_of_the_same_is_listened_for() -> None:
    mover = endpoint("h2", 4, 30)
    before = intent(mover, *TOGETHER.endpoints.values())
    away = moved(before, {A: 20, B: 20})
    there = end(before, away, lingering=True)
    anew = replace(mover, segment=10, mac=before.endpoints[A].mac)
    after = intent(anew, *(away.endpoints[key] for key in (A, B, C)))

    first = next_step(there, after, lingering=True)

    assert first.endpoints[mover.key].segment == 30
    assert not unfinished(end(first, after, lingering=True), after)


def test_who_waits_for_one_that_comes_to_leave_is_open_still() -> None:
    opened = next_step(TOGETHER, moved(TOGETHER, {A: 20, B: 20}))
    stranger = endpoint("h3", 4, 20)
    with_one_more = intent(stranger, *opened.endpoints.values())
    current = replace(opened, endpoints=with_one_more.endpoints, networks=with_one_more.networks)
    target = moved(current, {A: 20, B: 20, stranger.key: 30})

    waiting = next_step(current, target)

    assert waiting.endpoints[A].segment == 10
    assert waiting.endpoints[stranger.key].segment == 30
    assert Company(frozenset({10, 20}), (A, B)) in waiting.companies.values()


def test_nobody_comes_before_one_that_goes_has_gone() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 20))

    step = next_step(before, moved(before, {A: 20, B: None}))

    assert step.endpoints.keys() == {A}
    assert step.endpoints[A].segment == 10


def test_nobody_comes_where_a_company_listens_for_one_that_goes() -> None:
    target = moved(TOGETHER, {A: 20, B: 20})
    there = end(TOGETHER, target, lingering=True)
    heir = endpoint("h3", 1, 10, key=EndpointKey("h3", "new", "eth0"), owner=1999)
    after = intent(heir, *(end for key, end in target.endpoints.items() if key != A))

    step = next_step(there, after, lingering=True)

    assert heir.key not in step.endpoints
    assert not unfinished(next_step(step, after, lingering=True), after)


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


def test_those_that_move_together_wait_for_the_host_that_is_away() -> None:
    target = moved(TOGETHER, {A: 20, B: 20, C: 30})

    last = end(TOGETHER, target, frozenset({"h2"}))

    assert last.endpoints[A].segment == 10, "the old policy stands for A, since B cannot follow"
    assert last.endpoints[C].segment == 30, "C goes alone"
    assert unfinished(last, target) == {A, B}


def test_a_company_waits_for_one_that_joins_it() -> None:
    opened = next_step(TOGETHER, moved(TOGETHER, {A: 20, B: 20}))

    step = next_step(opened, moved(TOGETHER, {A: 20, B: 20, C: 20}))

    assert step.endpoints[A].segment == 10
    assert [company.members for company in step.companies.values()] == [(A, B, C)]


@settings(max_examples=100, deadline=None)
@given(keeping(), segments)
def test_hosts_that_are_not_touched_keep_their_flows(before: Intent, change: dict[EndpointKey, int | None]) -> None:
    target = moved(before, change)
    assume(may_be(target))

    same_flows = {name for name in NAMES if compile_bridge(before, name) == compile_bridge(target, name)}

    assert set(NAMES) - touched(before, target) <= same_flows


def test_two_that_swap_never_meet() -> None:
    swapped = moved(intent(endpoint("h1", 1, 10), endpoint("h2", 2, 20)), {A: 20, B: 10})
    before = moved(swapped, {A: 10, B: 20})

    check_law(before, swapped, frozenset())

    assert bridges(end(before, swapped)) == bridges(swapped)
    kept = end(before, swapped, lingering=True).companies.values()
    assert all(company.segments <= {10, 20} for company in kept), "what was borrowed is given back"


def test_who_makes_a_detour_is_in_company_on_that_way() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 20))
    once = {1: Company(frozenset({10, 20}), (A,))}

    step = next_step(replace(before, companies=once), moved(before, {A: 20, B: 10}), lingering=True)

    assert step.endpoints[A].segment == DETOURS[0]
    assert [company.segments for company in step.companies.values()] == [{10, DETOURS[0]}]


def test_what_one_has_borrowed_nobody_else_borrows() -> None:
    a, b, c, d = (endpoint(*each) for each in (("h1", 1, 10), ("h2", 2, 20), ("h1", 3, 30), ("h3", 4, 10)))
    before = intent(a, b, c, d)
    stuck = {1: Company(frozenset({10, DETOURS[0]}), (a.key, d.key))}

    swapped = moved(before, {b.key: 30, c.key: 20, a.key: 20, d.key: 20})
    step = next_step(replace(before, companies=stuck), swapped, frozenset({"h3"}))

    assert DETOURS[0] not in step.members
    assert DETOURS[1] in step.members


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


def test_nobody_takes_the_address_of_one_before_he_has_left() -> None:
    heir = replace(TOGETHER.endpoints[C], mac=TOGETHER.endpoints[A].mac, address=TOGETHER.endpoints[A].address)
    left = moved(TOGETHER, {A: 20, B: 20})
    target = intent(heir, *(left.endpoints[key] for key in (A, B)))

    for one, other in steps(TOGETHER, target):
        bridges(other)
        assert one.endpoints[A].segment == 20 or other.endpoints[C] == TOGETHER.endpoints[C]
    assert not unfinished(end(TOGETHER, target), target)
