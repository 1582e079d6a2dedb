"""Hands on what others change in a bridge, from os-ken's loop to whoever listens, through a queue that has an end."""

import logging
from collections.abc import Callable

from os_ken.lib import hub

from app.openflow import monitor
from app.openflow.monitor import Missed, News

LOG = logging.getLogger(__name__)
MOST_NEWS = 1000  # that wait to be heard; of more only that there were more

Listener = Callable[[News], None]


class Watch:
    """One bridge's news on their way to a listener, which is called in a green thread of its own."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._waiting = hub.Queue(MOST_NEWS + 1)  # the last place is for None
        self._missed = False  # that it missed some is on its way: more of that says nothing
        hub.spawn(self._hand_on)

    def received(self, message: bytes) -> None:
        """A message that `monitor.tells`; never waits."""
        if self._missed:
            return
        for each in monitor.news(message):
            if self._waiting.qsize() >= MOST_NEWS:
                self._forget()
                each = Missed()
            self._waiting.put(each)
            self._missed = each == Missed()
            if self._missed:
                return

    def end(self) -> None:
        """There is no more to come."""
        self._waiting.put(None)

    def _forget(self) -> None:
        while not self._waiting.empty():
            self._waiting.get()

    def _hand_on(self) -> None:
        while (each := self._waiting.get()) is not None:
            if isinstance(each, Missed):
                self._missed = False
            try:
                self._listener(each)
            except Exception:
                LOG.exception("what somebody changed in a switch was not dealt with")
