"""The packet fields that flows match and set, with the registers' meanings.

    register   name      holds
    reg0       SEGMENT   the vni that the packet belongs to
    reg1       SENDER    owner id of the sending endpoint
    reg2       ORIGIN    where the packet came from: Origin.ENDPOINT or Origin.TUNNEL
    reg3       OUT       ofport that the packet leaves by
    reg4       COMPANY   number of the company whose member sent it, if that is looked for (flows.company)

Names and widths are those of ovs-fields(7), so that a flow prints as `ovs-ofctl` reads it.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, SupportsInt

from flows.model import Mac

MOST_SEGMENTS = 1 << 10  # remembered


class Field(NamedTuple):
    """A field of the packet or of the pipeline. Calling it with a value makes a term of a match."""

    place: int  # in a match: what others depend on comes first (prerequisites, OpenFlow 1.5, 7.2.3.6)
    name: str
    bits: int

    def __call__(self, value: SupportsInt, mask: SupportsInt | None = None) -> "Term":
        """This field has this value (under the mask); ValueError if either does not fit the field."""
        number, under = int(value), None if mask is None else int(mask)
        if number >> self.bits or (under is not None and under >> self.bits):  # -1 if it is negative
            raise ValueError(f"{self.name} has {self.bits} bits: {number:#x} does not fit")
        return _made(Term, (self, number, under))

    def show(self, value: int) -> str:
        """The value as `ovs-ofctl` writes it."""
        return _SHOWN.get(self.name, _decimal)(value)


class Term(NamedTuple):
    """One condition of a match: all of these must hold."""

    field: Field
    value: int
    mask: int | None = None

    def __str__(self) -> str:
        mask = "" if self.mask is None else "/" + self.field.show(self.mask)
        return f"{self.field.name}={self.field.show(self.value)}{mask}"


_made = tuple.__new__  # what Term(...) does, at half the price: a bridge with 100,000 flows has as many terms and more


class Origin(IntEnum):
    """Where a packet came from: the values of ORIGIN."""

    ENDPOINT = 1
    TUNNEL = 2


def _decimal(value: int) -> str:
    return str(value)


def _hexadecimal(value: int) -> str:
    return f"{value:#x}"


def _mac(value: int) -> str:
    return str(Mac(value))


def _ipv4(value: int) -> str:
    return str(IPv4Address(value))


def _ipv6(value: int) -> str:
    return str(IPv6Address(value))


IN_PORT = Field(1, "in_port", 32)
ETH_DST = Field(1, "eth_dst", 48)
ETH_SRC = Field(1, "eth_src", 48)
ETH_TYPE = Field(0, "eth_type", 16)
IPV4_SRC = Field(1, "ip_src", 32)
IPV4_DST = Field(1, "ip_dst", 32)
IPV6_SRC = Field(1, "ipv6_src", 128)
IPV6_DST = Field(1, "ipv6_dst", 128)
IP_PROTO = Field(1, "ip_proto", 8)
ICMPV6_TYPE = Field(2, "icmpv6_type", 8)
ND_TARGET = Field(3, "nd_target", 128)
ND_SLL = Field(3, "nd_sll", 48)  # the sender's MAC, an option of a solicitation (RFC 4861, 4.6.1); 0: it is not there
ND_TLL = Field(3, "nd_tll", 48)  # the target's, of an advertisement
ND_RESERVED = Field(3, "nd_reserved", 32)  # flags of an advertisement
ND_OPTIONS_TYPE = Field(3, "nd_options_type", 8)  # which of the two options it is
ARP_OP = Field(1, "arp_op", 16)
ARP_SPA = Field(1, "arp_spa", 32)
ARP_TPA = Field(1, "arp_tpa", 32)
ARP_SHA = Field(1, "arp_sha", 48)
ARP_THA = Field(1, "arp_tha", 48)
TUN_ID = Field(1, "tun_id", 64)
SEGMENT = Field(1, "reg0", 32)
SENDER = Field(1, "reg1", 32)
ORIGIN = Field(1, "reg2", 32)
OUT = Field(1, "reg3", 32)
COMPANY = Field(1, "reg4", 32)

_SHOWN: dict[str, Callable[[int], str]] = {
    "eth_dst": _mac,
    "eth_src": _mac,
    "arp_sha": _mac,
    "arp_tha": _mac,
    "eth_type": _hexadecimal,
    "tun_id": _hexadecimal,
    "reg0": _hexadecimal,
    "reg1": _hexadecimal,
    "reg2": _hexadecimal,
    "reg3": _hexadecimal,
    "reg4": _hexadecimal,
    "ip_src": _ipv4,
    "ip_dst": _ipv4,
    "arp_spa": _ipv4,
    "arp_tpa": _ipv4,
    "ipv6_src": _ipv6,
    "ipv6_dst": _ipv6,
    "nd_target": _ipv6,
    "nd_sll": _mac,
    "nd_tll": _mac,
    "nd_reserved": _hexadecimal,
}

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        IN_PORT,
        ETH_DST,
        ETH_SRC,
        ETH_TYPE,
        IPV4_SRC,
        IPV4_DST,
        IPV6_SRC,
        IPV6_DST,
        IP_PROTO,
        ICMPV6_TYPE,
        ND_TARGET,
        ND_SLL,
        ND_TLL,
        ND_RESERVED,
        ND_OPTIONS_TYPE,
        ARP_OP,
        ARP_SPA,
        ARP_TPA,
        ARP_SHA,
        ARP_THA,
        TUN_ID,
        SEGMENT,
        SENDER,
        ORIGIN,
        OUT,
        COMPANY,
    )
}

MULTICAST = ETH_DST(1 << 40, 1 << 40)  # and broadcast: IEEE 802, the lowest bit of the first byte
ETH_IPV4 = ETH_TYPE(0x0800)
ETH_ARP = ETH_TYPE(0x0806)
ETH_IPV6 = ETH_TYPE(0x86DD)
ARP_REQUEST, ARP_REPLY = 1, 2
IP_ICMPV6 = IP_PROTO(58)


@lru_cache(MOST_SEGMENTS)
def within(segment: int) -> Term:
    """The term that all flows of a segment share."""
    return SEGMENT(segment)
