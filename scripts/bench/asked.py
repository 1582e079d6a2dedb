"""What the command line asks for. Standard library only, and no word of help: that is scripts/bench.sh's."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = ("attach", "moves", "declare", "throughput", "speed", "scale", "restart")  # in the order of the document
DOCS = Path(__file__).parents[2] / "docs"


class AskedError(ValueError):
    """What was asked for cannot be, in words."""


@dataclass(frozen=True)
class Asked:
    """Which benchmarks; `to`: the directory for the document, None where nothing is to be written."""

    benchmarks: tuple[str, ...] = BENCHMARKS
    quick: bool = False
    to: Path | None = DOCS
    networks: int | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise AskedError(message)


def asked(words: Sequence[str]) -> Asked:
    """What these words ask for; AskedError says what is not understood."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--to", type=Path)
    parser.add_argument("--networks", type=int)
    found = parser.parse_args(words)
    for name in found.names:
        if name not in BENCHMARKS:
            raise AskedError(f"there is no benchmark “{name}”, only {', '.join(BENCHMARKS)}")
    if found.networks is not None and found.networks < 1:
        raise AskedError("--networks takes a number from 1 on")
    whole = not found.quick and found.networks is None
    to = found.to or (DOCS if whole else None)
    names = tuple(name for name in BENCHMARKS if name in found.names or not found.names)
    return Asked(names, found.quick, to, found.networks)
