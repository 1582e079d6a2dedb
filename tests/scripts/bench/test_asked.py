"""The command line of the benchmarks."""

import subprocess
from pathlib import Path

import pytest

from scripts.bench.asked import BENCHMARKS, DOCS, AskedError, asked

BENCH = Path(__file__).parents[3] / "scripts" / "bench.sh"


def test_everything_is_measured_and_written_unless_something_is_named() -> None:
    found = asked([])

    assert (found.benchmarks, found.quick, found.to) == (BENCHMARKS, False, DOCS)


def test_those_that_are_named_are_measured_in_the_order_of_the_document() -> None:
    assert asked(["scale", "attach"]).benchmarks == ("attach", "scale")


@pytest.mark.parametrize("words", [["--quick"], ["scale", "--networks", "12"]])
def test_what_means_little_is_written_only_where_it_is_told_to(words: list[str]) -> None:
    assert asked(words).to is None
    assert asked([*words, "--to", "/somewhere"]).to == Path("/somewhere")


@pytest.mark.parametrize("words", [["dance"], ["--networks", "0"], ["--networks"], ["--fast"]])
def test_what_is_not_understood_is_said(words: list[str]) -> None:
    with pytest.raises(AskedError):
        asked(words)


def test_help_names_every_benchmark_and_every_option() -> None:
    said = subprocess.run((BENCH, "--help"), capture_output=True, text=True, check=True).stdout

    assert [line.split()[0] for line in said.splitlines() if line.startswith("  ")][: len(BENCHMARKS)] == [*BENCHMARKS]
    assert all(option in said for option in ("--quick", "--to DIR", "--networks N"))
