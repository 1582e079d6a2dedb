"""What answers Docker's engine in the helper's place, and knows nothing: what the engine says meanwhile is lost."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from scripts.lab import Machine

PLUGIN = "run/docker/plugins/containet.sock"


class _Deaf(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def deaf(host: Machine) -> Iterator[None]:
    """The helper of this host is killed; until the block ends, whoever asks it is told at once that this failed."""
    path = host.directory / PLUGIN
    host.kill("helper")
    path.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(path), _Deaf) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            path.unlink()
