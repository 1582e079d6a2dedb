"""What os-ken reads wrongly of Open vSwitch's OpenFlow 1.5, or slowly, put right in one place.

os-ken drops a message that its parser fails on, and whoever asked waits for ever. Found with os-ken 4.2.2 and Open
vSwitch 3.1, each with a test that reads it from a real switch:

- a `copy_field` action (every `move`): the parser reads field ids past the end of the action, and forgets its length;
- the description of more than one group: the parser takes the next group for properties of this one;
- meter features: Open vSwitch sends the 16 bytes of OpenFlow 1.3, the parser wants the 24 of OpenFlow 1.5;
- a Nicira action keeps its bytes (`data`), so that one which nobody can put in words can still be shown;
- the flow monitor: the parser knows the first flows only and fails on every change of one (of four decorators of its
  class for updates the last overwrites the others' number), so the bytes are left as they are for `monitor.news`;
- requests of others that are forwarded: left as they are, too;
- a number is looked for among all names of the protocol, for every table and port of every flow: found names are kept,
  which makes the words of 20,000 flows five times as fast.
"""

import struct
from functools import lru_cache
from typing import Any

from os_ken.lib import ofctl_v1_3
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser
from os_ken.ofproto.ofproto_parser import MsgBase

_group_desc = parser.OFPGroupDescStats.parser
_meter_features = parser.OFPMeterFeaturesStats.parser
_nicira = parser.NXAction.parse
_name = lru_cache(1 << 12)(ofctl_v1_3.UTIL._reserved_num_to_user)


def mend_parser() -> None:
    """Put the mends in. Doing it twice is doing it once."""
    parser.OFPActionCopyField.parser = classmethod(_copy_field)
    parser.OFPGroupDescStats.parser = staticmethod(_one_group_desc)
    parser.OFPMeterFeaturesStats.parser = staticmethod(_padded_meter_features)
    parser.NXAction.parse = staticmethod(_nicira_with_data)
    parser.OFPFlowMonitorReply.cls_stats_body_cls = Unread
    parser.OFPRequestForward.parser = classmethod(_unread)
    ofctl_v1_3.UTIL._reserved_num_to_user = _name


class Unread:
    """All entries of a reply, as one that nobody has looked into."""

    def __init__(self, length: int) -> None:
        self.length = length

    @classmethod
    def parser(cls, buf: bytes, offset: int) -> "Unread":
        """The rest of the reply."""
        return cls(len(buf) - offset)


def _unread(cls: Any, *message: Any) -> Any:
    return MsgBase.parser.__func__(cls, *message)


def _copy_field(cls: Any, buf: bytes, offset: int) -> Any:
    _, length, n_bits, src_offset, dst_offset = struct.unpack_from(ofp.OFP_ACTION_COPY_FIELD_PACK_STR, buf, offset)
    source, rest = parser.OFPOxmId.parse(buf[offset + ofp.OFP_ACTION_COPY_FIELD_SIZE : offset + length])
    target, _ = parser.OFPOxmId.parse(rest)
    action = cls(n_bits, src_offset, dst_offset, [source, target])
    action.len = length
    return action


def _one_group_desc(buf: bytes, offset: int) -> Any:
    (length,) = struct.unpack_from("!H", buf, offset)
    return _group_desc(buf[offset : offset + length], 0)


def _padded_meter_features(buf: bytes, offset: int) -> Any:
    return _meter_features(bytes(buf[offset:]).ljust(ofp.OFP_METER_FEATURES_SIZE, b"\0"), 0)


def _nicira_with_data(buf: bytes) -> Any:
    action = _nicira(buf)
    action.data = buf[struct.calcsize(parser.NXAction._fmt_str) :]
    return action
