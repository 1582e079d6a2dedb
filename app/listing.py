"""Live flows for people: the entries that a switch answers with, as text near that of ovs-ofctl(8), with counters.

A flow of ours is shown in our words and with the names of the tables; another's as os-ken reads it.
"""

from typing import Any

from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.codec import LiveEntry, flow_from
from flows.flow import Flow, Goto

NANOSECONDS = 1_000_000_000
UNSAID = ("type", "len", "max_len")


def live_from(entry: bytes) -> LiveEntry:
    """The entry, an ofp_flow_desc, with its counters."""
    desc = parser.OFPFlowDesc.parser(entry, 0)
    counted = dict(desc.stats.fields)
    seconds, nanoseconds = counted.get("duration", (0, 0))
    found = flow_from(entry)
    flow = None if found is None or found.cookie != desc.cookie else found
    return LiveEntry(
        table=desc.table_id,
        priority=desc.priority,
        match=_match(desc) if flow is None else ",".join(map(str, flow.match)),
        actions=_actions(desc) if flow is None else _own_actions(flow),
        cookie=desc.cookie,
        packets=counted.get("packet_count", 0),
        bytes=counted.get("byte_count", 0),
        duration=seconds + nanoseconds / NANOSECONDS,
        flow=flow,
    )


def _own_actions(flow: Flow) -> str:
    words = (f"goto_table:{a.table.label}" if isinstance(a, Goto) else str(a) for a in flow.actions)
    return ",".join(words) or "drop"


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
