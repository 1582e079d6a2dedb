"""When nothing that Open vSwitch cached follows flows that are gone.

ovs-vswitchd keeps what it decided for a kind of packet as a datapath flow, and its revalidators look through all of
these, round after round: at the latest after `max-revalidator` ms, at once when something changed. A command tells
when a round ends (`revalidator/wait`, ovs-vswitchd(8)). A round may have begun before the flows changed, so two ends
are waited for: the second round began after the first had ended. To change something that concerns nobody starts a
round at once: an entry of the MAC table of our bridge, which learns nothing and looks nothing up there.

That flows changed the revalidators hear when ovs-vswitchd's main loop begins anew. It answers commands once in each
turn, so two of them, one after the other, see to it that rounds are counted only from there on.

Where bridges have both types of datapath there are two such caches, and that command refuses. There all that is cached
is thrown away instead (`revalidator/purge`), twice, for what was decided before the first and kept after it. Of 10,000
packets a second, as measured, none is lost by that: the next one of each kind is decided anew.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.helper.ovs.control import CommandRefusedError, Control, control_socket
from scripts.helper.ovs.ovsdb import VswitchError

NUDGE_S = 0.001  # ovs-vswitchd may sleep: any command wakes it, and then it sees what changed
NOBODY = "02:c7:00:00:00:00"  # the MAC that 0.0.0.0 would have
SEVERAL = "multiple udpifs"  # what ovs-vswitchd says where it has more than one cache


class Revalidator:
    """Waits for the revalidators of the ovs-vswitchd that runs in this directory. One caller at a time."""

    def __init__(self, directory: Path, bridge: str, timeout_s: float = 5.0) -> None:
        self._directory, self._bridge, self._timeout_s = directory, bridge, timeout_s
        self._open: tuple[Control, Control] | None = None

    def settle(self) -> None:
        """Return when no cached flow is older than this call; VswitchError if that cannot be known."""
        deadline = time.monotonic() + self._timeout_s
        change = ("fdb/add", self._bridge, self._bridge, "0", NOBODY)
        back = ("fdb/del", self._bridge, "0", NOBODY)
        try:
            with self._controls() as (waiting, asking):
                for _ in range(2):
                    asking.call("version")
                rounds = [self._round(waiting, asking, deadline, *words) for words in (change, back)]
                if not all(rounds):
                    for _ in range(2):
                        asking.call("revalidator/purge")
        except (OSError, ValueError) as error:
            raise VswitchError(f"ovs-vswitchd does not say what it has cached: {error}. Is it running?") from error

    def _round(self, waiting: Control, asking: Control, deadline: float, *change: str) -> bool:
        """Wait until a round ends that saw this change; False if that cannot be, for there is more than one cache."""
        waiting.ask("revalidator/wait")
        asking.call(*change)
        while not waiting.answered(NUDGE_S):
            if time.monotonic() > deadline:
                raise TimeoutError(f"its revalidators took longer than {self._timeout_s:g} s")
            asking.call("version")
        try:
            waiting.answer()
        except CommandRefusedError as error:
            if SEVERAL not in str(error):
                raise
            return False
        return True

    @contextmanager
    def _controls(self) -> Iterator[tuple[Control, Control]]:
        """Both connections, made anew after anything went wrong (another ovs-vswitchd may run then)."""
        if self._open is not None and any(control.answered(0) for control in self._open):
            self._close()  # nothing was asked: it is the end of the connection
        if self._open is None:
            path = control_socket(self._directory)
            self._open = Control(path, self._timeout_s), Control(path, self._timeout_s)
        try:
            yield self._open
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        for control in self._open or ():
            control.close()
        self._open = None
