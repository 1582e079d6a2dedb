"""The law: what is said to be looked through has been, whatever the revalidators do and however late one looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.helper.ovs.rounds import Rounds

PERIOD_S, UNTIL_S = 0.05, 1.0


@dataclass(frozen=True)
class Round:
    begins: float
    ends: float


def short(chance: Random) -> float:
    """Some time of the size of what happens in a round."""
    return chance.choice([0.0, chance.uniform(0, 0.0005), chance.uniform(0, 0.005), chance.uniform(0, 0.02)])


def history(chance: Random) -> tuple[list[float], list[Round]]:
    """When what changed, and the rounds that follow from that: at once, a little late, or after the period."""
    changes = []
    for _ in range(chance.randrange(8)):
        at = chance.uniform(0.2, UNTIL_S)
        for _ in range(chance.choice([1, 1, 2, 3])):
            changes.append(at)
            at += short(chance)
    changes.sort()
    rounds = [Round(0.0, short(chance))]
    while rounds[-1].ends < UNTIL_S + 2 * PERIOD_S:
        last = rounds[-1]
        cause = next((at for at in changes if at > last.begins), UNTIL_S + PERIOD_S)
        begins = max(last.ends, min(cause, last.begins + PERIOD_S)) + short(chance)
        rounds.append(Round(begins, begins + short(chance)))
    return changes, rounds


def watched(chance: Random, changes: list[float], rounds: list[Round]) -> Iterator[tuple[float, Rounds]]:
    """One looks on, now sooner, now later: what is known when.

    The next round is waited for before changes are counted, and where one follows another soon they are not counted.
    """
    known, now, next_after, waiting = Rounds(PERIOD_S), 0.0, 0.0, 0.0

    def made(at: float) -> int:
        return sum(change <= at for change in changes)

    while now < UNTIL_S:
        after = next_after
        told = next(each for each in rounds if each.ends > waiting)
        for moment in sorted(chance.uniform(now, told.ends) for _ in range(chance.randrange(4)) if told.ends > now):
            now = moment
            known.counted(made(now), now)
            after = max(after, now)
            yield now, known
        now = seen = next_after = max(now, told.ends) + short(chance)
        now = waiting = now + short(chance)
        if chance.random() < 0.3:
            continue
        now += short(chance)
        known.ended(after, seen, made(now))
        known.counted(made(now), now)
        yield now, known
        if chance.random() < 0.5 and not any(told.ends < each.ends <= now for each in rounds):
            known.lasted(max(floor(told.ends * 1000) - floor(told.begins * 1000), 1) / 1000)
            yield now, known


@settings(max_examples=1500, deadline=None)
@given(st.integers(0, 1 << 40))
def test_what_is_said_to_be_looked_through_has_been(seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    changes, rounds = history(chance)
    for now, known in watched(chance, changes, rounds):
        for number, at in enumerate(changes, 1):
            if at <= now and known.looked_through(number):
                assert any(each.begins >= at and each.ends <= now for each in rounds)


def test_mostly_it_is_known_soon() -> None:
    chance = Random(1)  # noqa: S311
    known_soon = total = 0
    for _ in range(200):
        changes, rounds = history(chance)
        last = changes[-1] if changes else 0.0
        for now, known in watched(chance, changes, rounds):
            if now > last + 8 * PERIOD_S:
                total += 1
                known_soon += known.looked_through(len(changes))
    assert known_soon > 0.99 * total > 0


def known_at_rest() -> Rounds:
    """One that has seen round after round, so that nothing is left open."""
    known = Rounds(PERIOD_S)
    for number in range(4):
        began = number * PERIOD_S
        known.ended(began + 0.001, began + 0.002, 7)
        known.counted(7, began + 0.003)
        known.lasted(0.001)
    return known


def test_the_round_that_the_only_change_caused_is_proof_enough() -> None:
    known = known_at_rest()
    assert known.looked_through(7)
    known.counted(8, 0.171)
    assert not known.looked_through(8)

    known.ended(0.172, 0.173, 8)

    assert known.looked_through(8)


def test_of_two_changes_one_round_may_have_begun_before_the_second() -> None:
    known = known_at_rest()
    known.counted(9, 0.171)

    known.ended(0.172, 0.173, 9)
    assert not known.looked_through(8)

    known.ended(0.178, 0.179, 9)
    assert known.looked_through(9)


def test_once_a_round_may_have_begun_by_itself_one_end_proves_nothing() -> None:
    known = known_at_rest()
    known.counted(8, 0.201)

    known.ended(0.202, 0.203, 8)

    assert not known.looked_through(8)


def test_the_round_of_a_change_comes_by_itself_until_one_was_seen_to_end() -> None:
    known = known_at_rest()
    known.counted(9, 0.171)
    assert known.coming(9)

    known.ended(0.172, 0.173, 9)

    assert not known.looked_through(9)
    assert not known.coming(9), "that may have been the one, so none needs to come"


def test_the_round_that_comes_is_proof_of_the_only_change_that_is_left_and_before_one_begins_by_itself() -> None:
    known = known_at_rest()
    known.counted(8, 0.171)

    assert known.proof_comes(8, 0.171)
    assert not known.proof_comes(8, 0.3)
    known.counted(9, 0.172)
    assert not known.proof_comes(9, 0.172), "the round may be that of the other one"
    known.ended(0.172, 0.173, 9)
    assert not known.proof_comes(9, 0.173), "none comes"


def test_nothing_is_known_to_come_before_anything_was_seen() -> None:
    known = Rounds(PERIOD_S)
    known.counted(7, 0.001)

    assert not known.coming(7)
