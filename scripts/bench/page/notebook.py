"""Where a benchmark writes down what it reads, one reading after the other."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scripts.bench.page.figures import Figure

Key = tuple[str, str, str, str]
SAY_S = 5.0


@dataclass
class Notebook:
    """Readings of one benchmark. `quick`: as few as show that it works; `say`: a line for who waits."""

    benchmark: str
    quick: bool = False
    say: Callable[[str], None] = lambda _: None
    _readings: dict[Key, list[float]] = field(default_factory=dict)

    def rounds(self, wanted: int) -> int:
        """How often, if a full run does it so often."""
        return min(wanted, 2) if self.quick else wanted

    def crowd(self, wanted: int) -> int:
        """How many of something that a full run has so many of."""
        return min(wanted, 20) if self.quick else wanted

    def each(self, wanted: int, what: str) -> Iterator[int]:
        """So many rounds of this; who waits hears of it from time to time."""
        rounds, said = self.rounds(wanted), 0.0
        for number in range(rounds):
            if time.monotonic() - said > SAY_S:
                said = time.monotonic()
                self.say(f"{what}: round {number + 1} of {rounds}")
            yield number

    def add(self, peer: str, measure: str, unit: str, value: float, case: str = "") -> None:
        """One reading."""
        self._readings.setdefault((measure, unit, peer, case), []).append(value)

    def figures(self) -> list[Figure]:
        """All of them, in the order of their first readings, with those of one measure and case together."""
        together: dict[tuple[str, str], list[Figure]] = {}
        for (measure, unit, peer, case), values in self._readings.items():
            figure = Figure(self.benchmark, measure, unit, peer, tuple(values), case)
            together.setdefault((measure, case), []).append(figure)
        return [figure for group in together.values() for figure in group]
