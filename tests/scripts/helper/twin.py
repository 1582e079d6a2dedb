"""The controller's side of the channel (app/wire.py), as small as it can be: it keeps what it is told."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Interface, ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from app.wire import (
    EVENT,
    Admission,
    Admitted,
    Ask,
    Coming,
    Done,
    Drift,
    EndpointDown,
    EndpointReport,
    EndpointUp,
    HostUp,
    Lease,
    LeaseAsk,
    NetworkReport,
    NetworksUp,
    Outcome,
    Release,
    Want,
    Welcome,
)
from flows.model import Mac

BEAT_S, FLOWS_S = 0.5, 5.0


class ProblemError(Exception):
    """What the twin refuses."""

    def __init__(self, status: int, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"type": f"urn:containet:problem:{slug}", "status": status, "detail": detail}


class Twin:
    """A controller of one host, on a port of its own that stays the same over `stop` and `start`."""

    def __init__(self) -> None:
        self.port = 0
        self.session = 0
        self.reports: list[HostUp] = []
        self.endpoints: dict[str, EndpointReport] = {}  # container/interface -> as last told
        self.tunnels: dict[str, int] = {}
        self.events: list[str] = []
        self.drifts: list[Drift] = []
        self.asked: list[Ask] = []
        self.done: list[Done] = []
        self.pending: tuple[str, ...] = ()
        self.admits: Callable[[Ask], Admission] = admitted
        self.networks: list[NetworkReport] = []
        self.released: list[Lease] = []
        self.refused: dict[str, str] = {}  # container/interface -> why, for events and reports
        self.breaks_off = False  # what comes is admitted, and nothing is said any more
        self.has_flows = threading.Event()  # what comes is answered then
        self.has_flows.set()
        self.wants: dict[str, Want] = {}
        self._news: queue.Queue[Want] = queue.Queue()
        self._server: ThreadingHTTPServer | None = None
        self._sockets: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        twin = self

        class Handler(_Handler):
            pass

        Handler.twin = twin
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        """Gone, as if killed: nobody listens, and every connection breaks."""
        assert self._server
        self._server.shutdown()
        self._server.server_close()
        self.session += 1
        for connection in list(self._sockets):
            with suppress(OSError):  # the other end was faster
                connection.shutdown(socket.SHUT_RDWR)

    def want(self, want: Want) -> None:
        self.wants[want.key] = want
        self._news.put(want)

    def error_of(self, key: str, generation: int) -> str | None:
        """Why a want could not be done; KeyError while it is not answered."""
        return {(done.key, done.generation): done.error for done in self.done}[key, generation]

    def answered(self, want: Want) -> bool:
        return any((done.key, done.generation) == (want.key, want.generation) for done in self.done)

    def hear(
        self, method: str, resource: str, session: int | None, body: bytes
    ) -> BaseModel | Iterator[BaseModel] | None:
        if session is not None and session != self.session:
            raise ProblemError(409, "stale-session", "begin again")
        match method, resource:
            case "PUT", "":
                return self._begin(HostUp.model_validate_json(body))
            case "POST", "admit":
                self.asked.append(Ask.model_validate_json(body))
                return self.admits(self.asked[-1])
            case "POST", "comings":
                return self._come(Coming.model_validate_json(body))
            case "POST", "events":
                return self._event(EVENT.validate_json(body))
            case "POST", "networks":
                self.networks.append(NetworkReport.model_validate_json(body))
                return None
            case "POST", "leases":
                return self.lease(LeaseAsk.model_validate_json(body))
            case "POST", "releases":
                self.released += Release.model_validate_json(body).leases
                return None
            case "POST", "done":
                self.done.append(Done.model_validate_json(body))
                return None
        raise ProblemError(404, "unknown", resource)

    def lease(self, ask: LeaseAsk) -> Lease:
        """The one address, or the highest four that it has not."""
        if ask.address is not None:
            return ask.lease(ip_network(ask.address))
        last = int(ask.source.broadcast_address)
        blocks = (type(ask.subnet)((at - 3, ask.subnet.max_prefixlen - 2)) for at in range(last, 0, -4))
        free = (block for block in blocks if block not in ask.has)
        return ask.lease(next(free))

    def _begin(self, report: HostUp) -> Welcome:
        self.session += 1
        self._news = queue.Queue()
        self.reports.append(report)
        told = {f"{e.container}/{e.interface}": e for e in report.endpoints}
        self.endpoints = {key: e for key, e in told.items() if key not in self.refused}
        self.tunnels = dict(report.tunnels)
        return Welcome(session=self.session, refused={key: self.refused[key] for key in told if key in self.refused})

    def _event(self, event: Any) -> Outcome:
        self.events.append(event.kind)
        if isinstance(event, EndpointUp):
            key = f"{event.endpoint.container}/{event.endpoint.interface}"
            if key in self.refused:
                raise ProblemError(409, "refused", self.refused[key])
            self.endpoints[key] = event.endpoint
        elif isinstance(event, EndpointDown):
            self.endpoints.pop(f"{event.container}/{event.interface}", None)
        elif isinstance(event, Drift):
            self.drifts.append(event)
        elif isinstance(event, NetworksUp):
            self.networks = list(event.networks)
        else:
            self.tunnels = dict(event.tunnels)
        return Outcome(generation=1, pending=self.pending)

    def _come(self, coming: Coming) -> Iterator[BaseModel]:
        self.asked.append(coming.ask)
        admission = self.admits(coming.ask)
        asked = coming.ask.model_dump(exclude={"address", "address6", "network", "gateway"})
        ends = {"address": admission.address, "address6": admission.address6, "ofport": coming.ofport}
        endpoint = EndpointReport(**asked, **ends, mac=str(Mac.of(admission.address.ip)))
        outcome = self._event(EndpointUp(endpoint=endpoint))
        return self._comes(Admitted(admission=admission, endpoint=endpoint), outcome)

    def _comes(self, admitted: Admitted, outcome: Outcome) -> Iterator[BaseModel]:
        yield admitted
        if not self.breaks_off:
            self.has_flows.wait(FLOWS_S)
            yield outcome

    def stream(self, session: int, say: Callable[[bytes], None]) -> None:
        news = self._news
        for want in list(self.wants.values()):
            say(want.model_dump_json().encode() + b"\n")
        while session == self.session:
            try:
                say(news.get(timeout=BEAT_S).model_dump_json().encode() + b"\n")
            except queue.Empty:
                say(b'{"beat": true}\n')


def admitted(ask: Ask) -> Admission:
    """Whatever has a prefix, as it was asked."""
    if "/" not in ask.address:
        raise ProblemError(422, "address", "say the prefix")
    return Admission(
        address=IPv4Interface(ask.address),
        network="default",
        vlan=ask.vlan or 1,
        mtu=1450,
        gateway=ask.gateway,
        up_kbps=ask.up_kbps,
        down_kbps=ask.down_kbps,
    )


class _Handler(BaseHTTPRequestHandler):
    twin: Twin
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.twin._sockets.add(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True  # the twin was stopped
        finally:
            self.twin._sockets.discard(self.connection)

    def _where(self) -> tuple[str, int | None]:
        parts = urlsplit(self.path)
        session = parse_qs(parts.query).get("session")
        return parts.path.removeprefix("/v1/hosts/h1").lstrip("/"), int(session[0]) if session else None

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            answer = self.twin.hear(self.command, *self._where(), body)
        except ProblemError as problem:
            self._say(problem.status, json.dumps(problem.document).encode())
        else:
            if isinstance(answer, Iterator):
                self._say_lines(answer)
            else:
                self._say(200 if answer else 204, answer.model_dump_json().encode() if answer else b"")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        resource, session = self._where()
        if resource != "wants" or session != self.twin.session:
            self._say(409, json.dumps(ProblemError(409, "stale-session", "begin again").document).encode())
            return
        self._begin_lines()
        self.twin.stream(session, self._chunk)
        self._chunk(b"")

    def _say_lines(self, lines: Iterator[BaseModel]) -> None:
        self._begin_lines()
        for line in lines:
            self._chunk(line.model_dump_json().encode() + b"\n")
        self._chunk(b"")

    def _begin_lines(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing."""
