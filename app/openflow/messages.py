"""The messages around the flows: bundles, barriers, meters, requests, and what an error says. Bytes; sends nothing."""

import struct
from enum import IntEnum
from typing import Any

from os_ken.ofproto import ofproto_v1_5 as ofp

from app.openflow.codec import Command, flow_mod
from flows.flow import Flow, MeterEntry

_HEADER = struct.Struct(ofp.OFP_HEADER_PACK_STR)
_BUNDLE_ADD = struct.Struct("!BBHII2xH")
_BUNDLE_CONTROL = struct.Struct("!BBHIIHH")
_METER_MOD = struct.Struct("!BBHIHHI")
_METER_BAND = struct.Struct(ofp.OFP_METER_BAND_DROP_PACK_STR)
_FLOW_REQUEST = struct.Struct("!BBHIHH4xB3xII4xQQHH4x")  # the match is empty: 4 bytes, and 4 of padding
_METER_REQUEST = struct.Struct("!BBHIHH4xI4x")

_METER_FLAGS = ofp.OFPMF_KBPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS
_BUNDLE_FLAGS = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED
_EMPTY_MATCH_BYTES = 4


class MeterCommand(IntEnum):
    """What becomes of a meter. Deleting one deletes the flows that use it."""

    ADD = ofp.OFPMC_ADD
    MODIFY = ofp.OFPMC_MODIFY
    DELETE = ofp.OFPMC_DELETE


class BundleCommand(IntEnum):
    """What becomes of a bundle."""

    COMMIT = ofp.OFPBCT_COMMIT_REQUEST
    DISCARD = ofp.OFPBCT_DISCARD_REQUEST


def barrier(xid: int) -> bytes:
    """Answered when everything before it is done."""
    return _HEADER.pack(ofp.OFP_VERSION, ofp.OFPT_BARRIER_REQUEST, _HEADER.size, xid)


def bundle_control(bundle: int, command: BundleCommand, xid: int) -> bytes:
    """Commits or discards an atomic, ordered bundle."""
    size = _BUNDLE_CONTROL.size
    return _BUNDLE_CONTROL.pack(ofp.OFP_VERSION, ofp.OFPT_BUNDLE_CONTROL, size, xid, bundle, command, _BUNDLE_FLAGS)


def bundle_add(bundle: int, flow: Flow, command: Command, xid: int) -> bytes:
    """A change of a flow as part of the bundle. Both messages have one xid (OpenFlow 1.5, 7.3.9.6)."""
    inner = flow_mod(flow, command, xid)
    size = _BUNDLE_ADD.size + len(inner)
    return _BUNDLE_ADD.pack(ofp.OFP_VERSION, ofp.OFPT_BUNDLE_ADD_MESSAGE, size, xid, bundle, _BUNDLE_FLAGS) + inner


def meter_mod(entry: MeterEntry, command: MeterCommand, xid: int) -> bytes:
    """The message that changes this meter."""
    band = b""
    if command is not MeterCommand.DELETE:
        band = _METER_BAND.pack(ofp.OFPMBT_DROP, _METER_BAND.size, entry.rate_kbps, entry.burst_kbits)
    size = _METER_MOD.size + len(band)
    return _METER_MOD.pack(ofp.OFP_VERSION, ofp.OFPT_METER_MOD, size, xid, command, _METER_FLAGS, entry.meter) + band


def meters_request(xid: int) -> bytes:
    """Asks for all meters; `meter_from` reads each of the answer."""
    return _METER_REQUEST.pack(
        ofp.OFP_VERSION, ofp.OFPT_MULTIPART_REQUEST, _METER_REQUEST.size, xid, ofp.OFPMP_METER_DESC, 0, ofp.OFPM_ALL
    )


def meter_from(desc: Any) -> MeterEntry:
    """The meter of an OFPMeterDescStats. One that is not of our making has a rate of 0, which no wanted meter has."""
    if desc.flags == _METER_FLAGS and len(desc.bands) == 1 and desc.bands[0].type == ofp.OFPMBT_DROP:
        return MeterEntry(desc.meter_id, desc.bands[0].rate, desc.bands[0].burst_size)
    return MeterEntry(desc.meter_id, 0, 0)


def flows_request(table: int | None, cookie: int, mask: int, xid: int) -> bytes:
    """Asks for the flows of a table (or of all) whose cookie is this under the mask; `codec.entries` reads them."""
    return _flow_request(ofp.OFPMP_FLOW_DESC, table, cookie, mask, xid)


def count_request(table: int | None, cookie: int, mask: int, xid: int) -> bytes:
    """Asks how many flows `flows_request` would give: OFPAggregateStats with `flow_count`."""
    return _flow_request(ofp.OFPMP_AGGREGATE_STATS, table, cookie, mask, xid)


def _flow_request(kind: int, table: int | None, cookie: int, mask: int, xid: int) -> bytes:
    return _FLOW_REQUEST.pack(
        ofp.OFP_VERSION, ofp.OFPT_MULTIPART_REQUEST, _FLOW_REQUEST.size, xid, kind, 0,
        ofp.OFPTT_ALL if table is None else table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask,
        ofp.OFPMT_OXM, _EMPTY_MATCH_BYTES,
    )  # fmt: skip


def reason(error: Any) -> str:
    """What an OFPErrorMsg says, in words: “flow mod failed: bad table id”."""
    if error.type == ofp.OFPET_EXPERIMENTER:
        return f"error {error.exp_type} of experimenter {error.experimenter:#x}"
    kind, code = ofp.ofp_error_type_to_str(error.type), ofp.ofp_error_code_to_str(error.type, error.code)
    return f"{_words(kind)}: {_words(code)}"


def _words(constant: str) -> str:
    """OFPMMFC_UNKNOWN_METER(3) -> unknown meter."""
    return constant.partition("(")[0].partition("_")[2].replace("_", " ").lower()
