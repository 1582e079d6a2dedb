"""What is promised, and whether it was so."""

import pytest

from scripts.bench.page.figures import Figure
from scripts.bench.page.targets import Target

FIGURES = [
    Figure("declare", "flows", "flows", "containet", (10, 30, 20)),
    Figure("declare", "flows", "flows", "ovn", (40,)),
    Figure("declare", "flows", "flows", "containet", (99,), "busy"),
]


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (Target("declare", "flows", "≤", 20), 20),
        (Target("declare", "flows", "≤", 20, worst=True), 30),
        (Target("declare", "flows", "≤", 1, of="ovn"), 0.5),
        (Target("declare", "flows", "≤", 1, who="ovn"), 40),
        (Target("declare", "flows", "≤", 1, case="busy"), 99),
        (Target("declare", "flows", "≤", 1, case="quiet"), None),
        (Target("declare", "flows", "≤", 1, of="nobody"), None),
    ],
)
def test_a_promise_is_held_against_median_worst_or_part(target: Target, value: float | None) -> None:
    assert target.found(FIGURES) == value


def test_at_most_and_at_least() -> None:
    assert [Target("a", "b", "≤", 2).kept(value) for value in (1, 2, 3)] == [True, True, False]
    assert [Target("a", "b", "≥", 2).kept(value) for value in (1, 2, 3)] == [False, True, True]
