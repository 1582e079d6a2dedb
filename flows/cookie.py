"""Cookies say why a flow is there.

     63        56 55     48 47                                  0
    +-----------+---------+-------------------------------------+
    |   magic   | feature |               owner id              |
    +-----------+---------+-------------------------------------+

The magic tells our flows from others'. The feature is the file that made the flow. The owner id leads back to the
endpoint, network or host that the flow is there for; 0 is the pipeline itself. Owner ids are given out once, by the
store, so that a restarted controller compiles the same cookies and nothing in the switch needs to change.
"""

from enum import IntEnum
from typing import NamedTuple

MAGIC = 0xC7
MAGIC_MASK = 0xFF << 56
OWNER_BITS = 48
OWNER_MASK = (1 << OWNER_BITS) - 1
PIPELINE = 0  # owner id of the flows that belong to no one endpoint, network or host


class Feature(IntEnum):
    """The file of `flows` that made a flow."""

    CLASSIFY = 1
    SPOOF_GUARD = 2
    RATE_LIMIT = 3
    ARP = 4
    L2 = 5
    FLOOD = 6
    OUTPUT = 7
    MARKER = 8  # its owner id is none, but says what the bridge has
    ND = 9
    COMPANY = 10

    @property
    def label(self) -> str:
        """The name that people see."""
        return self.name.lower()


class Cookie(NamedTuple):
    """What a cookie of ours says."""

    feature: Feature
    owner: int


_HEADS = {feature: MAGIC << 56 | feature << OWNER_BITS for feature in Feature}  # the cookie, but for the owner id


def pack(feature: Feature, owner: int) -> int:
    """The 64-bit cookie of a feature's flow for an owner; ValueError if the owner id does not fit."""
    if not 0 <= owner <= OWNER_MASK:
        raise ValueError(f"owner id {owner} does not fit into {OWNER_BITS} bits")
    return _HEADS[feature] | owner


def unpack(cookie: int) -> Cookie | None:
    """What the cookie says, or None if the flow is not ours."""
    if cookie >> 56 != MAGIC:
        return None
    try:
        return Cookie(Feature(cookie >> OWNER_BITS & 0xFF), cookie & OWNER_MASK)
    except ValueError:
        return None
