"""Counts a run of pytest from its JUnit report: `python -m scripts.count REPORT STATUS` prints “PASSED FAILED”.

A test that was skipped has shown nothing: it counts as failed. A run that ended badly without a test that says so
(a crash, no tests found, no report at all) counts as one failure.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

BAD = frozenset({"failure", "error", "skipped"})


def count(report: Path, status: int) -> tuple[int, int]:
    """How many passed and failed, with pytest's exit status."""
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - our own file
    except (OSError, ElementTree.ParseError):
        cases = []
    failed = sum(any(child.tag in BAD for child in case) for case in cases)
    return len(cases) - failed, failed or int(status != 0 or not cases)


if __name__ == "__main__":
    print(*count(Path(sys.argv[1]), int(sys.argv[2])))
