"""Pictures of figures."""

import xml.etree.ElementTree as ET

import pytest

from scripts.bench.page.figures import Figure
from scripts.bench.page.plot import LEFT, RIGHT, WIDTH, Axis, plot

SVG = "{http://www.w3.org/2000/svg}"


def figure(peer: str, *values: float, measure: str = "declared") -> Figure:
    return Figure("declare", measure, "s", peer, values)


def test_every_reading_is_a_dot_and_every_median_a_bar() -> None:
    found = ET.fromstring(plot([figure("containet", 1, 2, 3), figure("a <b>", 4)], ["declared", "never read"]))  # noqa: S314
    words = [text.text for text in found.iter(f"{SVG}text")]

    assert len(list(found.iter(f"{SVG}circle"))) == 4
    assert len([bar for bar in found.iter(f"{SVG}rect") if bar.get("width") == "3"]) == 2
    assert {"declared (s)", "containet", "a <b>", "2"} <= set(words)


@pytest.mark.parametrize("values", [(1, 2), (0, 0), (0.01, 9), (3, 5000), (0.26, 0.7), (99, 100)])
def test_readings_and_ticks_are_within_the_picture_and_not_too_many(values: tuple[float, float]) -> None:
    axis = Axis.of([figure("a", values[0]), figure("b", values[1])])

    assert all(LEFT <= axis.x(at) <= WIDTH - RIGHT for at in (*values, *axis.ticks))
    assert 2 <= len(axis.ticks) <= 8
    assert axis.x(values[0]) <= axis.x(values[1])


def test_what_is_far_apart_has_a_logarithmic_axis() -> None:
    assert Axis.of([figure("a", 1), figure("b", 100)]).logarithmic
    assert not Axis.of([figure("a", 1), figure("b", 10)]).logarithmic
    assert not Axis.of([figure("a", 0), figure("b", 100)]).logarithmic
