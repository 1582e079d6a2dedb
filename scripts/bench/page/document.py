"""What people read of it: a table for the terminal, and docs/benchmarks.md of all records that are kept."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from scripts.bench.asked import BENCHMARKS
from scripts.bench.page.figures import OURS, Figure, number, ratio
from scripts.bench.page.plot import plot
from scripts.bench.page.record import About, Record
from scripts.bench.page.targets import TARGETS, Target

PLOTS = {  # of each benchmark the measures that are drawn
    "attach": ("first echo reply",),
    "moves": ("move of both ends", "lost by a move of both ends", "arrived after the answer"),
    "declare": ("declared", "flows"),
    "throughput": ("TCP",),
    "speed": ("written, from intent to committed", "read back"),
    "scale": ("attach: call to answer", "attach: processor", "move: call to answer", "move: processor"),
    "restart": ("lost over kill -9 and start",),
}
TEMPLATE = Path(__file__).with_name("template.md")


def listed(record: Record) -> str:
    """A table for a terminal, and what is promised of it."""
    rows: list[tuple[str, ...]] = [("measure", "beside", "who", "n", "median", "min", "max", "unit", "ratio")]
    rows += [(figure.measure, figure.case, *_cells(figure, record.figures)) for figure in record.figures]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"{'kept  ' if kept == 'yes' else 'MISSED'}  {words}: {value}" for words, value, kept in _promises([record])
    ]
    return "\n".join(lines)


def write(to: Path, record: Record) -> None:
    """Keep the record, and write the document anew of all that are kept."""
    kept = to / "benchmarks"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{record.benchmark}.json").write_text(record.save())
    (kept / f"{record.benchmark}.svg").write_text(plot(record.figures, PLOTS[record.benchmark]))
    paths = [kept / f"{name}.json" for name in BENCHMARKS]
    records = [Record.load(path.read_text()) for path in paths if path.exists()]
    (to / "benchmarks.md").write_text(document(records))


def document(records: Sequence[Record]) -> str:
    """All of it, in Markdown."""
    return Template(TEMPLATE.read_text()).substitute(
        where=_where([record.about for record in records]),
        promised=_table(("promised", "measured", "kept"), _promises(records)),
        chapters="\n".join(map(_chapter, records)).rstrip(),
    )


def _where(abouts: Iterable[About]) -> str:
    machines = {
        (
            about.processor,
            str(about.cores),
            about.system,
            about.kernel,
            ", ".join(f"{what} {version}" for what, version in about.versions.items()),
        ): None
        for about in abouts
    }
    head = ("processor", "cores", "system", "kernel", "versions")
    return _table(head, machines)


def _promises(records: Iterable[Record]) -> list[tuple[str, str, str]]:
    figures = [figure for record in records for figure in record.figures]
    found = [(target, target.found(figures)) for target in TARGETS]
    return [
        (_words(target), number(value), "yes" if target.kept(value) else "**no**")
        for target, value in found
        if value is not None
    ]


def _words(target: Target) -> str:
    who = "" if target.who == OURS else f"{target.who}, "
    case = f", {target.case}" if target.case else ""
    what = f"of {target.of}" if target.of else target.unit
    return f"{target.benchmark}: {who}{target.measure}{case} {target.sign} {number(target.bound)} {what}".rstrip()


def _chapter(record: Record) -> str:
    title, _, words = (importlib.import_module(f"scripts.bench.measures.{record.benchmark}").__doc__ or "").partition(
        ":"
    )
    about = record.about
    run = f"`sudo scripts/bench.sh {record.benchmark}`, {about.day}, commit {about.commit}, load before {about.load:g}."
    quick = "\n**A quick run: too few rounds to mean much.**\n" if record.quick else ""
    head = ("measure", "who", "n", "median", "min", "max", "unit", "containet : who")
    rows = [
        (f"{figure.measure}, {figure.case}" if figure.case else figure.measure, *_cells(figure, record.figures))
        for figure in record.figures
    ]
    picture = f"![{title}](benchmarks/{record.benchmark}.svg)"
    words = words.strip()
    return f"## {title}\n\n{words[:1].upper()}{words[1:]}\n\n{run}\n{quick}\n{picture}\n\n{_table(head, rows)}"


def _cells(figure: Figure, others: Iterable[Figure]) -> tuple[str, ...]:
    by = ratio(figure, others)
    spread = [number(value) for value in (figure.median, figure.least, figure.most)]
    return figure.peer, str(figure.n), *spread, figure.unit, "" if by is None else number(by)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown, numbers to the right."""
    body = [list(row) for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(head, *body, strict=True)]
    right = [bool(body) and all(_numeric(row[at]) for row in body) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (width - 1)}:" if numbers else "-" * width for width, numbers in zip(widths, right, strict=True)]
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *map(line, body), ""])


def _numeric(cell: str) -> bool:
    return not cell or cell.replace(",", "").replace(".", "").replace("e-", "").replace("e+", "").isdigit()
