"""What people read of it."""

from pathlib import Path

from scripts.bench.figures import number, ratio
from scripts.bench.record import Record


def listed(record: Record) -> str:
    """A table for a terminal."""
    rows: list[tuple[str, ...]] = [("measure", "beside", "who", "n", "median", "min", "max", "unit", "ratio")]
    for figure in record.figures:
        by = ratio(figure, record.figures)
        spread = [number(value) for value in (figure.median, figure.least, figure.most)]
        said = "" if by is None else number(by)
        rows.append((figure.measure, figure.case, figure.peer, str(figure.n), *spread, figure.unit, said))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write(to: Path, record: Record) -> None:
    """Keep the record, and write the document anew of all that are kept."""
    kept = to / "benchmarks"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{record.benchmark}.json").write_text(record.save())
