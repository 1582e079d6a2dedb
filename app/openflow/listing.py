"""Live flows for people: the entries that a switch answers with, as text near that of ovs-ofctl(8), with counters.

A flow of ours is shown in our words and with the names of the tables; another's as os-ken reads it.
"""

import struct
from typing import Any

from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.openflow.codec import LiveEntry
from app.openflow.shapes import flow_from
from flows.flow import Flow, Goto

NANOSECONDS = 1_000_000_000
UNSAID = ("type", "len", "max_len")


def live_from(entry: bytes) -> LiveEntry:
    """The entry, an ofp_flow_desc, with its counters."""
    _, table, priority, _, _, _, _, cookie = struct.unpack_from(ofp.OFP_FLOW_DESC_0_PACK_STR, entry)
    counted = _counters(entry)
    seconds, nanoseconds = counted.get("duration", (0, 0))
    found = flow_from(entry)
    flow = None if found is None or found.cookie != cookie else found
    match, actions = _others(entry) if flow is None else _ours(flow)
    return LiveEntry(
        table=table,
        priority=priority,
        match=match,
        actions=actions,
        cookie=cookie,
        packets=counted.get("packet_count", 0),
        bytes=counted.get("byte_count", 0),
        duration=seconds + nanoseconds / NANOSECONDS,
        flow=flow,
    )


def _counters(entry: bytes) -> dict[str, Any]:
    """OXS fields by os-ken's names. They stand behind the match, which is padded to 8 bytes."""
    (match_length,) = struct.unpack_from("!H", entry, ofp.OFP_FLOW_DESC_0_SIZE + 2)
    at: int = ofp.OFP_FLOW_DESC_0_SIZE + (match_length + 7 & ~7)
    return dict(parser.OFPStats.parser(entry, at).fields)


def _ours(flow: Flow) -> tuple[str, str]:
    words = (f"goto_table:{a.table.label}" if isinstance(a, Goto) else str(a) for a in flow.actions)
    return ",".join(map(str, flow.match)), ",".join(words) or "drop"


def _others(entry: bytes) -> tuple[str, str]:
    desc = parser.OFPFlowDesc.parser(entry, 0)
    return _match(desc), _actions(desc)


def _match(desc: Any) -> str:
    return ",".join(f"{name}={_value(value)}" for name, value in desc.match.items())


def _value(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _actions(desc: Any) -> str:
    words: list[str] = []
    for instruction in desc.instructions:
        if isinstance(instruction, parser.OFPInstructionActions):
            prefix = "" if instruction.type == ofp.OFPIT_APPLY_ACTIONS else "write:"
            words += [prefix + _words(action) for action in instruction.actions]
        else:
            words.append(_words(instruction))
    return ",".join(words) or "drop"


def _words(part: Any) -> str:
    """OFPActionOutput(port=1, max_len=0) -> output(port=1)."""
    name = type(part).__name__
    for prefix in ("OFPAction", "OFPInstruction", "NXAction"):
        name = name.removeprefix(prefix)
    said = ",".join(f"{key}={value}" for key, value in part.stringify_attrs() if key not in UNSAID)
    return f"{name.lower()}({said})" if said else name.lower()
