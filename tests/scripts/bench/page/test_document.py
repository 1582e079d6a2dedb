"""What people read of the benchmarks."""

from dataclasses import replace
from pathlib import Path

from scripts.bench.asked import BENCHMARKS
from scripts.bench.page.document import PLOTS, document, listed, write
from scripts.bench.page.figures import Figure
from scripts.bench.page.record import About, Record, about
from scripts.bench.page.targets import TARGETS

HERE = About("2026-11-25", "0123456789ab", "Some CPU", 2, "6.1.0", "Debian 12", {"Open vSwitch": "3.1.0"}, 0.25)
FIGURES = (
    Figure("declare", "declared", "s", "containet", (0.1, 0.3, 0.2)),
    Figure("declare", "declared", "s", "ovn", (0.4,)),
    Figure("declare", "flows", "flows a switch", "containet", (4000,)),
)
RECORD = Record("declare", HERE, False, FIGURES)


def test_a_record_survives_json() -> None:
    assert Record.load(RECORD.save()) == RECORD


def test_a_table_has_who_how_often_spread_and_ratio() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in document([RECORD]).splitlines() if "|" in line]

    assert ["declared", "containet", "3", "0.2", "0.1", "0.3", "s", ""] in rows
    assert ["declared", "ovn", "1", "0.4", "0.4", "0.4", "s", "0.5"] in rows


def test_promises_are_said_to_be_kept_or_not() -> None:
    lines = [" ".join(line.split()) for line in document([RECORD]).splitlines()]

    assert "| declare: declared ≤ 0.25 s | 0.2 | yes |" in lines
    assert "| declare: flows ≤ 3,600 flows a switch | 4,000 | **no** |" in lines


def test_where_and_when_stands_there_with_the_command() -> None:
    said = document([RECORD])

    assert "Some CPU" in said
    assert "`sudo scripts/bench.sh declare`, 2026-11-25, commit 0123456789ab, load before 0.25." in said
    assert "quick run" not in said
    assert "quick run" in document([replace(RECORD, quick=True)])


def test_a_benchmark_that_is_run_again_replaces_its_own_part_only(tmp_path: Path) -> None:
    attach = Record("attach", HERE, False, (Figure("attach", "first echo reply", "ms", "containet", (77,)),))
    write(tmp_path, attach)
    write(tmp_path, RECORD)
    write(tmp_path, replace(attach, figures=(Figure("attach", "first echo reply", "ms", "containet", (88,)),)))
    said = (tmp_path / "benchmarks.md").read_text()

    assert said.index("## Attach") < said.index("## Declare")
    assert " 88 |" in said
    assert " 77 |" not in said
    assert {path.name for path in (tmp_path / "benchmarks").iterdir()} == {
        "attach.json", "attach.svg", "declare.json", "declare.svg"
    }  # fmt: skip


def test_the_terminal_hears_of_promises_that_were_not_kept() -> None:
    assert "MISSED  declare: flows ≤ 3,600 flows a switch: 4,000" in listed(RECORD)


def test_every_benchmark_is_drawn_and_promises_something() -> None:
    assert set(PLOTS) == {target.benchmark for target in TARGETS} == set(BENCHMARKS)


def test_this_machine_says_what_it_is() -> None:
    here = about()

    assert here.cores >= 1
    assert here.versions["Open vSwitch"][0].isdigit()
