"""What is known of a bridge is what is there, however it came there; and its marker says so."""

from dataclasses import replace
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.diff import Plan, apply, plan, whole, without
from flows.flow import Contents
from flows.intent import Intent
from flows.known import Known, catching_up, going_on
from flows.marker import digesting, mark
from flows.pipeline import compile_bridge
from flows.work import done
from tests.flows.intents import keeping
from tests.flows.test_delta import successor


def check(known: Known, contents: Contents) -> None:
    """What is known is true."""
    wanted = compile_bridge(known.intent, "h1")
    assert known.flows == len(wanted.flows)
    assert known.digest == done(digesting(known.intent, "h1"))
    assert known.mark == contents.mark
    assert without(contents, known.leftovers) == Contents(wanted.flows, wanted.meters)
    assert known.leftovers.flows.keys() == contents.flows.keys() - wanted.flows.keys()
    if not known.leftovers.flows:
        assert contents.mark == mark(known.digest, len(contents.flows) + 1)


def unordered(change: Plan) -> Plan:
    """The same flows in one order, and no marker."""
    key = attrgetter("key")
    return replace(
        change, add=tuple(sorted(change.add, key=key)), delete=tuple(sorted(change.delete, key=key)), mark=None
    )


def planned(contents: Contents, intent: Intent, *, sweeping: bool) -> Plan:
    """The change as it is when it is made out at once."""
    change = plan(contents, compile_bridge(intent, "h1"))
    return change if sweeping else replace(change, delete=(), delete_meters=())


@settings(max_examples=150, deadline=None)
@given(keeping(), st.lists(keeping(), min_size=1, max_size=4), st.integers(0, 5))
def test_what_is_known_is_there_and_its_marker_says_so(found: Intent, way: list[Intent], sweeping_from: int) -> None:
    contents = compile_bridge(found, "h1")
    change, (known, moves) = done(whole(catching_up(contents, way[0], "h1", sweeping=sweeping_from == 0)))
    assert moves == change.moves
    assert unordered(change) == unordered(planned(contents, way[0], sweeping=sweeping_from == 0))
    contents = apply(contents, change)
    check(known, contents)

    for number, each in enumerate(way, 1):
        change, known = done(going_on(known, successor(known.intent, each), "h1", sweeping=number >= sweeping_from))
        contents = apply(contents, change)
        check(known, contents)


@settings(max_examples=100, deadline=None)
@given(keeping(), keeping())
def test_a_marker_never_says_what_is_not_so(before: Intent, after: Intent) -> None:
    """With leftovers it is gone as soon as a flow is changed, and stays as it is until then."""
    first, _ = done(whole(catching_up(Contents(), before, "h1", sweeping=True)))
    had = apply(Contents(), first)

    change, (known, _) = done(whole(catching_up(had, after, "h1", sweeping=False)))
    has = apply(had, change)

    if known.leftovers.flows:
        assert has.mark == (0 if change.add else had.mark)


@settings(max_examples=60, deadline=None)
@given(keeping())
def test_who_comes_back_with_nothing_changed_changes_nothing(intent: Intent) -> None:
    change, _ = done(whole(catching_up(Contents(), intent, "h1", sweeping=True)))
    has = apply(Contents(), change)

    for sweeping in (True, False):
        again, (known, _) = done(whole(catching_up(has, intent, "h1", sweeping=sweeping)))
        assert not again
        check(known, has)
