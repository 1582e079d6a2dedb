"""Fields on the wire: terms of a match <-> OXM bytes (OpenFlow 1.5, 7.2.3.2).

      31            16 15      9 8 7        0
    +-----------------+---------+-+----------+----------------+----------------+
    |      class      |  field  |M|  length  | value (length) |  mask (if M)   |
    +-----------------+---------+-+----------+----------------+----------------+

The length is that of value and mask together. Open vSwitch reads `reg0` and answers with `xreg0`, which is reg0 above
reg1 in one field of 64 bits (and so on by pairs), the half that is not matched masked out.
"""

from collections.abc import Iterator

from os_ken.ofproto import ofproto_v1_5 as ofp

from flows.fields import FIELDS, Field, Term

HEADER_BYTES = 4
_MASKED = 1 << 8
_OSKEN_NAMES = {
    "ip_src": "ipv4_src",
    "ip_dst": "ipv4_dst",
    "tun_id": "tunnel_id",
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
}
_ERICSSON = 0x1000 << 7  # a class of Open vSwitch's that os-ken does not know: ERICOXM_OF in ovs-fields(7)
_UNKNOWN_TO_OSKEN = {"nd_reserved": _ERICSSON | 1, "nd_options_type": _ERICSSON | 2}
_REGISTER_BITS = 32
_REGISTER_MASK = (1 << _REGISTER_BITS) - 1
_XREGISTERS = 8


class NotOurs(Exception):  # noqa: N818 - says what was found, which is no error of anybody
    """Something that no flow of ours has."""


def _number(name: str) -> int:
    """Class and field of an OXM header."""
    return _UNKNOWN_TO_OSKEN.get(name) or int(ofp.oxm_get_field_info_by_name(_OSKEN_NAMES.get(name, name))[0])


_BY_NUMBER = {_number(field.name): field for field in FIELDS.values()}
_HEADERS = {
    field.name: (number << 9 | field.bits // 8).to_bytes(HEADER_BYTES, "big") for number, field in _BY_NUMBER.items()
}
_MASKED_HEADERS = {
    field.name: (number << 9 | _MASKED | field.bits // 4).to_bytes(HEADER_BYTES, "big")
    for number, field in _BY_NUMBER.items()
}
_PAIRS = {
    _number(f"xreg{index}"): (FIELDS.get(f"reg{2 * index}"), FIELDS.get(f"reg{2 * index + 1}"))
    for index in range(_XREGISTERS)
}


def header(field: Field) -> bytes:
    """The field itself, as a `copy_field` names it."""
    return _HEADERS[field.name]


def field_of(head: bytes) -> Field:
    """The field that a header names; NotOurs if no flow of ours uses it."""
    try:
        return _BY_NUMBER[int.from_bytes(head, "big") >> 9]
    except KeyError:
        raise NotOurs(f"field {head.hex()}") from None


def pack(field: Field, value: int, mask: int | None = None) -> bytes:
    """The field with this value, and the mask if there is one."""
    size = field.bits >> 3
    if mask is None:
        return _HEADERS[field.name] + value.to_bytes(size, "big")
    return _MASKED_HEADERS[field.name] + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def unpack(data: bytes, at: int, end: int) -> Iterator[tuple[Term, int]]:
    """The terms in these bytes, in their order, and where the value of each begins.

    NotOurs if one of them is in no match of ours.
    """
    while at < end:
        head = int.from_bytes(data[at : at + HEADER_BYTES], "big")
        at += HEADER_BYTES
        length = head & 0xFF
        size = length >> 1 if head & _MASKED else length
        value = int.from_bytes(data[at : at + size], "big")
        mask = int.from_bytes(data[at + size : at + length], "big") if head & _MASKED else None
        number = head >> 9
        if number in _PAIRS:
            yield from _registers(_PAIRS[number], value, mask, at)
        elif number in _BY_NUMBER:
            yield Term(_BY_NUMBER[number], value, mask), at
        else:
            raise NotOurs(f"field {head:#010x}")
        at += length


def _registers(
    pair: tuple[Field | None, Field | None], value: int, mask: int | None, at: int
) -> Iterator[tuple[Term, int]]:
    for field, shift, offset in zip(pair, (_REGISTER_BITS, 0), (at, at + _REGISTER_BITS // 8), strict=True):
        part = _REGISTER_MASK if mask is None else mask >> shift & _REGISTER_MASK
        if part == 0:
            continue
        if field is None:
            raise NotOurs("a register that we do not use")
        yield Term(field, value >> shift & _REGISTER_MASK, None if part == _REGISTER_MASK else part), offset
