"""One machine of the lab: its keeper, what runs under it by role, and commands run as if on it.

Each process is a role (`dockerd`, `helper`, ...): DIRECTORY/ROLE.pid says which process has it, DIRECTORY/ROLE.log
what it printed. Nothing else is remembered, so that any `containet` and any test can pick a running lab up.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import Signals

from scripts.lab.command import command, environment, poll
from scripts.lab.keeper import LONGEST_REQUEST, SOCKET
from scripts.lab.plan import LabError
from scripts.lab.process import Process, find, outer_pid

KEEPER = ("-m", "scripts.lab.keeper")
_TAIL = 15  # lines of a log that an error shows


class Machine:
    """A keeper and what runs under it."""

    def __init__(self, name: str, lab: Path) -> None:
        self.name, self.directory = name, lab / name

    def __repr__(self) -> str:
        return f"<{self.name} of {self.directory.parent.name}>"

    # -- the keeper

    @property
    def keeper(self) -> Process | None:
        """PID 1 of the machine, if it lives."""
        return self.process("keeper")

    @property
    def pid(self) -> int:
        """The keeper's pid; raises LabError if the machine is down."""
        if (keeper := self.keeper) is None:
            raise LabError(f"{self.name} is down: “containet lab up” starts it again.")
        return keeper.pid

    @property
    def root(self) -> Path:
        """Its file system as this machine reaches it."""
        return Path(f"/proc/{self.pid}/root")

    def boot(self, kind: str) -> None:
        """Make its namespaces; raises LabError in the kernel's words."""
        for part in ("run", "disk") if kind == "host" else ():
            (self.directory / part).mkdir(parents=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        made = command((sys.executable, *KEEPER, str(self.directory), kind), check=False)
        keeper = Process.of(int(made.stdout)) if made.returncode == 0 else None
        if keeper is None:
            raise LabError(f"{self.name} could not be made.\n{made.stderr.strip()}")
        keeper.write(self.directory / "keeper.pid")

    # -- processes, by role

    def process(self, role: str) -> Process | None:
        """The process that has this role, if it lives."""
        process = Process.read(self.directory / f"{role}.pid")
        return process if process and process.alive else None

    def processes(self) -> dict[str, Process]:
        """Every role that was ever started, its process alive or not."""
        found = {path.stem: Process.read(path) for path in sorted(self.directory.glob("*.pid"))}
        return {role: process for role, process in found.items() if process}

    def start(self, role: str, argv: Sequence[str], **more: str) -> Process:
        """Start what has this role, with `more` in its environment; nothing happens if it runs already."""
        if running := self.process(role):
            return running
        order = json.dumps({"argv": list(argv), "env": {**environment(self.name), **more}}).encode()
        with (
            self.log(role).open("ab") as output,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection,
        ):
            connection.settimeout(10)
            connection.connect(str(self.directory / SOCKET))
            socket.send_fds(connection, [order], [output.fileno()])
            answer = json.loads(connection.recv(LONGEST_REQUEST))
        if "error" in answer:
            raise LabError(f"{argv[0]} does not start on {self.name}: {answer['error']}.")
        pid = outer_pid(self.pid, answer["pid"])
        process = Process.of(pid) if pid else None
        if process is None:
            raise LabError(f"{role} of {self.name} ended at once.\n{self.tail(role)}")
        process.write(self.directory / f"{role}.pid")
        return process

    def send(self, role: str, number: Signals) -> None:
        """Send it to what has this role; raises LabError if nothing has."""
        process = self.process(role)
        if process is None or not process.signal(number):
            raise LabError(f"{role} of {self.name} does not run.")

    def kill(self, role: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(role, Signals.SIGKILL, 10)

    def stop(self, role: str, seconds: float = 20) -> None:
        """SIGTERM, and wait until it is gone; raises LabError if it will not go."""
        self._end(role, Signals.SIGTERM, seconds)

    def _end(self, role: str, number: Signals, seconds: float) -> None:
        process = self.process(role)
        if process is None or not process.signal(number):
            return
        if not process.gone(seconds):
            raise LabError(f"{role} of {self.name} still runs {seconds:g} s after {number.name}.\n{self.tail(role)}")

    def freeze(self, role: str) -> None:
        """SIGSTOP: there, but it does nothing."""
        self.send(role, Signals.SIGSTOP)

    def thaw(self, role: str) -> None:
        """SIGCONT."""
        self.send(role, Signals.SIGCONT)

    def wait(self, role: str, done: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Wait until `done`; raises LabError with the end of the log if the role's process dies first, or is late."""
        if poll(lambda: done() or self.process(role) is None, seconds) and done():
            return
        why = "it ended" if self.process(role) is None else f"not within {seconds:g} s"
        raise LabError(f"{role} of {self.name} did not {what}: {why}. The end of {self.log(role)}:\n{self.tail(role)}")

    def log(self, role: str) -> Path:
        """What the role's processes printed."""
        return self.directory / f"{role}.log"

    def tail(self, role: str, lines: int = _TAIL) -> str:
        """The end of the log."""
        try:
            return "\n".join(self.log(role).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(it printed nothing)"

    # -- commands

    def entered(self, argv: Sequence[str]) -> list[str]:
        """What runs `argv` in its namespaces: in the same directory if it has it, dying with who called."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", "--pid", "--"]
        here = Path.cwd()
        there = here if (self.root / str(here).lstrip("/")).is_dir() else Path("/")
        return [*enter, "setpriv", "--pdeathsig", "KILL", "env", f"--chdir={there}", *argv]

    def exec(
        self, *argv: str, text: str = "", seconds: float = 30, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run it as if there, `text` on its standard input; raises LabError if it is late, or fails and `check`."""
        return command(self.entered(argv), text=text, seconds=seconds, check=check, machine=self.name)


def keepers(lab: Path) -> list[Process]:
    """Every keeper of that lab that lives, also one that nobody had the time to write down."""
    return find((*KEEPER, f"{lab}/"))
