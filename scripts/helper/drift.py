"""Drift: what somebody else removed or changed of ours in Open vSwitch is noticed at once, put right, and told.

What we do to the database is done with the host's lock held. So whatever differs from what we made, once we have that
lock, is somebody else's doing. The database says that something changed; what it was is found by looking.
"""

import logging
import queue
import threading
from collections.abc import Collection, Iterable

from app.wire import Drift
from scripts.helper.attached.host import Host
from scripts.helper.engine import DockerAwayError
from scripts.helper.keeper import Keeper
from scripts.helper.line.report import Channel
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.vswitch import VswitchError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # between two looks; longer while each look finds something
RETELL_S = 1.0
MOST_UNTOLD = 64
LONGEST = 256  # characters, app.wire.Drift

log = logging.getLogger(__name__)


class Watch:
    """Watches what we made in the database."""

    def __init__(self, host: Host, keeper: Keeper, channel: Channel) -> None:
        self._host, self._keeper, self._channel = host, keeper, channel
        self._untold: queue.Queue[Drift] = queue.Queue(MOST_UNTOLD)

    def start(self) -> None:
        """Begin; the threads end with the process."""
        for name, work in (("drift", self._watch), ("drift-teller", self._tell)):
            threading.Thread(target=work, name=name, daemon=True).start()

    def _watch(self) -> None:
        pause, told, still, seen = FIRST_PAUSE_S, None, threading.Event(), -1
        while True:
            drift = self._look_guarded()
            if drift is not None and (drift.repaired or drift != told):
                self._say(drift)
            told = drift
            pause = FIRST_PAUSE_S if drift is None else min(pause * 2, LONGEST_PAUSE_S)
            still.wait(pause)
            if drift is None:
                seen = self._changed_since(seen)

    def _changed_since(self, seen: int) -> int:
        try:
            return self._host.vswitch.changed_since(seen)
        except VswitchError as error:
            log.debug("Nothing is seen now: %s", error)
            return seen

    def _look_guarded(self) -> Drift | None:
        try:
            return self.look()
        except (PlumbError, VswitchError, DockerAwayError) as error:
            log.warning("Drift cannot be looked for now: %s", error)
        except Exception:
            log.exception("Something went wrong that should not have")
        return None

    def look(self) -> Drift | None:
        """Put right what drifted; what it was, and whether all of it stands again."""
        with self._host.alone():
            amiss = self._host.vswitch.drift()
            if not amiss:
                return None
            self._write(amiss)
            uncovered = self._host.vswitch.drift()  # the ports of a bridge that was gone
            self._write(uncovered)
            amiss |= uncovered
            concerned = self._put_back(amiss)
            repaired = concerned is not None and not self._host.vswitch.drift()
        self._keeper.look_at(concerned or ())
        return Drift(what=_in_short(amiss.values()), repaired=repaired)

    def _write(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                self._host.vswitch.mend(name)
            except VswitchError as error:  # no reason against the others, if it is about this one
                log.warning("%s", error)
                if not self._host.vswitch.connected():
                    return

    def _put_back(self, names: Collection[str]) -> set[str] | None:
        """The containers that are concerned; None if it could not be done."""
        try:
            return self._host.put_back(names)
        except (PlumbError, VswitchError) as error:
            log.warning("%s", error)
            return None

    def _say(self, drift: Drift) -> None:
        log.warning(
            "Somebody else's doing: %s; %s", drift.what, "put right" if drift.repaired else "it is not right yet"
        )
        try:
            self._untold.put_nowait(drift)
        except queue.Full:
            log.warning("That is not told: too much waits to be told already")

    def _tell(self) -> None:
        pause = threading.Event()
        while True:
            drift = self._untold.get()
            while not self._channel.said(drift):
                pause.wait(RETELL_S)


def _in_short(words: Iterable[str]) -> str:
    text = "; ".join(words)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
