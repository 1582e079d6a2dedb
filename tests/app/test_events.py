"""Events are kept up to a bound, and who comes late or is slow is told what it missed."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from os_ken.lib import hub

from app import events as room
from app.desk import Happening, Kind
from app.events import Events

START = datetime(2026, 1, 2, tzinfo=UTC)
FIRST = int(START.timestamp() * 1000) + 1


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(room, "KEPT", 3)
    monkeypatch.setattr(room, "BEAT_S", 0.05)
    return Events(lambda: START)


def add(events: Events, *hosts: str) -> None:
    for host in hosts:
        events.add(Kind.DRIFT, "a flow was deleted", host, f"{host}:web1:eth0")


def numbers(found: list[Happening]) -> list[int]:
    return [each.number - FIRST for each in found]


def test_an_event_says_when_what_where_and_to_whom(events: Events) -> None:
    add(events, "h1")

    assert events.since() == [Happening(FIRST, START, Kind.DRIFT, "h1", "h1:web1:eth0", "a flow was deleted")]


def test_those_after_a_number(events: Events) -> None:
    assert events.since() == events.since(FIRST - 1) == []
    add(events, "h1", "h2", "h1")

    assert numbers(events.since()) == [0, 1, 2]
    assert numbers(events.since(FIRST)) == [1, 2]
    assert numbers(events.since(FIRST + 2)) == numbers(events.since(FIRST + 99)) == []
    assert numbers(events.since(FIRST, "h1")) == [2]
    assert numbers(events.since(None, "h2")) == [1]


def test_who_asks_for_what_is_gone_is_told(events: Events) -> None:
    add(events, *["h1"] * 5)

    assert numbers(events.since()) == [2, 3, 4], "who asks for no number missed nothing"
    assert numbers(events.since(FIRST + 1)) == [2, 3, 4]
    missed, *rest = events.since(FIRST)
    assert (missed.kind, missed.number - FIRST, numbers(rest)) == (Kind.MISSED, 1, [2, 3, 4])


def test_numbers_of_an_earlier_controller_are_told_as_missed(events: Events) -> None:
    (missed,) = events.since(FIRST - 1000, "h1")

    assert missed.kind is Kind.MISSED


def following(events: Events, number: int | None = None, host: str | None = None) -> Iterator[Happening]:
    return (each for each in events.follow(number, host) if each is not None)


def test_a_follower_gets_what_there_is_then_what_comes(events: Events) -> None:
    add(events, "h1", "h2")
    follower = following(events, FIRST)

    assert next(follower).number == FIRST + 1
    hub.spawn_after(0.02, add, events, "h3")
    assert next(follower).host == "h3"


def test_what_comes_while_a_follower_is_busy_is_not_lost_nor_told_twice(events: Events) -> None:
    follower = following(events)
    add(events, "h1", "h2")
    first = next(follower)
    add(events, "h3")

    assert [first.host, next(follower).host, next(follower).host] == ["h1", "h2", "h3"]
    hub.spawn_after(0.02, add, events, "h4")
    assert next(follower).host == "h4"


def test_a_slow_follower_is_told_that_it_missed_some(events: Events) -> None:
    follower = following(events)
    add(events, "h0")
    assert next(follower).host == "h0"

    add(events, *[f"h{n}" for n in range(1, 7)])

    told = [next(follower) for _ in range(4)]
    assert [each.kind for each in told] == [Kind.MISSED, *[Kind.DRIFT] * 3]
    assert [each.host for each in told[1:]] == ["h4", "h5", "h6"]


def test_nothing_comes_but_beats(events: Events) -> None:
    follower = events.follow(None, "h1")

    add(events, "h2")
    assert [next(follower), next(follower)] == [None, None]
