"""Work that can be laid aside: a generator that yields wherever others may have a turn, and returns what it made.

To compile or to compare 100,000 flows takes half a second, and one loop serves all switches and callers. What is pure
knows of no loop; so it says where it can wait, and whoever runs it decides whether it does.
"""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Work = Generator[None, None, T]

PORTION = 256  # flows, or as much as takes as long, between two places to wait: less than a millisecond


def done(work: Work[T]) -> T:
    """What it makes, with no pause."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made
