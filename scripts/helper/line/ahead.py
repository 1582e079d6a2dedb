"""An endpoint that is being made is told of before it is there, so that its flows are when its port is.

Its port is given the number that was told, and mostly gets it. How it is in the end is told again if that is otherwise.
"""

from concurrent.futures import Future
from threading import Thread

from app.wire import EndpointReport, EndpointUp, Outcome
from scripts.helper.line.report import Channel
from scripts.helper.ovs.record import Key

TAKEN_BACK_S = 2.0


class Ahead:
    """Telling of one endpoint: begun once, then heard or taken back."""

    def __init__(self, channel: Channel, key: Key, patience_s: float) -> None:
        self._channel, self._key, self._patience_s = channel, key, patience_s
        self._telling: Future[Outcome | None] | None = None

    def begin(self, report: EndpointReport) -> None:
        """It is going to be like this. Never waits."""
        self._telling = Future()
        Thread(target=self._tell, args=[self._telling, EndpointUp(endpoint=report)], name="ahead", daemon=True).start()

    def outcome(self) -> Outcome | None:
        """What came of it, now that it is made; as `Channel.tell`."""
        if self._telling is None:
            return self._channel.tell(self._key, self._patience_s)
        told = self._telling.result()
        if told is None or self._channel.agrees(self._key):
            return told
        return self._channel.tell(self._key, self._patience_s)

    def taken_back(self) -> None:
        """It was not made: who was told that it comes is told that it does not, by the return of this if he answers."""
        if self._telling is not None:
            self._channel.mark(self._key)
            self._channel.settled(self._key, TAKEN_BACK_S)

    def _tell(self, telling: "Future[Outcome | None]", coming: EndpointUp) -> None:
        try:
            telling.set_result(self._channel.tell(self._key, self._patience_s, coming))
        except BaseException as error:
            telling.set_exception(error)
