"""A server that speaks the API's shapes, on TCP and on a unix socket, and the command as people start it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

CONTAINET = str(Path(sys.executable).with_name("containet"))


@dataclass
class Peer:
    """Answers as it was told, and remembers what it was asked."""

    place: str
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)  # "GET /v1/hosts" -> status and JSON, or text
    endless: dict[str, str] = field(default_factory=dict)  # likewise: text after which nothing comes, and no end
    asked: list[tuple[str, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)  # answers only once it is set

    @property
    def bodies(self) -> list[Any]:
        return [body for _, body in self.asked]


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            body = json.loads(raw) if self.headers.get("Content-Type") == "application/json" else raw
            peer.asked.append((f"{self.command} {self.path}", body))
            peer.hold.wait(20)
            missing = (404, {"detail": f"nothing at {self.path}"})
            status, document = peer.answers.get(f"{self.command} {self.path}", missing)
            endless = peer.endless.get(f"{self.command} {self.path}")
            if endless is not None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(endless.encode())
                self.connection.recv(1)  # until the caller goes
                return
            sent = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

        def address_string(self) -> str:
            return "somebody"

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is remembered."""

    return Handler


def _served(peer: Peer, server: ThreadingHTTPServer | ThreadingUnixStreamServer) -> Iterator[Peer]:
    peer.hold.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield peer
    peer.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def controller() -> Iterator[Peer]:
    peer = Peer("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(peer))
    peer.place = f"http://127.0.0.1:{server.server_port}"
    yield from _served(peer, server)


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[Peer]:
    peer = Peer(str(tmp_path / "helper.sock"))
    yield from _served(peer, ThreadingUnixStreamServer(peer.place, _handler(peer)))


@dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Cli:
    """The command, started as a process of its own."""

    env: dict[str, str]

    def start(self, *argv: str, stdin: int | None = None) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [CONTAINET, *argv], env=self.env, stdin=stdin or subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def __call__(self, *argv: str, stdin: str | None = None) -> Ran:
        process = self.start(*argv, stdin=None if stdin is None else subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=30)
        assert "Traceback" not in err
        return Ran(process.returncode, out, err)


@pytest.fixture
def nobody(tmp_path: Path) -> Cli:
    """Where neither controller nor helper is."""
    places = {"CONTAINET_CONTROLLER": "http://127.0.0.1:1", "CONTAINET_SOCKET": str(tmp_path / "nobody.sock")}
    return Cli({"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **places})


@pytest.fixture
def cli(nobody: Cli, controller: Peer, helper: Peer) -> Cli:
    """Where both are."""
    return Cli(nobody.env | {"CONTAINET_CONTROLLER": controller.place, "CONTAINET_SOCKET": helper.place})
