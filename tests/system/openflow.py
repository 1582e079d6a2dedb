"""A bridge's OpenFlow connection over a plain socket, as both os-ken's `ofctl_*` and our own room see one.

A service controller, through `<bridge>.mgmt` in the switch's run directory: no listener and no threads, so that one
test can hold a bridge in OpenFlow 1.3 and in 1.5 at the same time.
"""

import socket
import struct
from pathlib import Path
from typing import Any

from os_ken.ofproto import ofproto_parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

HEADER = struct.Struct("!BBHI")  # version, type, length, xid
TIMEOUT_S = 10


class Connection(ProtocolDesc):  # type: ignore[misc]
    """os-ken's datapath object without os-ken's threads. `request` gives all parts of a reply, or the error."""

    def __init__(self, management: Path, version: int) -> None:
        super().__init__(version)
        self.waiters: dict[int, Any] = {}  # what `ofctl_*` wants beside its datapath
        self._xid = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(str(management))
        parser = self.ofproto_parser
        self._send(parser.OFPHello(self, [parser.OFPHelloElemVersionBitmap([version])]))
        self.id = self.request(parser.OFPFeaturesRequest(self))[0].datapath_id

    @property
    def dp(self) -> "Connection":
        return self

    def wait_at_most(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def close(self) -> None:
        self._socket.close()

    def set_xid(self, msg: Any) -> int:
        self._xid += 1
        msg.set_xid(self._xid)
        return self._xid

    def request(self, msg: Any) -> list[Any]:
        self._send(msg)
        parts: list[Any] = []
        while True:
            reply = self._read()
            if isinstance(reply, self.ofproto_parser.OFPEchoRequest):
                self._send(self.ofproto_parser.OFPEchoReply(self, data=reply.data))
            elif reply.xid == msg.xid:
                parts.append(reply)
                multipart = reply.msg_type == self.ofproto.OFPT_MULTIPART_REPLY
                if not (multipart and reply.flags & self.ofproto.OFPMPF_REPLY_MORE):
                    return parts

    def send_msg(self, msg: Any) -> bool:
        """What `ofctl_*` calls: it waits for nothing more, since the reply is there. An error is no reply to it."""
        replies = self.request(msg)
        done, collected = self.waiters[self.id].pop(msg.xid)
        collected.extend(r for r in replies if not isinstance(r, self.ofproto_parser.OFPErrorMsg))
        done.set()
        return True

    def _send(self, msg: Any) -> None:
        if msg.xid is None:
            self.set_xid(msg)
        msg.serialize()
        self._socket.sendall(msg.buf)

    def _read(self) -> Any:
        head = self._exactly(HEADER.size)
        version, kind, length, xid = HEADER.unpack(head)
        msg = ofproto_parser.msg(self, version, kind, length, xid, head + self._exactly(length - HEADER.size))
        assert msg is not None, f"os-ken cannot read a message of type {kind}"
        return msg

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the switch closed the connection"
            data += piece
        return bytes(data)
