"""Figures and the notebook that they come from."""

import json

import pytest

from scripts.bench.page.figures import Figure, number, ratio
from scripts.bench.page.notebook import Notebook


def notebook() -> Notebook:
    made = Notebook("attach")
    for reading in (30, 10, 20):
        made.add("containet", "first echo reply", "ms", reading)
    made.add("ovn", "first echo reply", "ms", 40)
    made.add("ovn", "first echo reply", "ms", 50, "1,000 more endpoints")
    return made


def test_readings_become_figures_with_their_median_least_and_most() -> None:
    ours, theirs, with_more = notebook().figures()

    assert (ours.n, ours.median, ours.least, ours.most) == (3, 20, 10, 30)
    assert (theirs.peer, theirs.values, with_more.case) == ("ovn", (40,), "1,000 more endpoints")


def test_ratios_are_ours_by_theirs_of_the_same_measure() -> None:
    figures = notebook().figures()

    assert [ratio(figure, figures) for figure in figures] == [None, 0.5, None]


def test_nothing_is_divided_by_nothing() -> None:
    ours, theirs = (
        Figure("moves", "lost", "packets", "containet", (1,)),
        Figure("moves", "lost", "packets", "raw", (0,)),
    )

    assert ratio(theirs, [ours, theirs]) is None


def test_a_figure_survives_json() -> None:
    figure = Figure("moves", "lost", "packets", "raw", (1.234567, 27), "busy")

    assert Figure.load(json.loads(json.dumps(figure.save()))) == Figure(
        "moves", "lost", "packets", "raw", (1.2346, 27), "busy"
    )


def test_a_figure_without_a_reading_is_none() -> None:
    with pytest.raises(ValueError, match="nothing was read of “lost”"):
        Figure("moves", "lost", "packets", "raw", ())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.5, "1.5"),
        (20.04, "20"),
        (43.26, "43.3"),
        (123456, "123,000"),
        (999.6, "1,000"),
    ],
)
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert number(value) == said


def test_a_quick_run_does_everything_twice_at_most() -> None:
    assert [Notebook("attach", quick=True).rounds(n) for n in (1, 2, 20)] == [1, 2, 2]
    assert Notebook("attach").rounds(20) == 20


def test_those_of_one_measure_and_case_stand_together() -> None:
    made = Notebook("moves")
    for peer in ("containet", "ovn"):
        for measure in ("time", "lost"):
            made.add(peer, measure, "", 1)

    assert [(figure.measure, figure.peer) for figure in made.figures()] == [
        ("time", "containet"),
        ("time", "ovn"),
        ("lost", "containet"),
        ("lost", "ovn"),
    ]


def test_who_waits_hears_of_the_first_round(capsys: pytest.CaptureFixture[str]) -> None:
    made = Notebook("moves", quick=True, say=print)

    assert list(made.each(20, "moving")) == [0, 1]
    assert capsys.readouterr().out == "moving: round 1 of 2\n"
