"""What was measured, as values: a measure of a benchmark, of one peer, with every single reading."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

OURS = "containet"


@dataclass(frozen=True)
class Figure:
    """Readings of one measure. `unit` as people write it; `case` is what stood beside (“1,000 more endpoints”)."""

    benchmark: str
    measure: str
    unit: str
    peer: str
    values: tuple[float, ...]
    case: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError if nothing was read."""
        if not self.values:
            raise ValueError(f"{self.benchmark}: nothing was read of “{self.measure}” ({self.peer})")

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Self:
        """What `save` gave."""
        return cls(**{**saved, "values": tuple(saved["values"])})

    def save(self) -> dict[str, Any]:
        """A value for JSON, each reading to five digits."""
        return {**vars(self), "values": [float(f"{value:.5g}") for value in self.values]}

    @property
    def n(self) -> int:
        """How many readings."""
        return len(self.values)

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.values)

    @property
    def of(self) -> tuple[str, str, str]:
        """What it is a reading of, whoever was measured."""
        return self.benchmark, self.measure, self.case


def ratio(figure: Figure, others: Iterable[Figure]) -> float | None:
    """Our median by this peer's, of the same measure; None for ourselves, and where there is nothing to divide by."""
    ours = next((other for other in others if other.of == figure.of and other.peer == OURS), None)
    if ours is None or figure.peer == OURS or not figure.median:
        return None
    return ours.median / figure.median


def number(value: float) -> str:
    """To three digits, with commas for thousands: 0.0123, 1.5, 20, 123,000."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 or rounded == int(rounded) else f"{rounded:.3g}"
