"""What people ask in Ryu's words: numbers in a path, and the filter that is posted for flows.

Ryu passes over what it does not understand, and so shows more than was asked for. Here that is refused, with what
would be understood.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from os_ken.lib import type_desc
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.desk import RefusedError
from flows.model import Mac

BITS_64 = (1 << 64) - 1
BITS_32 = (1 << 32) - 1
RESERVED = {  # names that stand for numbers, by what they name
    "port": {"IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "ANY"},
    "group": {"ALL", "ANY"},
    "table": {"ALL"},
}
PREFIXES = {"port": "OFPP_", "group": "OFPG_", "table": "OFPTT_"}
OLD_NAMES = {
    "dl_dst": "eth_dst",
    "dl_src": "eth_src",
    "dl_type": "eth_type",
    "dl_vlan": "vlan_vid",
    "nw_src": "ipv4_src",
    "nw_dst": "ipv4_dst",
    "nw_proto": "ip_proto",
}
ARP_NAMES = {"nw_src": "arp_spa", "nw_dst": "arp_tpa"}
ETH_ARP = 0x0806
PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
FILTERS = ("table_id", "out_port", "out_group", "cookie", "cookie_mask", "match", "priority")
# What else stands in an entry as Ryu writes it: people post the entry that they want to see.
PASSED_OVER = frozenset(
    (
        *("dpid", "flags", "actions", "instructions", "idle_timeout", "hard_timeout", "buffer_id", "importance"),
        *("byte_count", "packet_count", "duration_sec", "duration_nsec", "length"),
    )
)
ADDRESSES: Mapping[Any, Callable[[str], object]] = {
    type_desc.MacAddr: Mac.parse,
    type_desc.IPv4Addr: IPv4Address,
    type_desc.IPv6Addr: IPv6Address,
}
FIELDS = {
    t.name: t
    for t in ofp.oxm_types
    if (isinstance(t.type, type_desc.IntDescr) or t.type in ADDRESSES) and not t.name.startswith("_")
}


def bad(detail: str) -> RefusedError:
    """The refusal of something that is not understood."""
    return RefusedError(400, "invalid", detail)


def number(what: str, said: object, highest: int) -> int:
    """A whole number as Ryu reads it: 10, "10", "0x0a"."""
    try:
        value = int(str(said), 0)
    except ValueError:
        value = -1
    if isinstance(said, bool) or not 0 <= value <= highest:
        raise bad(f"{what}: {_shown(said)} is not a number from 0 to {highest}, such as 10 or “0x0a”.")
    return value


def reserved(what: str, said: object, kind: str, highest: int) -> int:
    """A number, or one of the names that OpenFlow has for some: "LOCAL", "OFPP_LOCAL"."""
    word = str(said).upper().removeprefix(PREFIXES[kind])
    if word in RESERVED[kind]:
        return int(getattr(ofp, PREFIXES[kind] + word))
    try:
        return number(what, said, highest)
    except RefusedError as error:
        names = ", ".join(sorted(RESERVED[kind]))
        raise bad(f"{what}: {_shown(said)} is neither a number from 0 to {highest} nor one of {names}.") from error


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """Which flows. As it stands: all of them."""

    table_id: int = ofp.OFPTT_ALL
    out_port: int = ofp.OFPP_ANY
    out_group: int = ofp.OFPG_ANY
    cookie: int = 0
    cookie_mask: int = 0
    priority: int | None = None
    match: tuple[tuple[str, object], ...] = ()  # as os-ken's OFPMatch takes them


def flow_filter(body: bytes) -> FlowFilter:
    """The filter that was posted; an empty body asks for all."""
    if not body:
        return FlowFilter()
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad(f"The body is not JSON: {error}.") from error
    if not isinstance(said, dict):
        raise bad("The body is to be a JSON object, such as {“table_id”: 0, “match”: {“in_port”: 1}}.")
    unknown = said.keys() - set(FILTERS) - PASSED_OVER
    if unknown:
        raise bad(f"{_shown(min(unknown))} is no filter. There are: {', '.join(FILTERS)}.")
    return FlowFilter(
        table_id=reserved("table_id", said.get("table_id", "ALL"), "table", ofp.OFPTT_MAX),
        out_port=reserved("out_port", said.get("out_port", "ANY"), "port", BITS_32),
        out_group=reserved("out_group", said.get("out_group", "ANY"), "group", BITS_32),
        cookie=number("cookie", said.get("cookie", 0), BITS_64),
        cookie_mask=number("cookie_mask", said.get("cookie_mask", 0), BITS_64),
        priority=None if said.get("priority", -1) in (-1, "-1") else number("priority", said["priority"], 0xFFFF),
        match=_match(said.get("match", {})),
    )


def _match(said: object) -> tuple[tuple[str, object], ...]:
    if not isinstance(said, dict):
        raise bad("match: it is to be a JSON object, such as {“in_port”: 1, “dl_vlan”: 10}.")
    found = {_field(name, said): (name, value) for name, value in said.items()}
    if len(found) < len(said):
        raise bad("match: two of its names mean the same field.")
    return tuple((field, _value(field, name, value)) for field, (name, value) in found.items())


def _field(name: str, said: Mapping[str, object]) -> str:
    if name in ARP_NAMES and _said_number(said, "dl_type", "eth_type") == ETH_ARP:
        return ARP_NAMES[name]
    if name in ("tp_src", "tp_dst"):
        protocol = PROTOCOLS.get(_said_number(said, "nw_proto", "ip_proto"))
        if protocol is None:
            raise bad(f"match: {name} needs nw_proto beside it: 6 (TCP), 17 (UDP) or 132 (SCTP).")
        return name.replace("tp", protocol)
    field = OLD_NAMES.get(name, name)
    if field not in FIELDS:
        near = get_close_matches(name, [*FIELDS, *OLD_NAMES, "tp_src", "tp_dst"], n=5) or [*OLD_NAMES, "in_port"]
        raise bad(f"match: there is no field {_shown(name)}. Among those that there are: {', '.join(near)}.")
    return field


def _said_number(said: Mapping[str, object], *names: str) -> int:
    return next((number(f"match.{name}", said[name], 0xFFFF) for name in names if name in said), -1)


def _value(field: str, name: str, said: object) -> object:
    what, kind = f"match.{name}", FIELDS[field].type
    if field == "in_port":
        return reserved(what, said, "port", BITS_32)
    if field == "vlan_vid":
        return _vlan(what, said)
    value, slash, mask = str(said).partition("/")
    if isinstance(kind, type_desc.IntDescr):
        highest = (1 << 8 * kind.size) - 1
        plain = number(what, value if slash else said, highest)
        return (plain, number(what, mask, highest)) if slash else plain
    read = ADDRESSES[kind]
    try:
        if slash and mask.isdecimal():
            mask = str(ip_network(f"{value}/{mask}", strict=False).netmask)
        return (str(read(value)), str(read(mask))) if slash else str(read(value))
    except ValueError as error:
        raise bad(f"{what}: {_shown(said)} is not understood: {error}.") from error


def _vlan(what: str, said: object) -> object:
    """Decimal numbers are VLANs; hexadecimal texts are what stands in the match, with the bit that says "tagged"."""
    value, slash, mask = str(said).partition("/")
    if slash:
        return number(what, value, 0x1FFF), number(what, mask, 0x1FFF)
    if value.isdecimal():
        return number(what, value.lstrip("0") or 0, 0xFFF) | ofp.OFPVID_PRESENT
    return number(what, said, 0x1FFF)


def _shown(said: object) -> str:
    return f"“{str(said)[:60]}”"


def match(of: FlowFilter) -> Any:
    """The filter's match as os-ken's object. A field stands behind those it builds on, or the bridge refuses it."""
    order = list(FIELDS)  # OpenFlow's own fields by number, then those of others
    fields = sorted(of.match, key=lambda field: order.index(field[0]))
    return parser.OFPMatch(_ordered_fields=[ofp.oxm_normalize_user(*field) for field in fields])


def item(what: str, said: str | None, everything: int) -> int:
    """The port, meter, group or queue in a path; none and "ALL" stand for `everything`."""
    return everything if said in (None, "ALL") else number(what, said, BITS_32)
