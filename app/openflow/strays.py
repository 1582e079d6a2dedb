"""Flows with our cookie that this version cannot have made: they can only go, by the bytes that they came with.

Another version's pipeline left them, or somebody added them.
"""

import struct
from dataclasses import dataclass

from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow.codec import OURS
from flows.cookie import MAGIC_MASK

_FLOW_DESC = struct.Struct(ofp.OFP_FLOW_DESC_0_PACK_STR)
_FLOW_MOD = struct.Struct("!BBHIQQBBHHHIIIHH")  # header and fixed part; the match follows
_MATCH = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Stray:
    """What such a flow is told by. `match` is an ofp_match, padded."""

    table: int
    priority: int
    match: bytes


def stray_from(entry: bytes) -> Stray:
    """The stray that an ofp_flow_desc describes."""
    _, table, priority, *_ = _FLOW_DESC.unpack_from(entry)
    _, length = _MATCH.unpack_from(entry, _FLOW_DESC.size)
    return Stray(table, priority, entry[_FLOW_DESC.size :][: length + 7 & ~7])


def deletion(stray: Stray, xid: int) -> bytes:
    """The message that deletes it, if it has our cookie still."""
    head = _FLOW_MOD.pack(
        ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD.size + len(stray.match), xid, OURS, MAGIC_MASK,
        stray.table, ofp.OFPFC_DELETE_STRICT, 0, 0, stray.priority,
        ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0,
    )  # fmt: skip
    return head + stray.match
