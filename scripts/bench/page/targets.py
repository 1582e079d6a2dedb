"""What Containet promises of its speed, and whether it was so: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.bench.page.figures import OURS, Figure

MORE = "1,000 more endpoints"


@dataclass(frozen=True)
class Target:
    """The median of a measure, or its largest reading (`worst`), or its part of what another has (`of`)."""

    benchmark: str
    measure: str
    sign: str  # ≤ or ≥
    bound: float
    unit: str = ""
    case: str = ""
    who: str = OURS
    of: str = ""
    worst: bool = False

    def found(self, figures: Iterable[Figure]) -> float | None:
        """What it came to; None if it was not measured."""
        by_peer = {f.peer: f for f in figures if f.of == (self.benchmark, self.measure, self.case)}
        mine = by_peer.get(self.who)
        if mine is None:
            return None
        if not self.of:
            return mine.most if self.worst else mine.median
        other = by_peer.get(self.of)
        return mine.median / other.median if other is not None and other.median else None

    def kept(self, value: float) -> bool:
        """Whether this is as it should be."""
        return value <= self.bound if self.sign == "≤" else value >= self.bound


_CACHED = ("", "1,000 more cached flows", "5,000 more cached flows", MORE)
_SCALE = tuple(f"{kind}: {what}" for kind in ("attach", "move") for what in ("call to answer", "processor"))

TARGETS = (
    Target("attach", "first echo reply", "≤", 20, "ms"),
    Target("attach", "first echo reply", "≤", 20, "ms", MORE),
    Target("attach", "first echo reply", "≤", 20, "ms", f"{MORE}, the first of its network there"),
    Target("attach", "call returns", "≤", 1, who="containet connect", of="ovs-docker"),
    *(Target("moves", "move of both ends", "≤", 60 if case.startswith("5") else 20, "ms", case) for case in _CACHED),
    *(Target("moves", "lost by a move of both ends", "≤", 0, "packets", case, worst=True) for case in _CACHED),
    *(Target("moves", "arrived after the answer", "≤", 0, "packets", case, worst=True) for case in _CACHED),
    Target("declare", "declared", "≤", 0.25, "s"),
    Target("declare", "flows", "≤", 3600, "flows a switch", worst=True),
    Target("throughput", "share of what bare flows carry", "≥", 0.97),
    Target("speed", "written, from intent to committed", "≥", 100_000, "flows/s"),
    Target("speed", "written, from intent to committed", "≥", 0.5, of="ovs-ofctl"),
    Target("speed", "read back by written", "≥", 1),
    *(Target("scale", measure, "≤", 1.5, of="its network alone") for measure in _SCALE),
    Target("scale", "cold start", "≤", 10, "s"),
    Target("scale", "peak memory of the controller", "≤", 500, "MB", worst=True),
    Target("restart", "lost over kill -9 and start", "≤", 0, "packets", worst=True),
)
