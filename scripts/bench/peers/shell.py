"""A shell kept open on a host of a lab, so that what is measured is the command and not the way there."""

import secrets
import select
import subprocess
import time
from types import TracebackType
from typing import Self

from scripts.lab import LabError, Machine
from scripts.lab.command import environment

SECONDS = 60.0


class Shell:
    """`sh` on a host; one command line after the other. `begin` and `end` let two hosts work at once."""

    def __init__(self, host: Machine) -> None:
        self._host = host
        self._process = subprocess.Popen(
            host.entered(["sh"]),
            env=environment(host.name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self._line = self._mark = ""
        self.run("true")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, line: str, seconds: float = SECONDS) -> str:
        """What the command line printed; LabError if it failed, or is late."""
        self.begin(line)
        return self.end(seconds)

    def begin(self, line: str) -> None:
        """Let it begin; `end` waits for it. It stops at the first command that fails."""
        self._line, self._mark = line, secrets.token_hex(8)
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(f"(set -e; {line}\n) </dev/null; echo {self._mark} $?\n".encode())

    def end(self, seconds: float = SECONDS) -> str:
        """What the command line that was begun printed; LabError if it failed, or is late."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        deadline, said = time.monotonic() + seconds, b""
        while self._mark.encode() not in said or not said.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise LabError(f"“{self._line[:500]}” on {self._host.name} took more than {seconds:g} s.")
            if not (more := self._process.stdout.read(1 << 16)):
                raise LabError(f"The shell on {self._host.name} ended in “{self._line[:500]}”.\n{said.decode()}")
            said += more
        printed, _, code = said.decode(errors="replace").rpartition(self._mark)
        if int(code):
            raise LabError(f"“{self._line[:500]}” failed on {self._host.name}.\n{printed.strip()}")
        return printed

    def close(self) -> None:
        """It ends."""
        self._process.kill()
        with self._process:
            return
