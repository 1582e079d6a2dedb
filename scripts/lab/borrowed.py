"""What labs use of the machine itself, and give back: its lock, a sysctl, branches of its cgroups.

Everything else of a lab lives in namespaces of its own and goes with them.
"""

import dataclasses
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lab.plan import LABS, SUBNETS, LabError, Plan

BUFFER = Path("/proc/sys/net/core/rmem_default")
# bytes. The userspace datapath forwards in the thread that does everything else; with less, what arrives while that
# thread is busy (30 ports added: some 0.3 s) is lost. Taken by a socket when it is made, so before ovs-vswitchd.
BUFFER_SIZE = 16 << 20
BEFORE = LABS / "rmem_default.before"
BRANCH = "containet-lab"


@contextmanager
def lock(name: str, seconds: float = 120, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Only one at a time; the kernel lets go when the holder dies. Raises LabError when the time is up.

    An abstract Unix socket: a lock that is no file, so that none is left.
    """
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as holder:
        while True:
            try:
                holder.bind(f"\0{BRANCH}/{name}")
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            if time.monotonic() > deadline:
                raise LabError(
                    f"Somebody else has been at work on the lab “{name}” for {seconds:g} s. Try again later."
                )
            waiting()
            waiting = lambda: None  # noqa: E731 - said once
            time.sleep(0.05)
        yield


def enlarge_buffers() -> None:
    """Set the default receive buffer, and remember what it was, if it is too small."""
    with lock("machine"):
        before = BUFFER.read_text()
        if int(before) < BUFFER_SIZE:
            BEFORE.write_text(before)
            BUFFER.write_text(str(BUFFER_SIZE))


def give_back() -> None:
    """After the last lab: the buffer as it was, and the labs' own directory and cgroups gone."""
    with lock("machine"):
        if any(path.is_dir() for path in LABS.glob("*")):
            return
        for hierarchy in _hierarchies():
            _removed(hierarchy / BRANCH, deep=False)
        if BEFORE.exists():
            BUFFER.write_text(BEFORE.read_text())
            BEFORE.unlink()
        if LABS.exists():
            LABS.rmdir()


def branch(name: str) -> str:
    """The cgroup under which that lab's containers are, without the leading slash."""
    return f"{BRANCH}/{name}"


def thaw(name: str) -> None:
    """Let what is paused in that lab (or NAME/HOST) go on: frozen by version 1 it does not even end by SIGKILL."""
    for hierarchy in _hierarchies():
        for state in (hierarchy / branch(name)).rglob("freezer.state"):
            state.write_text("THAWED")


def prune(name: str, seconds: float = 10) -> None:
    """Remove that lab's (or NAME/HOST) cgroups everywhere, once their last process is gone; LabError if one stays."""
    deadline = time.monotonic() + seconds
    for hierarchy in _hierarchies():
        top = hierarchy / branch(name)
        while not _removed(top):
            if time.monotonic() > deadline:
                raise LabError(f"The cgroup {top} cannot be removed: something still runs in it.")
            time.sleep(0.02)


def _hierarchies() -> set[Path]:
    """Where cgroups are mounted: one place for version 2, one a controller for version 1."""
    rows = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return {Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")}


def _removed(top: Path, deep: bool = True) -> bool:
    """Remove a cgroup, with those in it if `deep`; whether it is gone."""
    found = [directory for directory, _, _ in os.walk(top, topdown=False)] if deep else [str(top)]
    for directory in found:
        try:
            Path(directory).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def with_subnet(plan: Plan) -> Plan:
    """The plan with the first subnet that no other lab has, its directory made so that it is taken."""
    with lock("machine"):
        LABS.mkdir(mode=0o700, exist_ok=True)
        taken = {json.loads(path.read_text())["index"] for path in LABS.glob("*/lab.json")}
        settled = dataclasses.replace(plan, index=next(n for n in range(len(SUBNETS)) if n not in taken))
        settled.directory.mkdir(mode=0o700)
        (settled.directory / "lab.json").write_text(json.dumps(settled.save()))
        return settled
