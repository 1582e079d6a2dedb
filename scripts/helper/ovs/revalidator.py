"""When nothing that Open vSwitch cached follows flows that are gone.

ovs-vswitchd keeps what it decided for a kind of packet as a datapath flow, and its revalidators look through all of
these, round after round: at the latest after `max-revalidator` ms, at once when something changed. A command tells
when a round ends (`revalidator/wait`, ovs-vswitchd(8)). A round may have begun before the flows changed, so two ends
are waited for: the second round began after the first had ended. To change something that concerns nobody starts a
round at once: an entry of the MAC table of our bridge, which learns nothing and looks nothing up there.

Where bridges have both types of datapath there are two such caches, and that command refuses. There all that is cached
is thrown away instead (`revalidator/purge`), twice, for what was decided before the first and kept after it. Of 10,000
packets a second, as measured, none is lost by that: the next one of each kind is decided anew.
"""

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.helper.ovs.ovsdb import VswitchError

NUDGE_S = 0.001  # ovs-vswitchd may sleep: any command wakes it, and then it sees what changed
NOBODY = "02:c7:00:00:00:00"  # the MAC that 0.0.0.0 would have
SEVERAL = "multiple udpifs"  # what ovs-vswitchd says where it has more than one cache
MOST_BYTES = 1 << 20  # of an answer


class _RefusedError(VswitchError):
    """ovs-vswitchd did not want a command."""


class _Control:
    """A connection to a daemon's control socket (JSON-RPC 1.0, ovs-appctl(8)), kept open."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._rest, self._number = "", 0

    def close(self) -> None:
        self._socket.close()

    def ask(self, command: str, *words: str) -> None:
        self._number += 1
        self._socket.sendall(json.dumps({"method": command, "params": words, "id": self._number}).encode())

    def answered(self, seconds: float) -> bool:
        return bool(select.select([self._socket], [], [], seconds)[0])

    def answer(self) -> str:
        while len(self._rest) < MOST_BYTES:
            try:
                said, end = json.JSONDecoder().raw_decode(self._rest)
            except ValueError:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise ConnectionResetError("ovs-vswitchd closed its control socket") from None
                self._rest += data.decode()
                continue
            self._rest = self._rest[end:]
            if said.get("error"):
                raise _RefusedError(f"ovs-vswitchd refused a command: {str(said['error']).strip()}.")
            return str(said["result"])
        raise VswitchError("ovs-vswitchd answers without end.")

    def call(self, command: str, *words: str) -> str:
        self.ask(command, *words)
        return self.answer()


class Revalidator:
    """Waits for the revalidators of the ovs-vswitchd that runs in this directory. One caller at a time."""

    def __init__(self, directory: Path, bridge: str, timeout_s: float = 5.0) -> None:
        self._directory, self._bridge, self._timeout_s = directory, bridge, timeout_s
        self._open: tuple[_Control, _Control] | None = None

    def settle(self) -> None:
        """Return when no cached flow is older than this call; VswitchError if that cannot be known."""
        deadline = time.monotonic() + self._timeout_s
        change = ("fdb/add", self._bridge, self._bridge, "0", NOBODY)
        back = ("fdb/del", self._bridge, "0", NOBODY)
        try:
            with self._controls() as (waiting, asking):
                rounds = [self._round(waiting, asking, deadline, *words) for words in (change, back)]
                if not all(rounds):
                    for _ in range(2):
                        asking.call("revalidator/purge")
        except (OSError, ValueError) as error:
            raise VswitchError(f"ovs-vswitchd does not say what it has cached: {error}. Is it running?") from error

    def _round(self, waiting: _Control, asking: _Control, deadline: float, *change: str) -> bool:
        """Wait until a round ends that saw this change; False if that cannot be, for there is more than one cache."""
        waiting.ask("revalidator/wait")
        asking.call(*change)
        while not waiting.answered(NUDGE_S):
            if time.monotonic() > deadline:
                raise TimeoutError(f"its revalidators took longer than {self._timeout_s:g} s")
            asking.call("version")
        try:
            waiting.answer()
        except _RefusedError as error:
            if SEVERAL not in str(error):
                raise
            return False
        return True

    @contextmanager
    def _controls(self) -> Iterator[tuple[_Control, _Control]]:
        """Both connections, made anew after anything went wrong (another ovs-vswitchd may run then)."""
        if self._open is not None and any(control.answered(0) for control in self._open):
            self._close()  # nothing was asked: it is the end of the connection
        if self._open is None:
            pid = (self._directory / "ovs-vswitchd.pid").read_text().strip()
            path = self._directory / f"ovs-vswitchd.{pid}.ctl"
            self._open = _Control(path, self._timeout_s), _Control(path, self._timeout_s)
        try:
            yield self._open
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        for control in self._open or ():
            control.close()
        self._open = None
