"""What is said to a switch in one go, and what comes for it: a run of xids and an inbox."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow import messages

MOST_REPLIES = 20_000  # messages waiting in one talk: a bundle's errors, 30 MB of flows

Reply = Any  # os-ken's message objects


@dataclass
class Talk:
    """A run of xids, and what came for them."""

    first: int
    end: int  # the first that is another's
    said: int = 0  # the last that is answered
    inbox: Any = field(default_factory=lambda: hub.Queue(MOST_REPLIES))

    def __post_init__(self) -> None:
        self.xids = count(self.first)  # those to come

    def put(self, msg: Reply | None) -> None:
        """A reply, or None when the connection ended; what is too much is lost, and the talk then takes too long."""
        if self.inbox.qsize() < MOST_REPLIES:
            self.inbox.put(msg)

    def errors(self, replies: Iterable[Reply]) -> list[tuple[int, str]]:
        """The number of the message that was refused, and why."""
        return [(m.xid - self.first, messages.reason(m)) for m in replies if m.msg_type == ofp.OFPT_ERROR]
