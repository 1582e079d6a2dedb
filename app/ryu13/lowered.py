"""Actions, instructions and matches of OpenFlow 1.5 as Open vSwitch would have sent them in OpenFlow 1.3.

| OpenFlow 1.5                  | OpenFlow 1.3                                                         |
|-------------------------------|----------------------------------------------------------------------|
| action METER                  | instruction METER, before all others                                 |
| action COPY_FIELD             | the ONF extension of it (EXT-320), an experimenter action            |
| action SET_FIELD with a mask  | NXAST_REG_LOAD for each run of ones in the mask, at most 64 bits each |
| match field `xregN`           | `reg2N` and `reg2N+1`, those that have a mask                        |
| other                         | the same bytes                                                       |

Every object that leaves here knows its length on the wire (`len`), because Ryu's JSON tells that of the whole flow.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from os_ken.ofproto import ofproto_common
from os_ken.ofproto import ofproto_v1_3 as ofp13
from os_ken.ofproto import ofproto_v1_3_parser as parser13
from os_ken.ofproto import ofproto_v1_5 as ofp15
from os_ken.ofproto import ofproto_v1_5_parser as parser15

ONF_COPY_FIELD = 3200  # EXT-320, "copy-field action" for OpenFlow 1.3
LONGEST_LOAD = 64  # bits that one NXAST_REG_LOAD holds
REG_LOAD_BYTES = 24
METER_BYTES = 8
INSTRUCTION_HEADER_BYTES = 8


def actions(these: Iterable[Any]) -> Iterator[Any]:
    """Each action in its place; a meter is none of OpenFlow 1.3's and is left out (see `instructions`)."""
    for action in these:
        if isinstance(action, parser15.OFPActionCopyField):
            yield _copy_field(action)
        elif isinstance(action, parser15.OFPActionSetField) and isinstance(action.value, tuple):
            yield from _loads(action.key, action.value)
        elif isinstance(action, parser15.NXActionCT):
            yield _conntrack(action)
        elif not isinstance(action, parser15.OFPActionMeter):
            yield action


def instructions(these: Iterable[Any]) -> list[Any]:
    """The instructions of one flow, in Open vSwitch's order."""
    these = list(these)
    lowered = [_meter(a.meter_id) for i in these for a in getattr(i, "actions", ()) if hasattr(a, "meter_id")]
    for instruction in these:
        if not isinstance(instruction, parser15.OFPInstructionActions):
            lowered.append(_twin(instruction))
            continue
        within = list(actions(instruction.actions))
        if within or not instruction.actions:
            twin = parser13.OFPInstructionActions(instruction.type, [])
            twin.actions = within  # not given above: most are still objects of 1.5, with the same bytes
            twin.len = INSTRUCTION_HEADER_BYTES + sum(a.len for a in within)
            lowered.append(twin)
    return lowered


def match(of: Any) -> Any:
    """The match as an object of OpenFlow 1.3."""
    fields: list[tuple[str, object]] = []
    for name, value in of.items():
        if name.startswith("xreg"):
            fields.extend(_halves(int(name.removeprefix("xreg")), value))
        else:
            fields.append((name, value))
    return parser13.OFPMatch(_ordered_fields=fields)


def _halves(number: int, value: int | tuple[int, int]) -> Iterator[tuple[str, object]]:
    whole = (1 << 32) - 1
    bits, mask = value if isinstance(value, tuple) else (value, (whole << 32) | whole)
    for register, shift in ((2 * number, 32), (2 * number + 1, 0)):
        part = mask >> shift & whole
        if part:
            have = bits >> shift & whole
            yield f"reg{register}", have if part == whole else (have, part)


def _copy_field(action: Any) -> Any:
    ids = b"".join(bytes(_header(i.type)) for i in action.oxm_ids)
    data = struct.pack("!HxxHHHxx", ONF_COPY_FIELD, action.n_bits, action.src_offset, action.dst_offset) + ids
    data += bytes(-len(data) % 8)
    twin = parser13.OFPActionExperimenterUnknown(ofproto_common.ONF_EXPERIMENTER_ID, data)
    twin.len = ofp13.OFP_ACTION_EXPERIMENTER_HEADER_SIZE + len(data)
    return twin


def _header(field: str) -> bytearray:
    buf = bytearray()
    ofp13.oxm_serialize_header(ofp13.oxm_from_user_header(field), buf, 0)
    return buf


def _loads(field: str, value: tuple[object, object]) -> Iterator[Any]:
    _, value_bytes, mask_bytes = ofp15.oxm_from_user(field, value)
    bits, mask = int.from_bytes(value_bytes, "big"), int.from_bytes(mask_bytes, "big")
    start = 0
    while mask >> start:
        if not mask >> start & 1:
            start += 1
            continue
        width = 1
        while width < LONGEST_LOAD and mask >> start + width & 1:
            width += 1
        load = parser13.NXActionRegLoad(start << 6 | width - 1, _nicira_name(field), bits >> start & (1 << width) - 1)
        load.len = REG_LOAD_BYTES
        yield load
        start += width


def _nicira_name(field: str) -> str:
    # NXAST_REG_LOAD names a field by its older NXM header where it has one; os-ken knows that by another name.
    older = f"{field}_nxm"
    return older if any(t.name == older for t in ofp13.oxm_types) else field


def _conntrack(action: Any) -> Any:
    within = list(actions(action.actions))
    twin = parser13.NXActionCT(
        action.flags, action.zone_src, action.zone_ofs_nbits, action.recirc_table, action.alg, within
    )
    twin.len = action.len - sum(a.len for a in action.actions) + sum(a.len for a in within)
    return twin


def _meter(meter_id: int) -> Any:
    twin = parser13.OFPInstructionMeter(meter_id)
    twin.len = METER_BYTES
    return twin


def _twin(instruction: Any) -> Any:
    if isinstance(instruction, parser15.OFPInstructionGotoTable):
        twin = parser13.OFPInstructionGotoTable(instruction.table_id)
    else:
        twin = parser13.OFPInstructionWriteMetadata(instruction.metadata, instruction.metadata_mask)
    twin.len = instruction.len
    return twin
