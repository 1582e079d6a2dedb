"""JSON over a connection that is kept open."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.bench.api import Api
from scripts.lab import LabError

IDLE_S = 0.1


class Impatient(BaseHTTPRequestHandler):
    """Closes what is idle; /200 is answered 200, and so on."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def do_GET(self) -> None:
        said = b'{"pending": ["h2"]}'
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Impatient) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Api.at(server.server_port)
        server.shutdown()


def test_a_connection_that_the_other_end_closed_meanwhile_is_opened_again(api: Api) -> None:
    first = api("GET", "/200")
    time.sleep(3 * IDLE_S)

    assert api("GET", "/200") == first == {"pending": ["h2"]}


@pytest.mark.parametrize("path", ["/202", "/409", "/500"])
def test_what_is_not_wholly_done_is_an_error(api: Api, path: str) -> None:
    with pytest.raises(LabError, match="h2"):
        api("GET", path)


def test_who_asks_may_be_told_that_somebody_is_pending(api: Api) -> None:
    assert api.ask("GET", "/202") == (202, {"pending": ["h2"]})
