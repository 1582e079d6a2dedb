"""Aligned tables: a column is as wide as its widest cell; the last one is as long as it is."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The rows under their titles; None is “-”. Columns that are numbers throughout stand on the right."""
    found = [tuple(row) for row in rows]
    right = [bool(found) and all(isinstance(row[at], int | float) for row in found) for at in range(len(titles))]
    cells = [tuple(titles), *(tuple(map(_text, row)) for row in found)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(titles))]
    return "\n".join(
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    )


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # a name with a line break or an escape sequence must not draw on somebody's terminal
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
