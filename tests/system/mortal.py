"""A whole controller without REST in the test's own process, that can be killed at any of its outward acts.

All that it does outside of itself is an act, and counted by its `Life`: each write to a bridge's connection, each
transaction of its store, each want that leaves for a helper. At the act that is its last one it dies as by SIGKILL:
half of the bytes leave and the connections end, the transaction is undone, the want is never heard; and nothing comes
after it.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from os_ken.lib import hub
from os_ken.ofproto import ofproto_parser, ofproto_v1_5
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from app.config import Config
from app.openflow.flow_desc import parse_late
from app.openflow.mends import mend_parser
from app.openflow.switch import Switch
from app.owner import Owner
from app.store.sqlite import SqliteStore
from app.wire import Done, HostUp
from flows.model import Tunnel

HEADER = struct.Struct("!BBHI")  # version, type, length, xid


class Life:
    """The acts of one controller since `begin`, and which of them is the last. Each is looked at before it is done."""

    def __init__(self, look: Callable[[], None] = lambda: None) -> None:
        self._look = look
        self.acts: list[str] = []
        self.last: int | None = None
        self.over = False
        self.wires: list[Wire] = []

    def begin(self, last: int | None) -> None:
        """Count from now on, and die at this act; None: live."""
        self.acts, self.last = [], last

    def act(self, what: str) -> bool:
        """One more act; False if it is the last one, of which only a half may be done before `end`."""
        self.go_on()
        self._look()
        self.acts.append(what)
        return len(self.acts) != self.last

    def go_on(self) -> None:
        """Who is dead does nothing any more."""
        if self.over:
            raise hub.TaskExit

    def end(self) -> None:
        """It is dead."""
        self.over = True
        for wire in self.wires:
            wire.close()
        raise hub.TaskExit


class Wire(ProtocolDesc):  # type: ignore[misc]
    """A bridge's connection over its management socket: at once there, at once gone. What os-ken's `dp` is to us."""

    def __init__(self, management: Path, life: Life) -> None:
        mend_parser()
        parse_late()
        super().__init__(ofproto_v1_5.OFP_VERSION)
        self.xid, self.id, self.address = 0, 0, None
        self._name, self._life = management.stem, life
        self._socket = hub.connect(str(management), family=socket.AF_UNIX)
        life.wires.append(self)
        parser = self.ofproto_parser
        for message in (parser.OFPHello(self), parser.OFPFeaturesRequest(self)):
            message.set_xid(0)
            message.serialize()
            self._socket.sendall(message.buf)
        while not self.id:
            self.id = getattr(self._read(), "datapath_id", 0)

    def send(self, data: bytes) -> bool:
        """Send all of it, unless it is the last act."""
        if self._life.act(f"{len(data)} bytes to {self._name}"):
            self._socket.sendall(data)
            return True
        self._socket.sendall(data[: len(data) // 2])
        self._life.end()
        return False

    def switch(self) -> Switch:
        """It as the controller's room has it."""
        made = Switch(self)
        hub.spawn(self._hear, made)
        return made

    def _hear(self, switch: Switch) -> None:
        with suppress(OSError):
            while (message := self._read()) is not None:
                switch.received(message)

    def close(self) -> None:
        """Both ways."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self) -> Any:
        head = self._exactly(HEADER.size)
        if head is None:
            return None
        version, kind, length, xid = HEADER.unpack(head)
        rest = self._exactly(length - HEADER.size)
        return None if rest is None else ofproto_parser.msg(self, version, kind, length, xid, head + rest)

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)


class MortalStore(SqliteStore):
    """Each transaction that ends is an act."""

    def __init__(self, path: Path, life: Life) -> None:
        self._life = life
        super().__init__(str(path))

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._life.go_on()
        with super().writing():
            yield
            if self._depth == 1 and not self._life.act("a transaction"):
                self._life.end()


class Mortal:
    """A controller over these bridges (by their management sockets), whose helpers do at once whatever is wanted."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.owner: Owner

    def start(self, state: Path, bridges: Iterable[Path], reports: dict[str, HostUp]) -> None:
        """Begin; it may die of that."""
        config = Config(state=str(state), tunnel=Tunnel.VXLAN, settle=3600, wsapi_hosts=(), wsapi_port=0)
        self.owner = Owner(config, MortalStore(state, self.life))
        self.owner.start()
        for management in bridges:
            self.owner.switch_up(Wire(management, self.life).switch())
        for host, report in reports.items():
            hub.spawn(self._help, host, self.owner.host_up(host, report).session)

    def _help(self, host: str, session: int) -> None:
        for want in self.owner.wants(host, session):
            if want is not None:
                if not self.life.act(f"{want.key} to the helper of {host}"):
                    self.life.end()
                self.owner.done(host, session, Done(key=want.key, generation=want.generation))
