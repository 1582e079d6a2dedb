"""When nothing that Open vSwitch cached follows flows that are gone.

ovs-vswitchd keeps what it decided for a kind of packet as a datapath flow, and its revalidators look through all of
these, round after round. A command tells when a round ends (`revalidator/wait`, ovs-vswitchd(8)), and counters of what
changed tell how many changes there were (`coverage/read-counter`); what that proves `Rounds` knows. A round is watched
at all times, so that mostly the one that a change causes is proof enough. Where it is not, a change that concerns
nobody makes another one begin: an entry of the MAC table of our bridge, which learns nothing and looks nothing up.

That flows changed the revalidators hear when ovs-vswitchd's main loop begins anew. It answers commands once in each
turn, so changes are counted with the second of two commands, one after the other.

Where bridges have both types of datapath there are two such caches, and the command refuses. There all that is cached
is thrown away instead (`revalidator/purge`), twice, for what was decided before the first and kept after it. Of 10,000
packets a second, as measured, none is lost by that: the next one of each kind is decided anew.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from scripts.helper.ovs.control import Control, control_socket
from scripts.helper.ovs.ovsdb import VswitchError
from scripts.helper.ovs.watching import SeveralCachesError, Watching

AGAIN_S = 1.0  # until the next attempt to watch

log = logging.getLogger(__name__)


class Revalidator:
    """Waits for the revalidators of the ovs-vswitchd that runs in this directory. Any thread may call.

    `period_s` gives the time after which a round begins by itself; `busy` says whether something is being made here.
    """

    def __init__(
        self,
        directory: Path,
        bridge: str,
        period_s: Callable[[], float],
        busy: Callable[[], bool] = lambda: False,
        timeout_s: float = 5.0,
    ) -> None:
        self._directory, self._bridge, self._timeout_s = directory, bridge, timeout_s
        self._period_s, self._busy = period_s, busy
        self._watching: Watching | None = None
        self._alone = threading.Lock()

    def start(self) -> None:
        """Watch from now on; the thread ends with the process."""
        threading.Thread(target=self._watch, name="rounds", daemon=True).start()

    def settle(self) -> None:
        """Return when no cached flow is older than this call; VswitchError if that cannot be known."""
        deadline = time.monotonic() + self._timeout_s
        with self._alone:
            try:
                self._current().settle(deadline)
            except SeveralCachesError:
                self._end(self._watching)
                self._purge()
            except (OSError, ValueError) as error:
                self._end(self._watching)
                raise VswitchError(f"ovs-vswitchd does not say what it has cached: {error}. Is it running?") from error
            except VswitchError:
                self._end(self._watching)
                raise

    def _watch(self) -> None:
        while True:
            watching = None
            try:
                with self._alone:
                    watching = self._current()
                watching.look(self._alone, self._busy)
            except (SeveralCachesError, OSError, ValueError, VswitchError) as error:
                log.debug("Rounds are not watched now: %s", error)
                with self._alone:
                    self._end(watching)
                time.sleep(AGAIN_S)

    def _current(self) -> Watching:
        """What is watched, begun anew after anything went wrong (another ovs-vswitchd may run then) or changed."""
        try:
            period_s = self._period_s()
        except VswitchError:
            period_s = 0.0  # not known now: a round may begin at any time
        watching = self._watching
        if watching is not None and (watching.over() or watching.period_s != period_s):
            self._end(watching)
        if self._watching is None:
            path = control_socket(self._directory)
            controls = Control(path, self._timeout_s), Control(path, self._timeout_s)
            self._watching = Watching(*controls, self._bridge, period_s)
        return self._watching

    def _end(self, watching: Watching | None) -> None:
        if watching is not None:
            watching.close()
        if self._watching is watching:
            self._watching = None

    def _purge(self) -> None:
        control = Control(control_socket(self._directory), self._timeout_s)
        try:
            for _ in range(2):
                control.call("revalidator/purge")
        finally:
            control.close()
