"""`osken-manager` as people start it: a process of its own."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

MANAGER = Path(sys.executable).with_name("osken-manager")
CONTAINET = Path(__file__).parents[2] / "app" / "containet.py"
PATIENCE_S = 20
READY = "waiting for switches"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A running manager, and what it wrote so far."""

    def __init__(self, log: Path, directory: Path, words: tuple[str, ...]) -> None:
        self.log = log
        with log.open("w") as out:
            self._process = subprocess.Popen([MANAGER, *words], cwd=directory, stdout=out, stderr=out)

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.log.read_text():
            assert self._process.poll() is None, f"it ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"no “{text}” in:\n{self.log.read_text()}"
            time.sleep(0.02)
        return self.log.read_text()

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE_S)
