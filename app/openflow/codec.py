"""Flows <-> the bytes of OpenFlow 1.5. Sends nothing, keeps nothing, and is the same every time.

Part by part, with os-ken's numbers: this says how a flow is written. `shapes` does the same for many. Where an action
stands:

| in a flow                   | on the wire                                                  |
|-----------------------------|--------------------------------------------------------------|
| Meter, Set, Move, Output(By)| instruction APPLY_ACTIONS, in their order                    |
| Goto                        | instruction GOTO_TABLE, after it                             |
| Meter                       | action METER: OpenFlow 1.5 has no instruction for it         |
| Move                        | action COPY_FIELD, from bit 0 to bit 0                       |
| OutputBy                    | NXAST_OUTPUT_REG: OpenFlow has none                          |
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from os_ken.ofproto import nicira_ext as nx
from os_ken.ofproto import ofproto_common
from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow import oxm
from app.openflow.oxm import NotOurs
from flows.cookie import MAGIC, MAGIC_MASK
from flows.fields import Term
from flows.flow import Action, Flow, Goto, Meter, Move, Output, OutputBy, Set
from flows.table import Table

OURS = MAGIC << 56  # under MAGIC_MASK: the cookies of our flows

_FLOW_MOD = struct.Struct("!BBHIQQBBHHHIIIHHHH")  # header, fixed part, and the match's type and length
_FLOW_DESC = struct.Struct(ofp.OFP_FLOW_DESC_0_PACK_STR)
_TYPE_LENGTH = struct.Struct("!HH")
_APPLY = struct.Struct(ofp.OFP_INSTRUCTION_ACTIONS_PACK_STR)
_GOTO = struct.Struct(ofp.OFP_INSTRUCTION_GOTO_TABLE_PACK_STR)
_OUTPUT = struct.Struct(ofp.OFP_ACTION_OUTPUT_PACK_STR)
_METER = struct.Struct(ofp.OFP_ACTION_METER_PACK_STR)
_COPY = struct.Struct("!HHHHH2x4s4s4x")  # both fields' headers and the padding to 24 bytes
_OUTPUT_REG = struct.Struct("!HHIHH4sH6x")

_WHOLE_REGISTER = 31  # nx ofs_nbits: from bit 0 (<< 6), 32 bits less one


class Command(IntEnum):
    """What becomes of a flow. ADD puts it in the place of one with its key, whose counters it takes over."""

    ADD = ofp.OFPFC_ADD
    DELETE = ofp.OFPFC_DELETE_STRICT  # this key, and only if the flow there is one of ours


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """A flow as the switch has it now, with its counters. `flow` is None for one that is not of our making."""

    table: int
    priority: int
    match: str
    actions: str
    cookie: int
    packets: int
    bytes: int
    duration: float  # seconds
    flow: Flow | None


def flow_mod(flow: Flow, command: Command, xid: int) -> bytes:
    """The message that changes this flow; ValueError if a Goto is not its last action."""
    match, length = _match(flow.match)
    cookie, mask, rest = flow.cookie, 0, b""
    if command is Command.ADD:
        rest = _instructions(flow.actions)
    else:
        cookie, mask = OURS, MAGIC_MASK
    size = _FLOW_MOD.size + len(match) + len(rest)
    return b"".join(
        (
            _FLOW_MOD.pack(
                ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, size, xid, cookie, mask, flow.table, command, 0, 0, flow.priority,
                ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, ofp.OFPMT_OXM, length,
            ),
            match,
            rest,
        )
    )  # fmt: skip


def entries(reply: bytes) -> Iterator[bytes]:
    """The ofp_flow_desc structures in a reply to OFPMP_FLOW_DESC."""
    at = ofp.OFP_MULTIPART_REPLY_SIZE
    while at < len(reply):
        length = int.from_bytes(reply[at : at + 2], "big")
        yield reply[at : at + length]
        at += length


def flow_from(entry: bytes) -> Flow | None:
    """The flow in an ofp_flow_desc, or None if it is not of our making.

    A flow with our cookie whose actions are none of ours (somebody changed it) comes back with the cookie 0, which no
    wanted flow has: so it is replaced or deleted like any other.
    """
    _, table, priority, idle, hard, flags, _, cookie = _FLOW_DESC.unpack_from(entry)
    try:
        if cookie >> 56 != MAGIC:
            return None
        terms, counters = match_at(entry, _FLOW_DESC.size)
        match = tuple(sorted(term for term, _ in terms))
        place = Table(table)
    except (NotOurs, ValueError):
        return None
    try:
        actions = tuple(action for action, _ in actions_at(entry, after(entry, counters)))
    except (NotOurs, ValueError):
        return Flow(place, priority, match, (), 0)
    if idle or hard or flags:
        return Flow(place, priority, match, (), 0)
    return Flow(place, priority, match, actions, cookie)


def match_at(data: bytes, at: int) -> tuple[list[tuple[Term, int]], int]:
    """The terms of the ofp_match there, each with where its value begins; and where what follows the match begins.

    NotOurs if one of them is in no match of ours.
    """
    _, length = _TYPE_LENGTH.unpack_from(data, at)
    return list(oxm.unpack(data, at + _TYPE_LENGTH.size, at + length)), after(data, at)


def actions_at(data: bytes, at: int) -> list[tuple[Action, int]]:
    """The actions of the instructions from there to the end, each with where its number begins, if it has one.

    NotOurs or ValueError if one of them is in no flow of ours.
    """
    found: list[tuple[Action, int]] = []
    for kind, start, end in _parts(data, at, len(data)):
        if kind == ofp.OFPIT_APPLY_ACTIONS:
            found += [_read_action(data, *part) for part in _parts(data, start + _APPLY.size, end)]
        elif kind == ofp.OFPIT_GOTO_TABLE:
            found.append((Goto(Table(data[start + _TYPE_LENGTH.size])), 0))
        else:
            raise NotOurs(f"instruction {kind}")
    return found


def after(data: bytes, at: int) -> int:
    """Where the structure there ends, with its padding."""
    return at + _padded(_TYPE_LENGTH.unpack_from(data, at)[1])


def _padded(length: int) -> int:
    return length + 7 & ~7


def _match(terms: tuple[Term, ...]) -> tuple[bytes, int]:
    """What follows the match's length, padded, and the length itself (with the 4 bytes of type and length)."""
    packed = b"".join([oxm.pack(term.field, term.value, term.mask) for term in terms])
    length = _TYPE_LENGTH.size + len(packed)
    return packed + bytes(-length % 8), length


def _instructions(actions: tuple[Action, ...]) -> bytes:
    jump = b""
    if actions and isinstance(actions[-1], Goto):
        jump = _GOTO.pack(ofp.OFPIT_GOTO_TABLE, _GOTO.size, actions[-1].table)
        actions = actions[:-1]
    if not actions:
        return jump
    packed = b"".join(map(_action, actions))
    return _APPLY.pack(ofp.OFPIT_APPLY_ACTIONS, _APPLY.size + len(packed)) + packed + jump


def _action(action: Action) -> bytes:
    match action:
        case Set(field, value):
            packed = oxm.pack(field, value)
            length = _padded(_TYPE_LENGTH.size + len(packed))
            return (_TYPE_LENGTH.pack(ofp.OFPAT_SET_FIELD, length) + packed).ljust(length, b"\0")
        case Move(source, target, bits):
            return _COPY.pack(ofp.OFPAT_COPY_FIELD, _COPY.size, bits, 0, 0, oxm.header(source), oxm.header(target))
        case Output(port):
            return _OUTPUT.pack(ofp.OFPAT_OUTPUT, _OUTPUT.size, port, 0)
        case OutputBy(register):
            return _OUTPUT_REG.pack(
                ofp.OFPAT_EXPERIMENTER, _OUTPUT_REG.size, ofproto_common.NX_EXPERIMENTER_ID, nx.NXAST_OUTPUT_REG,
                _WHOLE_REGISTER, oxm.header(register), 0,
            )  # fmt: skip
        case Meter(meter):
            return _METER.pack(ofp.OFPAT_METER, _METER.size, meter)
        case Goto():
            raise ValueError("a goto is the last action of a flow, or it never happens")


def _parts(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Instructions or actions one after the other: the type of each, where it begins and where it ends."""
    while at < end:
        kind, length = _TYPE_LENGTH.unpack_from(data, at)
        yield kind, at, at + length
        at += length


def _read_action(data: bytes, kind: int, at: int, end: int) -> tuple[Action, int]:
    inside = at + _TYPE_LENGTH.size
    if kind == ofp.OFPAT_SET_FIELD:
        ((term, value_at),) = oxm.unpack(data, inside, inside + oxm.HEADER_BYTES)
        if term.mask is None:
            return Set(term.field, term.value), value_at
    elif kind == ofp.OFPAT_COPY_FIELD:
        _, _, bits, from_bit, to_bit, source, target = _COPY.unpack_from(data, at)
        if from_bit == to_bit == 0:
            return Move(oxm.field_of(source), oxm.field_of(target), bits), 0
    elif kind == ofp.OFPAT_OUTPUT:
        return Output(_OUTPUT.unpack_from(data, at)[2]), inside
    elif kind == ofp.OFPAT_METER:
        return Meter(_METER.unpack_from(data, at)[2]), inside
    elif kind == ofp.OFPAT_EXPERIMENTER and end - at == _OUTPUT_REG.size:
        _, _, vendor, subtype, part, register, _ = _OUTPUT_REG.unpack_from(data, at)
        if (vendor, subtype, part) == (ofproto_common.NX_EXPERIMENTER_ID, nx.NXAST_OUTPUT_REG, _WHOLE_REGISTER):
            return OutputBy(oxm.field_of(register)), 0
    raise NotOurs(f"action {kind}")
