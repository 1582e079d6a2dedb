"""An endpoint that is being made is told of before it is there, so that its flows are before it says anything.

The controller admits it, and begins; its port is given the number that was told, and mostly gets it. The interface
has its address once the flows are there: else the first that it says is lost, which is a question for a MAC, and the
kernel asks again after a second. How it is in the end is told again if that is otherwise. Until then nobody else tells
of it: that it is not there yet would be told as if it had gone.
"""

import logging
from concurrent.futures import Future, wait
from contextlib import ExitStack

from app.wire import Admission, Ask, Coming, Outcome
from scripts.helper.begun import begun
from scripts.helper.line.controller import StaleSessionError
from scripts.helper.line.report import Channel
from scripts.helper.ovs.record import Key
from scripts.helper.problem import AwayError

MOMENT_S = 0.2
SESSION_S = 2.0  # how long to wait for a session with a controller that answers
TAKEN_BACK_S = 2.0

log = logging.getLogger(__name__)


class Ahead:
    """Telling of one endpoint: asked once, then heard or taken back.

    `ofport`: the number that its port is going to ask for, if it comes at once and has one of its own.
    """

    def __init__(self, channel: Channel, key: Key, ofport: int | None) -> None:
        self._channel, self._key, self._ofport = channel, key, ofport
        self._patience_s = 0.0
        self._known = False  # the controller may think that it comes
        self._hearing: Future[Outcome] | None = None
        self._turn = ExitStack()

    def admit(self, ask: Ask) -> Admission:
        """Whether it may be; RefusedError, or AwayError."""
        admission = self._come(ask, self._ofport) if self._ofport is not None else None
        admission = admission or self._channel.admit(ask)
        self._patience_s = SESSION_S
        return admission

    def wait_for_flows(self) -> None:
        """Until its flows are where they are needed, but not for long: a host may be away."""
        if self._hearing is not None:
            wait([self._hearing], MOMENT_S)

    def outcome(self) -> Outcome | None:
        """What came of it, now that it is made; as `Channel.tell`."""
        with self._turn:
            if self._hearing is not None:
                try:
                    outcome = self._hearing.result()
                except AwayError as error:
                    log.warning("What came of %s was not heard: %s", self._key.brief, error)
                else:
                    if self._channel.confirm(self._key):
                        return outcome
        return self._channel.tell(self._key, self._patience_s)

    def taken_back(self) -> None:
        """It was not made: who was told that it comes is told that it does not, by the return of this if he answers."""
        if self._hearing is not None:
            wait([self._hearing], TAKEN_BACK_S)
        self._turn.close()
        if self._known:
            self._channel.mark(self._key)
            self._channel.settled(self._key, TAKEN_BACK_S)

    def _come(self, ask: Ask, ofport: int) -> Admission | None:
        """None: that could not be said now."""
        with ExitStack() as turn:
            if not turn.enter_context(self._channel.making(self._key)):
                return None
            try:
                admission, heard = self._channel.come(Coming(ask=ask, ofport=ofport))
            except StaleSessionError:
                return None
            except AwayError:
                self._known = True  # perhaps
                raise
            self._known = True
            self._hearing = begun("hearing", heard)
            self._turn = turn.pop_all()
        return admission
