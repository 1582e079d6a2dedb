"""When changes are counted, with two played connections to ovs-vswitchd."""

import threading
from typing import Any

import pytest

from scripts.helper.ovs.watching import Watching

PERIOD_S = 0.5


class Played:
    """A connection: whether something is to be read is as the test says."""

    def __init__(self) -> None:
        self.readable = False
        self.counted = 0

    def ask(self, *_: str) -> None:
        pass

    def answered(self, _: float) -> bool:
        return self.readable

    def answer(self) -> str:
        return ""

    def call(self, *_: str) -> str:
        return ""

    def call_all(self, *commands: tuple[str, ...]) -> list[str]:
        self.counted += 1
        return ["0" for _ in commands]


@pytest.fixture
def waiting() -> Played:
    return Played()


@pytest.fixture
def asking() -> Played:
    return Played()


@pytest.fixture
def watching(waiting: Any, asking: Any) -> Watching:
    return Watching(waiting, asking, "br-int", PERIOD_S)


@pytest.mark.parametrize(("busy", "counted"), [(False, [1, 2, 3, 3]), (True, [0, 0, 0, 1])])
def test_changes_are_counted_after_each_round_or_while_busy_after_the_last(
    watching: Watching, waiting: Played, asking: Played, busy: bool, counted: list[int]
) -> None:
    found = []
    for ends in (True, True, True, False):
        waiting.readable = ends
        watching.look(threading.Lock(), lambda: busy)
        found.append(asking.counted)

    assert found == counted


def test_what_was_not_counted_is_as_soon_as_nobody_is_busy(watching: Watching, waiting: Played, asking: Played) -> None:
    waiting.readable = True
    watching.look(threading.Lock(), lambda: True)
    watching.look(threading.Lock(), lambda: False)

    assert asking.counted == 1
