"""Figures as a picture: every reading a dot, the median a bar, peers below each other. SVG, made by hand: pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from scripts.bench.page.figures import OURS, Figure, number

WIDTH, LEFT, RIGHT = 860, 330, 80  # px: of all, of the names, of the medians in figures
ROW, HEAD, FOOT = 18, 30, 28
OURS_COLOUR, OTHERS_COLOUR, GREY = "#0b6e4f", "#4a5a78", "#888"
LOG_FROM = 30.0  # medians that are further apart than this have a logarithmic axis
FONT = "font-family='sans-serif' font-size='12'"


@dataclass(frozen=True)
class Axis:
    """From `least` to `most`, to the pixel."""

    least: float
    most: float
    logarithmic: bool

    @classmethod
    def of(cls, figures: Sequence[Figure]) -> "Axis":
        """One on which all readings are."""
        most = max(figure.most for figure in figures) or 1.0
        least = min(figure.least for figure in figures)
        medians = [figure.median for figure in figures]
        if least > 0 and max(medians) / min(medians) > LOG_FROM:
            return cls(10.0 ** math.floor(math.log10(least)), most, True)
        return cls(0.0, most, False)

    def x(self, value: float) -> float:
        """Where that is."""
        if self.logarithmic:
            part = math.log(value / self.least) / math.log(self.most / self.least)
        else:
            part = value / self.most
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    @property
    def ticks(self) -> list[float]:
        """Round numbers along it."""
        if self.logarithmic:
            first, last = round(math.log10(self.least)), math.floor(math.log10(self.most))
            return [10.0**power for power in range(first, last + 1)]
        step = 10.0 ** math.floor(math.log10(self.most))
        step = next(part for part in (step / 5, step / 2, step, step * 2) if self.most / part <= 6)
        return [step * at for at in range(math.floor(self.most / step) + 1)]


def plot(figures: Sequence[Figure], measures: Sequence[str]) -> str:
    """One panel for each of these measures that was read."""
    panels = [[figure for figure in figures if figure.measure == measure] for measure in measures]
    lines: list[str] = []
    top = 0
    for panel in filter(None, panels):
        lines += _panel(panel, top)
        top += HEAD + ROW * len(panel) + FOOT
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{top}' viewBox='0 0 {WIDTH} {top}' {FONT}>"
    return "\n".join([head, f"<rect width='{WIDTH}' height='{top}' fill='white'/>", *lines, "</svg>", ""])


def _panel(figures: Sequence[Figure], top: int) -> list[str]:
    axis, first = Axis.of(figures), figures[0]
    bottom = top + HEAD + ROW * len(figures)
    unit = f" ({first.unit})" if first.unit else ""
    title = f"{first.measure}{unit}{', logarithmic' if axis.logarithmic else ''}"
    lines = [f"<text x='{LEFT}' y='{top + 20}' font-weight='bold'>{escape(title)}</text>"]
    for tick in axis.ticks:
        x = axis.x(tick)
        lines.append(f"<line x1='{x}' x2='{x}' y1='{top + HEAD}' y2='{bottom}' stroke='#ddd'/>")
        lines.append(f"<text x='{x}' y='{bottom + 14}' fill='{GREY}' text-anchor='middle'>{number(tick)}</text>")
    for at, figure in enumerate(figures):
        lines += _row(figure, axis, top + HEAD + ROW * at + ROW // 2)
    return lines


def _row(figure: Figure, axis: Axis, y: int) -> list[str]:
    colour = OURS_COLOUR if figure.peer.startswith(OURS) else OTHERS_COLOUR
    name = f"{figure.peer}, {figure.case}" if figure.case else figure.peer
    middle = axis.x(figure.median)
    dots = [
        f"<circle cx='{axis.x(value)}' cy='{y}' r='3' fill='{colour}' fill-opacity='0.3'/>" for value in figure.values
    ]
    return [
        f"<text x='{LEFT - 10}' y='{y + 4}' text-anchor='end' fill='{colour}'>{escape(name)}</text>",
        *dots,
        f"<rect x='{round(middle - 1.5, 1)}' y='{y - 7}' width='3' height='14' fill='{colour}'/>",
        f"<text x='{WIDTH - 10}' y='{y + 4}' text-anchor='end' fill='{colour}'>{number(figure.median)}</text>",
    ]
