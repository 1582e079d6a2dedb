"""The controller as a process of its own, and what it takes of the machine."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.bench.api import Api, free_port
from scripts.lab import LabError
from scripts.lab.command import environment, poll
from scripts.lab.plan import BIN

START_S = 30.0


class Controller:
    """`osken-manager app.containet` on ports of its own; `directory` keeps its store and its log.

    Each start has its own port for bridges: Open vSwitch 3.1 looks for a controller that was away every 8 s only,
    whatever `max_backoff` says, but for one that is new to it at once.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.openflow, self.rest = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        """Where bridges find it."""
        return f"tcp:127.0.0.1:{self.openflow}"

    def start(self) -> None:
        """Returns when it serves, on another OpenFlow port than before; LabError if it does not."""
        self.openflow = free_port()
        argv = [
            f"{BIN}/osken-manager",
            "--ofp-listen-host=127.0.0.1",
            f"--ofp-tcp-listen-port={self.openflow}",
            "--wsapi-host=127.0.0.1",
            f"--wsapi-port={self.rest}",
            f"--containet-state={self.directory}/state.db",
            "app.containet",
        ]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(argv, env=environment("bench"), stdout=log, stderr=log)
        if not poll(self._serves, START_S):
            raise LabError(f"the controller does not serve:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL; nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Its store is gone; while it does not run."""
        for file in self.directory.glob("state.db*"):
            file.unlink()

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.directory / "controller.log"

    @property
    def pid(self) -> int:
        """LabError if it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise LabError(f"the controller does not run:\n{self.log.read_text()[-2000:]}")
        return self._process.pid

    def cpu_s(self) -> float:
        """The processor's time that all its threads have had, to the nanosecond.

        The clock of another process (linux/posix-timers.h, CPUCLOCK_SCHED): /proc/PID/stat counts in ticks of 10 ms.
        """
        return time.clock_gettime(~self.pid << 3 | 2)

    def peak_mb(self) -> float:
        """The most memory that it ever had, in megabytes."""
        said = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", said)
        return int(found.group(1)) * 1024 / 1e6 if found else 0.0

    def _serves(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise LabError(f"the controller ended:\n{self.log.read_text()[-2000:]}")
        try:
            return Api.at(self.rest).ask("GET", "/v1/healthz")[0] == 200
        except (OSError, LabError):
            return False


@contextmanager
def controller(directory: Path) -> Iterator[Controller]:
    """One that is started by who uses it, and gone afterwards."""
    made = Controller(directory)
    try:
        yield made
    finally:
        made.kill()
