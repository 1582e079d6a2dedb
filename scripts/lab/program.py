"""Programs of scripts.lab.packets at work in a container's network: started, told, heard, and asked what they saw."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from scripts.lab import packets
from scripts.lab.command import environment
from scripts.lab.machine import Machine
from scripts.lab.measure import Box
from scripts.lab.plan import LabError

MEET_S = 30.0  # for a program to begin, and for what it sends first to arrive: on a busy machine seconds
END_S = 20.0  # for a program to end that was told to
FATE_S = 0.5  # for a program that has closed its output to end


@dataclass(frozen=True)
class Netns:
    """A named network namespace on a host of the lab, as `ip netns add` makes it."""

    host: Machine
    name: str


End = Box | Netns


class Program:
    """One of scripts.lab.packets at work; one socket is its standard input and output."""

    def __init__(
        self, end: End, line: socket.socket, complaints: IO[bytes], running: "subprocess.Popen[bytes]"
    ) -> None:
        self._end, self._line, self._complaints, self._running = end, line, complaints, running
        self._said = line.makefile("rb")

    def tell(self, line: bytes) -> None:
        """On its standard input."""
        self._line.sendall(line)

    def says(self, line: bytes, seconds: float) -> bool:
        """Whether this is what it says next, in that time."""
        self._line.settimeout(seconds)
        try:
            return self._said.readline() == line
        except TimeoutError:
            return False

    def ended(self) -> tuple[dict[str, int], bytes]:
        """What it reports once its input has ended."""
        self._line.shutdown(socket.SHUT_WR)
        return self.reported()

    def reported(self) -> tuple[dict[str, int], bytes]:
        """What it reports at its end: about, and the arrays, one after the other."""
        self._line.settimeout(END_S)
        try:
            head, arrays = self._said.readline(), self._said.read()
        except TimeoutError:
            raise LabError(f"{self._end} has said nothing for {END_S:g} s.\n{self.complaint()}") from None
        if not head:
            raise LabError(f"the program at {self._end} broke.\n{self.complaint()}")
        about: dict[str, int] = json.loads(head)
        return about, arrays

    def complaint(self) -> str:
        """How it is, how busy the machine is, and what it said on standard error."""
        try:
            how = f"has ended with {self._running.wait(FATE_S)}"
        except subprocess.TimeoutExpired:
            how = "runs"
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip()
        load = f"{os.getloadavg()[0]:.1f} processes for {os.cpu_count()} cores"
        return f"Its program {how}, and the machine has {load}. {said}".rstrip()


@contextmanager
def program(end: End, *words: str) -> Iterator[Program]:
    """One of scripts.lab.packets in the network of that end, until the block ends.

    Run as a file and without site-packages it begins in a third of the time that it takes with them.
    """
    argv = ["nsenter", f"--net={network_of(end)}", sys.executable, "-I", "-S", packets.__file__, *words]
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as complaints:
        running = subprocess.Popen(
            end.host.entered(argv),
            env=environment(end.host.name),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=complaints,
        )
        with running:
            theirs.close()
            try:
                yield Program(end, ours, complaints, running)
            finally:
                running.kill()


def network_of(end: End) -> str:
    """The file of its network namespace, on its host."""
    if isinstance(end, Netns):
        return f"/run/netns/{end.name}"
    return f"/proc/{end.host.exec('docker', 'inspect', '--format={{.State.Pid}}', end.name).stdout.strip()}/ns/net"
