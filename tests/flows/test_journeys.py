"""Who waits for whom: nobody meets one that he never shares a segment with, nor is taken for him."""

from dataclasses import replace

from flows.intent import Intent
from flows.model import DETOURS, Company, EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import next_step, stale
from tests.flows.intents import endpoint, intent, moved
from tests.flows.law import TOGETHER, A, B, C, bridges, check_law, check_moment, end, mixtures, steps, unfinished


def test_who_is_alone_or_on_one_host_with_his_company_need_not_open() -> None:
    beside = endpoint("h1", 4, 10)
    before = intent(beside, *TOGETHER.endpoints.values())

    for movers in ({A}, {A, beside.key}):
        target = moved(before, dict.fromkeys(movers, 20))
        flipped = next_step(before, target, lingering=True)
        assert not unfinished(flipped, target)
        assert {key for company in flipped.companies.values() for key in company.members} == movers, "it is known of"


def test_a_company_that_goes_on_elsewhere_opens_that() -> None:
    there = end(TOGETHER, moved(TOGETHER, {A: 20, B: 20}), lingering=True)
    opened = next_step(there, moved(TOGETHER, {A: 30, B: 30}), lingering=True)

    assert [opened.endpoints[key].segment for key in (A, B)] == [20, 20]
    assert list(opened.companies.values()) == [Company(frozenset({20, 30}), (A, B))]
    assert stale(there, opened) == {"h1", "h2"}, "they hear each other in 10 no more"


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


def test_nobody_takes_the_address_of_one_before_he_has_left() -> None:
    heir = replace(TOGETHER.endpoints[C], mac=TOGETHER.endpoints[A].mac, address=TOGETHER.endpoints[A].address)
    left = moved(TOGETHER, {A: 20, B: 20})
    target = intent(heir, *(left.endpoints[key] for key in (A, B)))

    for one, other in steps(TOGETHER, target):
        bridges(other)
        assert one.endpoints[A].segment == 20 or other.endpoints[C] == TOGETHER.endpoints[C]
    assert not unfinished(end(TOGETHER, target), target)
