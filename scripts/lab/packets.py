"""Programs that measure from within a container's network; scripts.lab.program starts this file.

    packets.py send ADDRESS PORT TOKEN PPS     numbered packets at an even rate
    packets.py receive ADDRESS PORT TOKEN      says which came, and when
    packets.py pour ADDRESS PORT               bytes over one TCP connection, at an even rate, and their digest
    packets.py drain ADDRESS PORT              the digest of what came, and in how many connections
    packets.py echo ADDRESS [asking]           when the first echo reply came, and how often its MAC was asked for
    packets.py crowd INTERFACE COUNT           frames to so many MACs that nobody has, over and over

On standard output they say in lines what happens, and at the end what they saw: a line of JSON with `count`, then raw
arrays of so many 64-bit numbers. The end of standard input ends them. Times are CLOCK_MONOTONIC, ns, which all
namespaces of a machine share. Standard library only: they must start fast.

    packet   token (8) | number (8), padded to `SIZE`; a number of `GREETING` is said before the stream begins
"""

import fcntl
import gc
import hashlib
import json
import os
import select
import socket
import struct
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path

LONGEST_S = 600  # a stream ends by itself
BATCH_S = 0.001  # the sender sleeps so long between two batches
GREET_S = 0.01
ECHO_MS = 2
ETH_P_ALL, ETH_P_ARP = 0x3, 0x0806  # linux/if_ether.h
NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh")  # of the network that one is in, a directory an interface
SIZE = 64  # bytes of payload
GREETING = (1 << 64) - 1
QUIET_S = 0.5  # with nothing for so long after the stream's end, nothing comes any more
POUR = 16 << 10  # bytes of a TCP connection in a batch: 131 Mbit/s
SILENT_S = 15.0  # a TCP connection over which nothing goes for so long is dead
BUFFER = 64 << 20  # bytes: some 80,000 small packets, eight seconds of a common stream
SO_NO_CHECK, SO_RCVBUFFORCE, SO_MEMINFO = 11, 33, 55  # asm-generic/socket.h
MEMINFO_DROPS = 8  # linux/sock_diag.h: what the kernel dropped at a socket
TOTAL_RETRANS = 100  # where linux/tcp.h has tcpi_total_retrans: segments that were sent again
SIOCGIFHWADDR, SIOCGIFADDR = 0x8927, 0x8915
SWEEP_S = 2.0  # for all of a crowd: a cached flow that is not used for 10 s goes (other_config:max-idle)
PACKET = struct.Struct("!8sQ")


def _told(seconds: float) -> bytes | None:
    """What standard input says within that time: None for nothing, empty at its end."""
    return os.read(0, 64) if select.select([0], [], [], seconds)[0] else None


def _report(about: dict[str, int], *arrays: "array[int] | bytes") -> None:
    sys.stdout.buffer.write(json.dumps(about).encode() + b"\n" + b"".join(map(bytes, arrays)))
    sys.stdout.buffer.flush()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(address: str, port: int, token: bytes, pps: int) -> None:
    """Greet until told to go, then send; a packet that the kernel refuses was sent, too, and is lost."""
    to = (address, port)
    sent_at = array("q")
    packet = bytearray(SIZE)
    with socket.socket(_family(address), socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)  # a veth would leave the checksum to a card that is not there

        def put(number: int) -> None:
            PACKET.pack_into(packet, 0, token, number)
            try:
                out.sendto(packet, to)
            except OSError:
                return

        while (told := _told(GREET_S)) is None:
            put(GREETING)
        began = time.monotonic_ns()
        while told != b"" and (now := time.monotonic_ns()) - began < LONGEST_S * 1_000_000_000:
            for number in range(len(sent_at), (now - began) * pps // 1_000_000_000 + 1):
                sent_at.append(time.monotonic_ns())
                put(number)
            told = _told(BATCH_S)
    _report({"count": len(sent_at)}, sent_at)


def receive(address: str, port: int, token: bytes) -> None:
    """Take all until told to end and nothing comes any more."""
    numbers, at = array("Q"), array("q")
    packet = bytearray(SIZE)
    greeted = False
    with socket.socket(_family(address), socket.SOCK_DGRAM) as into:
        into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        into.bind((address, port))
        into.setblocking(False)
        print("ready", flush=True)
        inputs: list[int] = [into.fileno(), 0]
        while ready := select.select(inputs, [], [], None if 0 in inputs else QUIET_S)[0]:
            if 0 in ready and not os.read(0, 64):
                inputs.remove(0)
            try:
                while into.recv_into(packet) == SIZE:
                    theirs, number = PACKET.unpack_from(packet)
                    if theirs != token:
                        continue
                    if number != GREETING:
                        numbers.append(number)
                        at.append(time.monotonic_ns())
                    elif not greeted:
                        greeted = True
                        print("greeted", flush=True)
            except BlockingIOError:
                continue
        dropped = struct.unpack("=9I", into.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[MEMINFO_DROPS]
    _report({"count": len(numbers), "dropped": dropped}, numbers, at)


def pour(address: str, port: int) -> None:
    """Random bytes over one connection, batch by batch, until told to end."""
    digest, count = hashlib.sha256(), 0
    with socket.create_connection((address, port), SILENT_S) as out:
        while _told(BATCH_S) != b"":
            batch = os.urandom(POUR)
            out.sendall(batch)
            digest.update(batch)
            count += len(batch)
        out.shutdown(socket.SHUT_WR)
        out.recv(1)  # the other end closes when it has all
        (again,) = struct.unpack_from("=I", out.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), TOTAL_RETRANS)
    _report({"count": count, "again": again}, digest.digest())


def drain(address: str, port: int) -> None:
    """Take all of the first connection; nobody may come by another."""
    digest, count, longest_us = hashlib.sha256(), 0, 0
    with socket.create_server((address, port), family=_family(address)) as listener:
        print("ready", flush=True)
        into, _ = listener.accept()
        with into:
            print("greeted", flush=True)
            into.settimeout(SILENT_S)
            last = time.monotonic_ns()
            while data := into.recv(1 << 16):
                now = time.monotonic_ns()
                longest_us, last = max(longest_us, (now - last) // 1000), now
                digest.update(data)
                count += len(data)
        others = len(select.select([listener.fileno()], [], [], 0)[0])
    _report({"count": count, "longest_us": longest_us, "others": others}, digest.digest())


def _checksum(data: bytes) -> bytes:
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def echo(address: str, *, again: bool) -> None:
    """Ask until it answers, from the moment on when there is an interface; say when that was.

    `again`: a MAC that is not answered is asked for again after 8 ms, as soon as the kernel can, not after a second.
    """
    head, tail = struct.pack("!BB", 8, 0), struct.pack("!HH", os.getpid() & 0xFFFF, 1)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as both,
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as all_packets,
    ):
        print("ready", flush=True)
        os.read(0, 64)
        known: set[str] = set()
        while True:
            with suppress(OSError):  # no interface yet, or no route
                for name in sorted(set(os.listdir(NEIGHBOURS)) - known) if again else ():
                    Path(NEIGHBOURS, name, "retrans_time_ms").write_text("1")
                    known.add(name)
                both.sendto(head + _checksum(head + bytes(2) + tail) + tail, (address, 0))
            ready = select.select([both.fileno(), 0], [], [], ECHO_MS / 1000)[0]
            if both.fileno() in ready:
                answer, (whose, _) = both.recvfrom(1500)
                if whose == address and answer[20:21] == b"\0" and answer[24:] == tail:
                    break
            if 0 in ready:
                return
        at = time.monotonic_ns()
        _report({"count": 1, "questions": _questions(all_packets)}, array("q", [at]))


def _questions(all_packets: socket.socket) -> int:
    """How many ARP packets have gone out since this socket was opened, of those that it has room for."""
    all_packets.setblocking(False)
    asked = 0
    with suppress(BlockingIOError):
        while True:
            _, (_, protocol, kind, *_) = all_packets.recvfrom(64)
            asked += protocol == ETH_P_ARP and kind == socket.PACKET_OUTGOING
    return asked


def frame(source: bytes, address: bytes, number: int) -> bytes:
    """A UDP packet from this MAC and IPv4 address to the MAC of that number; nobody has it: 06 is local, unicast."""
    to = struct.pack("!BBI", 0x06, 0xC0, number)
    payload = bytes(18)
    words = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, socket.IPPROTO_UDP, 0, address, bytes((192, 0, 2, 1))
    )
    header = words[:10] + _checksum(words) + words[12:]
    return to + source + b"\x08\x00" + header + struct.pack("!HHHH", 9, 9, 8 + len(payload), 0) + payload


def crowd(interface: str, count: int) -> None:
    """Send a frame to each of so many MACs in every sweep, evenly, until the end of standard input."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        question = struct.pack("256s", interface.encode())
        source = fcntl.ioctl(asked, SIOCGIFHWADDR, question)[18:24]
        address = fcntl.ioctl(asked, SIOCGIFADDR, question)[20:24]
    frames = [frame(source, address, number) for number in range(count)]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((interface, 0))
        sent, began, told = 0, time.monotonic(), None
        while told != b"" and time.monotonic() - began < LONGEST_S:
            for number in range(sent, int((time.monotonic() - began) * count / SWEEP_S)):
                out.send(frames[number % count])
                sent = number + 1
            told = _told(BATCH_S)


def main(words: list[str]) -> None:
    """One of them."""
    gc.disable()
    match words:
        case ["send", address, port, token, pps]:
            send(address, int(port), bytes.fromhex(token), int(pps))
        case ["receive", address, port, token]:
            receive(address, int(port), bytes.fromhex(token))
        case ["pour", address, port]:
            pour(address, int(port))
        case ["drain", address, port]:
            drain(address, int(port))
        case ["echo", address]:
            echo(address, again=False)
        case ["echo", address, "asking"]:
            echo(address, again=True)
        case ["crowd", interface, count]:
            crowd(interface, int(count))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
