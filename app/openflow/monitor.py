"""What others change in a bridge, as the switch tells it unasked. Bytes to values; sends nothing, keeps nothing.

| what              | how it is asked for                            | how it comes                               |
|-------------------|------------------------------------------------|--------------------------------------------|
| flows             | OFPMP_FLOW_MONITOR over all tables             | replies of that type, their xid 0          |
| meters and groups | OFPT_SET_ASYNC: forward the requests of others | OFPT_REQUESTFORWARD with the request in it |

“Others” is by connection: what came over this one is told in short (OFPFME_ABBREV) and passed over here. The flows
that are there already (OFPFMF_INITIAL) are not asked for: the switch would tell all of them in one go, and the
userspace datapath forwards nothing meanwhile; `Switch.read` takes them in pieces.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow.codec import flow_from
from flows.cookie import MAGIC
from flows.flow import Flow

_ASYNC = struct.Struct("!BBHIHHIHHI")  # header, and two properties: type, length, mask
_REQUEST = struct.Struct("!BBHIHH4xIIIHBBHH4x")  # header, multipart, the monitor, an empty match
_UPDATE = struct.Struct(ofp.OFP_FLOW_UPDATE_HEADER_PACK_STR)
_FULL = struct.Struct(ofp.OFP_FLOW_UPDATE_FULL_0_PACK_STR)
_FLOW_DESC = struct.Struct(ofp.OFP_FLOW_DESC_0_PACK_STR)
_MATCH = struct.Struct("!HH")
_FORWARDED = struct.Struct("!BBHIH2xI")  # header, command, and the number of the meter or group

_WANTED = ofp.OFPFMF_ADD | ofp.OFPFMF_REMOVED | ofp.OFPFMF_MODIFY | ofp.OFPFMF_INSTRUCTIONS
_FORWARD = 1 << ofp.OFPRFR_METER_MOD | 1 << ofp.OFPRFR_GROUP_MOD
_MONITOR = 1  # its number, of those of this connection
_EMPTY_MATCH_BYTES = 4
_NO_COUNTERS = struct.pack("!HH4x", 0x8002, 4)  # an ofp_stats with nothing in it


class What(StrEnum):
    """What somebody else did, and to what."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    METER = "meter"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Drifted:
    """Somebody else changed something.

    `ours`: a flow with our cookie, or a meter, which are all ours; of groups we have none. `flow` is what such a flow
    is now (of a removed one: was), None if this version makes no flow like it. `place` is what a flow is told by, or
    the number of the meter or group.
    """

    what: What
    ours: bool
    flow: Flow | None
    cookie: int
    place: str
    done: str  # added, changed or deleted

    @property
    def words(self) -> str:
        """What it was, for people."""
        if self.what in (What.METER, What.GROUP):
            return f"{self.what.value} {self.place} was {self.done} by somebody else"
        if not self.ours:
            return f"a flow that is not Containet's was {self.done}: {self.place}"
        return f"a flow was {self.done} by somebody else: {self.flow or self.place}"


@dataclass(frozen=True, slots=True)
class Missed:
    """More was changed than was told: only a `read` says what is there now."""


News = Drifted | Missed

_FLOW_EVENTS = {
    ofp.OFPFME_ADDED: (What.ADDED, "added"),
    ofp.OFPFME_REMOVED: (What.REMOVED, "deleted"),
    ofp.OFPFME_MODIFIED: (What.MODIFIED, "changed"),
}
_COMMANDS = ("added", "changed", "deleted")  # OFPMC_* and the first three of OFPGC_*
_OF_REQUEST = {ofp.OFPT_METER_MOD: What.METER, ofp.OFPT_GROUP_MOD: What.GROUP}


def subscription(xid: int) -> bytes:
    """Asks for all of it, from now on. The answer has no entries; an error means that nothing will be told."""
    ask = _ASYNC.pack(
        ofp.OFP_VERSION, ofp.OFPT_SET_ASYNC, _ASYNC.size, xid,
        ofp.OFPACPT_REQUESTFORWARD_MASTER, 8, _FORWARD, ofp.OFPACPT_REQUESTFORWARD_SLAVE, 8, _FORWARD,
    )  # fmt: skip
    return ask + _REQUEST.pack(
        ofp.OFP_VERSION, ofp.OFPT_MULTIPART_REQUEST, _REQUEST.size, xid, ofp.OFPMP_FLOW_MONITOR, 0,
        _MONITOR, ofp.OFPP_ANY, ofp.OFPG_ANY, _WANTED, ofp.OFPTT_ALL, ofp.OFPFMC_ADD,
        ofp.OFPMT_OXM, _EMPTY_MATCH_BYTES,
    )  # fmt: skip


def tells(msg: Any) -> bool:
    """Whether os-ken's message is one that `news` reads."""
    if msg.msg_type == ofp.OFPT_REQUESTFORWARD:
        return True
    return bool(msg.msg_type == ofp.OFPT_MULTIPART_REPLY and msg.type == ofp.OFPMP_FLOW_MONITOR)


def news(message: bytes) -> Iterator[News]:
    """What this message says."""
    if message[1] == ofp.OFPT_REQUESTFORWARD:
        yield from _forwarded(message[ofp.OFP_HEADER_SIZE :])
        return
    at = ofp.OFP_MULTIPART_REPLY_SIZE
    while at < len(message):
        length, event = _UPDATE.unpack_from(message, at)
        if event in _FLOW_EVENTS:
            yield _flow(message[at : at + length])
        elif event == ofp.OFPFME_RESUMED:
            yield Missed()
        at += length


def _flow(update: bytes) -> Drifted:
    length, event, table, _, idle, hard, priority, cookie = _FULL.unpack_from(update)
    what, done = _FLOW_EVENTS[event]
    place = f"table={table},cookie={cookie:#x},priority={priority}"
    if cookie >> 56 != MAGIC:
        return Drifted(what, False, None, cookie, place, done)
    # Put as an ofp_flow_desc, for the one parser of flows that there is.
    rest = update[_FULL.size :]
    match_end = _MATCH.unpack_from(rest)[1] + 7 & ~7
    head = _FLOW_DESC.pack(length + len(_NO_COUNTERS), table, priority, idle, hard, 0, 0, cookie)
    flow = flow_from(head + rest[:match_end] + _NO_COUNTERS + rest[match_end:])
    return Drifted(what, True, flow, cookie, place, done)


def _forwarded(request: bytes) -> Iterator[Drifted]:
    _, kind, _, _, command, number = _FORWARDED.unpack_from(request)
    if kind in _OF_REQUEST:
        what = _OF_REQUEST[kind]
        done = _COMMANDS[command] if command < len(_COMMANDS) else "changed"
        yield Drifted(what, what is What.METER, None, 0, str(number), done)
