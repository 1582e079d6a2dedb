"""Names for containers: a DNS server at one address in every network that it is given a device of.

| question                                | answer                                              |
|-----------------------------------------|-----------------------------------------------------|
| a name of the network it came from      | at once, from what the controller last said         |
| any other, in a network with a way out  | that of a server of this host's /etc/resolv.conf    |
| more than MOST_ASKED of those at once   | none; whoever asked asks again                      |
| any other, in a network without one     | at once: nobody is called so                        |
| a name, from a bridge of Docker's       | at once, if it is joined to the network of the name |
| any other, from a bridge of Docker's    | that of a server of this host's /etc/resolv.conf    |

Sockets are bound to the network's device. So the kernel says which network asks, an answer leaves where its question
came in, and nobody but the network's containers is answered. The sockets to the servers are our own too: dnspython's
are not to be had where something imports eventlet, as Open vSwitch's library does.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, NamedTuple

from dns import flags, message

from scripts.helper.net import answers, links
from scripts.helper.net.netns import in_words, inside, opened

ADDRESS = IPv4Address("169.254.53.53")  # link-local: it is nobody's elsewhere
PORT = 53
MOST_ASKED = 64  # questions on their way to somebody else
MOST_CONNECTIONS = 8  # fewer than threads: who holds them open keeps nobody from asking by datagram
THREADS = 16
ELSEWHERE_S = 2.0  # for each of the host's servers
MOST_SERVERS = 3  # as resolv.conf(5) has it
CONNECTION_S = 5.0
LARGEST = 65535  # bytes of a message
RESOLV_CONF = Path("/etc/resolv.conf")

log = logging.getLogger(__name__)


class Zone(NamedTuple):
    """What one network may ask for."""

    names: answers.Names
    outside: bool  # other names are asked of this host's servers


EMPTY = Zone({}, outside=False)

Place = int | str  # a network's vlan; or a device of this host by its name


@dataclass(frozen=True)
class _Place:
    """Where one network asks."""

    mark: str
    udp: socket.socket
    tcp: socket.socket


class Resolver:
    """Answers in the networks that it serves. Any thread may call."""

    def __init__(self) -> None:
        self._zones: dict[int, Zone] = {}
        self._joined: Mapping[str, int | None] = {}  # devices -> the vlan of the network that they are joined to
        self._places: dict[Place, _Place] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._pool = ThreadPoolExecutor(THREADS, "names")
        self._asked = threading.BoundedSemaphore(MOST_ASKED)
        self._connected = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._running = False

    def know(self, vlan: int, zone: Zone) -> None:
        """This is what this network may ask for, and no more."""
        self._zones[vlan] = zone

    def serve(self, vlan: int, netns: str, device: str, mark: str) -> None:
        """Answer what comes by this device of that namespace, which has our address; PlumbError. Idempotent.

        `mark`: tells the device from an earlier one of the same name.
        """

        def listening() -> tuple[socket.socket, socket.socket]:
            with opened(netns) as fd:
                return inside(fd, lambda _: _listening(device))

        with self._lock:
            self._serve(vlan, device, mark, listening)

    def serve_devices(self, devices: Mapping[str, int | None]) -> None:
        """Answer what comes by these devices of this host, and no others; PlumbError. Idempotent.

        This host has our address. Who is known by name there is who is in the network of that vlan, if one is said.
        """
        with self._lock:
            self._joined = dict(devices)
            for place in [place for place in self._places if isinstance(place, str) and place not in devices]:
                self._close(place)
            for device in devices:
                self._serve(device, device, str(links.find(device)), partial(_listening, device))

    def _serve(
        self, place: Place, device: str, mark: str, listening: Callable[[], tuple[socket.socket, socket.socket]]
    ) -> None:
        """With the lock."""
        if place in self._places and self._places[place].mark == mark:
            return
        self._close(place)
        with in_words(f"Taking questions at “{device}” failed"):
            udp, tcp = listening()
        self._places[place] = _Place(mark, udp, tcp)
        self._selector.register(udp, selectors.EVENT_READ, lambda: self._datagram(place, udp))
        self._selector.register(tcp, selectors.EVENT_READ, lambda: self._connection(place, tcp))
        if not self._running:
            self._running = True
            threading.Thread(target=self._run, name="names", daemon=True).start()

    def leave(self, vlan: int) -> None:
        """Nobody asks here any more. Idempotent."""
        with self._lock:
            self._close(vlan)
            self._zones.pop(vlan, None)

    def _close(self, place: Place) -> None:
        taken = self._places.pop(place, None)
        for each in (taken.udp, taken.tcp) if taken else ():
            self._selector.unregister(each)
            each.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                try:
                    key.data()
                except OSError as error:  # closed meanwhile, or whoever asked is gone
                    log.debug("A question was lost: %s", error)
                except Exception:
                    log.exception("A question about a name was not answered")

    def _zone(self, place: Place) -> Zone:
        if isinstance(place, int):
            return self._zones.get(place, EMPTY)
        vlan = self._joined.get(place)
        return Zone({} if vlan is None else self._zones.get(vlan, EMPTY).names, outside=True)

    def _datagram(self, place: Place, udp: socket.socket) -> None:
        wire, asker = udp.recvfrom(LARGEST)
        asked = answers.question(wire)
        if asked is None:
            return
        answer = _at_once(asked, self._zone(place))
        if answer is not None:
            udp.sendto(answers.datagram(asked, answer), asker)
            return
        self._aside(self._asked, lambda: udp.sendto(answers.datagram(asked, _elsewhere(asked)), asker))

    def _connection(self, place: Place, tcp: socket.socket) -> None:
        connection, _ = tcp.accept()
        connection.settimeout(CONNECTION_S)
        if not self._aside(self._connected, lambda: _answer_all(connection, lambda: self._zone(place))):
            connection.close()

    def _aside(self, room: threading.Semaphore, work: Callable[[], object]) -> bool:
        """Do it beside, if there is room."""
        if not room.acquire(blocking=False):
            return False

        def run() -> None:
            try:
                work()
            except (OSError, EOFError) as error:
                log.debug("Whoever asked is gone: %s", error)
            except Exception:
                log.exception("A question about a name was not answered")
            finally:
                room.release()

        self._pool.submit(run)
        return True


def _listening(device: str) -> tuple[socket.socket, socket.socket]:
    """Sockets for datagrams and for connections; OSError."""
    with ExitStack() as undo:
        udp, tcp = (undo.enter_context(_bound(kind, device)) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        tcp.listen(MOST_CONNECTIONS)
        undo.pop_all()
    return udp, tcp


def _bound(kind: socket.SocketKind, device: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        made.setblocking(False)
        made.bind((str(ADDRESS), PORT))
    except OSError:
        made.close()
        raise
    return made


def _at_once(asked: message.QueryMessage, zone: Zone) -> message.Message | None:
    """The answer that takes nobody else; None if there is none."""
    return answers.known(asked, zone.names) or (None if zone.outside else answers.nobody(asked))


def _answer_all(connection: socket.socket, zone: Callable[[], Zone]) -> None:
    """Each question of a connection, until it ends (RFC 7766)."""
    with connection, connection.makefile("rb") as stream:
        while wire := _framed(stream):
            asked = answers.question(wire)
            if asked is None:
                return
            answer = _at_once(asked, zone()) or _elsewhere(asked)
            connection.sendall(_frame(answer.to_wire()))


def _elsewhere(asked: message.QueryMessage) -> message.Message:
    """What the first of this host's servers that answers says."""
    wire = asked.to_wire()
    for server in _servers():
        try:
            found = answers.answer(asked, _by_datagram(asked, wire, server))
            if found is not None and found.flags & flags.TC:
                found = answers.answer(asked, _by_connection(wire, server))
        except OSError as error:
            log.debug("%s does not answer: %s", server, error)
            continue
        if found is not None:
            return found
    return answers.failed(asked)


def _by_datagram(asked: message.QueryMessage, wire: bytes, server: str) -> bytes:
    """The server's answer; others that come to this port are passed over. OSError."""
    until = time.monotonic() + ELSEWHERE_S
    with socket.socket(_family(server), socket.SOCK_DGRAM) as link:
        link.connect((server, PORT))
        link.send(wire)
        while (left := until - time.monotonic()) > 0:
            link.settimeout(left)
            said = link.recv(LARGEST)
            if answers.answer(asked, said) is not None:
                return said
    raise TimeoutError("it said nothing that is an answer")


def _by_connection(wire: bytes, server: str) -> bytes:
    """Likewise, of any size."""
    with socket.create_connection((server, PORT), ELSEWHERE_S) as link, link.makefile("rb") as stream:
        link.sendall(_frame(wire))
        return _framed(stream)


def _frame(wire: bytes) -> bytes:
    return len(wire).to_bytes(2) + wire


def _framed(stream: IO[bytes]) -> bytes:
    """The next message; empty if there is none more (RFC 1035, 4.2.2)."""
    return stream.read(int.from_bytes(stream.read(2)))


def _family(server: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def _servers() -> list[str]:
    """This host's servers, as they are now."""
    try:
        lines = [line.split() for line in RESOLV_CONF.read_text(errors="replace").splitlines()]
    except OSError:
        return []
    found = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    return [server for server in found if server != str(ADDRESS)][:MOST_SERVERS]
