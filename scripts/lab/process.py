"""A process is its pid and the moment that it started: a pid that somebody else has by now is never touched.

A zombie counts as gone: it does nothing any more, and only its parent can clear it away.
"""

import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")


def _stat(pid: int) -> tuple[str, int] | None:
    """Its state (R, S, T, Z ...) and its start, clock ticks since boot: fields 3 and 22 of proc(5) stat."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine, whether it still lives or not."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now."""
        stat = _stat(pid)
        return cls(pid, stat[1]) if stat else None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What `write` put there; None where there is nothing, or no sense."""
        try:
            pid, start = path.read_text().split()
            return cls(int(pid), int(start))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Remember it in this file."""
        draft = path.with_suffix(".new")
        draft.write_text(f"{self.pid} {self.start}\n")
        draft.replace(path)

    @property
    def state(self) -> str:
        """`up`, `frozen` (by SIGSTOP) or `down`."""
        stat = _stat(self.pid)
        if stat is None or stat[1] != self.start or stat[0] in "ZX":
            return "down"
        return "frozen" if stat[0] == "T" else "up"

    @property
    def alive(self) -> bool:
        """Whether it is there, frozen or not."""
        return self.state != "down"

    def signal(self, number: signal.Signals) -> bool:
        """Send it; False if the process is no more."""
        if (handle := self._handle()) is None:
            return False
        try:
            if not self.alive:  # asked with the handle in hand: from here on the pid cannot become another's
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def gone(self, seconds: float) -> bool:
        """Wait until it has ended; False if it still lives after that time.

        All of it: while other threads end its first one may be a zombie already, and its files are locked still.
        """
        if (handle := self._handle()) is None:
            return True
        try:
            ended = Process.of(self.pid) != self or bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)
        if ended:
            self._clear_away()
        return ended

    def _handle(self) -> int | None:
        """A pidfd of whatever has the pid now."""
        try:
            return os.pidfd_open(self.pid)
        except (ProcessLookupError, FileNotFoundError):  # the second was seen of one that was just ending
            return None

    def _clear_away(self) -> None:
        """Take its exit code if it was our child, so that no zombie stays."""
        try:
            os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return


def all_pids() -> Iterator[int]:
    """Every pid on the machine now."""
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())


def find(argv: tuple[str, ...]) -> list[Process]:
    """Processes whose arguments, after the program's own name, begin with these words; the last of them may go on."""
    wanted = b"\0".join(os.fsencode(word) for word in argv)
    found = []
    for pid in all_pids():
        try:
            line = (PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            continue
        process = Process.of(pid)
        if line.partition(b"\0")[2].startswith(wanted) and process is not None:
            found.append(process)
    return found


def outer_pid(keeper: int, inner: int) -> int | None:
    """The pid that this machine gives to what is `inner` in the pid namespace of `keeper`."""
    namespace = os.readlink(PROC / str(keeper) / "ns" / "pid")
    for pid in all_pids():
        try:
            if os.readlink(PROC / str(pid) / "ns" / "pid") != namespace:
                continue
            status = (PROC / str(pid) / "status").read_text()
        except OSError:  # it ended meanwhile, or is one that not even root may look at
            continue
        seen = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if int(seen[-1]) == inner:
            return pid
    return None
