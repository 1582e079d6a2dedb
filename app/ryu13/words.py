"""Bridges, ports, queues, meters and groups: one function per entry of a reply, with the keys of Ryu's JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from os_ken.lib import ofctl_v1_3
from os_ken.ofproto import ofproto_v1_3 as ofp13
from os_ken.ofproto import ofproto_v1_5 as ofp15

from app.ryu13 import flow_words
from app.ryu13.flow_words import Json

UNKNOWN_COUNT = (1 << 64) - 1  # OpenFlow's "not counted"
METER_FLAGS = {
    ofp15.OFPMF_KBPS: "KBPS",
    ofp15.OFPMF_PKTPS: "PKTPS",
    ofp15.OFPMF_BURST: "BURST",
    ofp15.OFPMF_STATS: "STATS",
}
BANDS = {
    ofp15.OFPMBT_DROP: "DROP",
    ofp15.OFPMBT_DSCP_REMARK: "DSCP_REMARK",
    ofp15.OFPMBT_EXPERIMENTER: "EXPERIMENTER",
}
QUEUE_RATES = {ofp15.OFPQDPT_MIN_RATE: "MIN_RATE", ofp15.OFPQDPT_MAX_RATE: "MAX_RATE"}
GROUP_TYPES = {
    ofp15.OFPGT_ALL: "ALL",
    ofp15.OFPGT_SELECT: "SELECT",
    ofp15.OFPGT_INDIRECT: "INDIRECT",
    ofp15.OFPGT_FF: "FF",
}
DESC = ("mfr_desc", "hw_desc", "sw_desc", "serial_num", "dp_desc")
PORT_COUNTS = (
    *("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_dropped", "tx_dropped", "rx_errors", "tx_errors"),
    *("duration_sec", "duration_nsec"),
)
ETHERNET_COUNTS = ("rx_frame_err", "rx_over_err", "rx_crc_err", "collisions")
ETHERNET_FEATURES = ("curr", "advertised", "supported", "peer", "curr_speed", "max_speed")
QUEUE = ("duration_nsec", "duration_sec", "port_no", "queue_id", "tx_bytes", "tx_errors", "tx_packets")
METER = ("len", "packet_in_count", "byte_in_count", "duration_sec", "duration_nsec", "meter_id")
METER_BAND = ("packet_band_count", "byte_band_count")
GROUP = ("length", "ref_count", "packet_count", "byte_count", "duration_sec", "duration_nsec")
UTIL = ofctl_v1_3.UTIL


def pick(entry: Any, keys: Iterable[str]) -> Json:
    """Those attributes under their own names."""
    return {key: getattr(entry, key) for key in keys}


def flags(bits: int, names: Mapping[int, str]) -> list[str]:
    """The names of the bits that are set, lowest first."""
    return [names[bit] for bit in sorted(names) if bits & bit]


def desc(body: Any) -> Json:
    """What the bridge is."""
    return {key: getattr(body, key).decode("utf-8", "replace") for key in DESC}


def port(entry: Any) -> Json:
    """A port's counters. What OpenFlow 1.5 keeps in a property may be absent: then it was not counted."""
    ethernet = next((p for p in entry.properties if p.type == ofp15.OFPPSPT_ETHERNET), None)
    return {
        **pick(entry, PORT_COUNTS),
        **{key: getattr(ethernet, key, UNKNOWN_COUNT) for key in ETHERNET_COUNTS},
        "port_no": UTIL.ofp_port_to_user(entry.port_no),
    }


def port_desc(entry: Any) -> Json:
    """What a port is."""
    ethernet = next((p for p in entry.properties if p.type == ofp15.OFPPDPT_ETHERNET), None)
    return {
        **pick(entry, ("hw_addr", "config", "state")),
        "name": entry.name.decode("utf-8", "replace"),
        **{key: getattr(ethernet, key, 0) for key in ETHERNET_FEATURES},
        "port_no": UTIL.ofp_port_to_user(entry.port_no),
    }


def queue(entry: Any) -> Json:
    """A queue's counters."""
    return pick(entry, QUEUE)


def queue_config(entries: Iterable[Any], asked_port: int) -> Json:
    """All queues of the port that was asked for (OpenFlow 1.3 answers with one message a port, or one for ANY)."""
    return {
        "queues": [
            {
                "properties": [
                    {"property": QUEUE_RATES[p.type], "rate": p.rate} for p in e.properties if p.type in QUEUE_RATES
                ],
                "port": UTIL.ofp_port_to_user(e.port_no),
                "queue_id": UTIL.ofp_queue_to_user(e.queue_id),
            }
            for e in entries
        ],
        "port": UTIL.ofp_port_to_user(asked_port),
    }


def meter(entry: Any) -> Json:
    """A meter's counters. OpenFlow 1.5 counts references where 1.3 counted flows."""
    return {
        **pick(entry, METER),
        "flow_count": entry.ref_count,
        "band_stats": [pick(band, METER_BAND) for band in entry.band_stats],
        "meter_id": UTIL.ofp_meter_to_user(entry.meter_id),
    }


def meter_config(entry: Any) -> Json:
    """What a meter is set to."""
    return {
        "flags": flags(entry.flags, METER_FLAGS),
        "bands": [_band(band) for band in entry.bands],
        "meter_id": UTIL.ofp_meter_to_user(entry.meter_id),
    }


def _band(band: Any) -> Json:
    words = {**pick(band, ("rate", "burst_size")), "type": BANDS.get(band.type, "")}
    if band.type == ofp15.OFPMBT_DSCP_REMARK:
        words["prec_level"] = band.prec_level
    elif band.type == ofp15.OFPMBT_EXPERIMENTER:
        words["experimenter"] = band.experimenter
    return words


def meter_features(entry: Any) -> Json:
    """What meters the bridge can do."""
    shown = (ofp15.OFPMBT_DROP, ofp15.OFPMBT_DSCP_REMARK)
    return {
        **pick(entry, ("max_meter", "max_bands", "max_color")),
        "band_types": [BANDS[kind] for kind in shown if entry.band_types & 1 << kind],
        "capabilities": flags(entry.capabilities, METER_FLAGS),
    }


def group(entry: Any) -> Json:
    """A group's counters."""
    return {
        **pick(entry, GROUP),
        "bucket_stats": [pick(bucket, ("packet_count", "byte_count")) for bucket in entry.bucket_stats],
        "group_id": UTIL.ofp_group_to_user(entry.group_id),
    }


def group_desc(entry: Any) -> Json:
    """What a group does."""
    return {
        "buckets": [_bucket(bucket) for bucket in entry.buckets],
        "group_id": UTIL.ofp_group_to_user(entry.group_id),
        "type": GROUP_TYPES.get(entry.type),
    }


def _bucket(bucket: Any) -> Json:
    properties = {p.type: p for p in bucket.properties}
    weight = properties.get(ofp15.OFPGBPT_WEIGHT)
    watch_port = properties.get(ofp15.OFPGBPT_WATCH_PORT)
    watch_group = properties.get(ofp15.OFPGBPT_WATCH_GROUP)
    return {
        "weight": weight.weight if weight else 0,
        "watch_port": watch_port.watch if watch_port else ofp13.OFPP_ANY,
        "watch_group": watch_group.watch if watch_group else ofp13.OFPG_ANY,
        "actions": flow_words.actions(bucket.actions),
    }


def role(reply: Any) -> Json:
    """What this controller may do there. OpenFlow 1.5 adds an id of the controller, which 1.3 has not."""
    return {"generation_id": reply.generation_id, "role": UTIL.ofp_role_to_user(reply.role)}
