"""One run of one benchmark, as it is kept: what was read, and where and when."""

import json
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from scripts.bench.page.figures import Figure
from scripts.lab import LabError
from scripts.lab.command import command

SOURCE = Path(__file__).parents[3]
VERSIONS = {  # what is asked, of whom
    "Open vSwitch": ("ovs-vswitchd", "--version"),
    "OVN": ("ovn-controller", "--version"),
    "Docker": ("dockerd", "--version"),
    "Python": ("/usr/bin/python3", "--version"),
}


@dataclass(frozen=True)
class About:
    """Where and when. `load`: of the last minute before it began; `commit`: with a `+` if the source was changed."""

    day: str
    commit: str
    processor: str
    cores: int
    kernel: str
    system: str
    versions: dict[str, str]
    load: float


def about() -> About:
    """Here and now."""
    return About(
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        commit=_commit(),
        processor=_found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        kernel=os.uname().release,
        system=_found(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text()),
        versions={name: _found(r"(\d+\.\d[\w.]*)", _said(argv)) for name, argv in VERSIONS.items()},
        load=float(Path("/proc/loadavg").read_text().split()[0]),
    )


@dataclass(frozen=True)
class Record:
    """A benchmark's figures. `quick`: of too few rounds to mean much."""

    benchmark: str
    about: About
    quick: bool
    figures: tuple[Figure, ...]

    @classmethod
    def load(cls, text: str) -> Self:
        """What `save` gave."""
        saved: dict[str, Any] = json.loads(text)
        figures = tuple(Figure.load({"benchmark": saved["benchmark"], **figure}) for figure in saved["figures"])
        return cls(saved["benchmark"], About(**saved["about"]), saved["quick"], figures)

    def save(self) -> str:
        """JSON, a figure a line."""
        head = {"benchmark": self.benchmark, "about": asdict(self.about), "quick": self.quick}
        figures = [figure.save() for figure in self.figures]
        for figure in figures:
            del figure["benchmark"]
        lines = ",\n  ".join(json.dumps(figure, ensure_ascii=False) for figure in figures)
        return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "figures": [\n  {lines}\n]}}\n'


def _commit() -> str:
    try:
        name = command(("git", "-C", str(SOURCE), "rev-parse", "--short=12", "HEAD")).stdout.strip()
        changed = command(("git", "-C", str(SOURCE), "status", "--porcelain", "--untracked-files=no")).stdout
    except (LabError, OSError):
        return "unknown"
    return f"{name}+" if changed else name


def _said(argv: tuple[str, ...]) -> str:
    try:
        return command(argv, check=False).stdout
    except (LabError, OSError):
        return ""


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match.group(1) if match else "unknown"
