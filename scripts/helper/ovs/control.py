"""The control sockets of Open vSwitch's daemons: JSON-RPC 1.0, what ovs-appctl(8) speaks."""

import json
import select
import socket
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from scripts.helper.ovs.ovsdb import VswitchError

MOST_BYTES = 1 << 20  # of an answer
_DECODER = json.JSONDecoder()


def control_socket(directory: Path) -> Path:
    """That of the ovs-vswitchd that runs in this directory; OSError if none does."""
    pid = (directory / "ovs-vswitchd.pid").read_text().strip()
    return directory / f"ovs-vswitchd.{pid}.ctl"


class CommandRefusedError(VswitchError):
    """The daemon did not want a command."""


class Control:
    """A connection to a daemon's control socket, until `close`. Raises OSError where it fails."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._rest, self._numbers = "", count(1)

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def ask(self, command: str, *words: str) -> None:
        """Say a command."""
        self._say((command, *words))

    def answered(self, seconds: float) -> bool:
        """Whether there is something to read in that time: an answer, or the end of the connection."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def answer(self) -> str:
        """What the command said; CommandRefusedError says why not."""
        while len(self._rest) < MOST_BYTES:
            try:
                said, end = _DECODER.raw_decode(self._rest)
            except ValueError:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise ConnectionResetError("ovs-vswitchd closed its control socket") from None
                self._rest += data.decode()
                continue
            self._rest = self._rest[end:]
            if said.get("error"):
                raise CommandRefusedError(f"ovs-vswitchd refused a command: {str(said['error']).strip()}.")
            return str(said["result"])
        raise VswitchError("ovs-vswitchd answers without end.")

    def call(self, command: str, *words: str) -> str:
        """Say a command, and what it said."""
        self.ask(command, *words)
        return self.answer()

    def call_all(self, *commands: tuple[str, ...]) -> list[str]:
        """Say all these commands at once, and what each said."""
        self._say(*commands)
        return [self.answer() for _ in commands]

    def _say(self, *commands: Sequence[str]) -> None:
        numbered = zip(commands, self._numbers, strict=False)
        said = (json.dumps({"method": c, "params": words, "id": number}) for (c, *words), number in numbered)
        self._socket.sendall("".join(said).encode())
