"""Flow descriptions that os-ken parses only when somebody looks into them.

os-ken parses 25,000 flow descriptions a second, in the loop that serves all switches. A `read` of a bridge takes the
bytes instead (`codec.flow_from`), so for that the parsing is wasted; what asks for a field of one gets it as ever.
"""

import struct
from typing import Any

from os_ken.ofproto import ofproto_v1_5_parser as parser

_LENGTH = struct.Struct("!H")
_eager = parser.OFPFlowDesc.parser


class LateFlowDesc(parser.OFPFlowDesc):  # type: ignore[misc]
    """An OFPFlowDesc of which only the length is known at first."""

    def __init__(self, raw: bytes) -> None:
        self.length = len(raw)
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        # Called only for what is not there yet.
        if name.startswith("_"):
            raise AttributeError(name)
        self.__dict__.update(vars(_eager(self._raw, 0)))
        return self.__dict__[name] if name in self.__dict__ else getattr(type(self), name)

    @classmethod
    def parser(cls, buf: bytes, offset: int) -> "LateFlowDesc":
        """The description that begins here."""
        (length,) = _LENGTH.unpack_from(buf, offset)
        return cls(bytes(buf[offset : offset + length]))


def parse_late() -> None:
    """Make replies hold descriptions of this kind. Doing it twice is doing it once."""
    parser.OFPFlowDescStatsReply.cls_stats_body_cls = LateFlowDesc
