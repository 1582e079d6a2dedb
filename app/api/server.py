"""The application and the servers that offer it: what callers can take of the process has a bound everywhere.

Of the files that the process may open, half are for callers' connections, half of these for helpers' streams (each
holds its place in the WSGI server for as long as the helper lives), and an eighth for those who follow events, so that
neither switches nor people are ever locked out.
"""

import errno
import logging
import resource
import socket as plain_socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import eventlet
import eventlet.tpool
import eventlet.wsgi
from eventlet.green import socket

from app.api import endpoints, events, flows, health, helpers, hosts, networks, openapi, policy, problems, topology
from app.api.operation import Apart, here, mount
from app.api.problems import App
from app.desk import Desk

MOST_CONNECTIONS = 1024
MOST_FOLLOWERS = 64  # of events
SOCKET_TIMEOUT = 30.0  # s without a byte, in either direction
IDLE_TIMEOUT = 75.0  # s between two requests of a connection
BODY_TIMEOUT = 60.0  # s for a whole body
DRAIN = 64 << 20  # bytes of a refused body that are taken, so that the caller gets to read why
DRAIN_TIMEOUT = 5.0  # s

Routes = Callable[[App], None]

_log = logging.getLogger(__name__)


def make_app(
    desk: Desk,
    extra_routes: Iterable[Routes] = (),
    *,
    streams: int = MOST_CONNECTIONS // 2,
    followers: int = MOST_FOLLOWERS,
    apart: Apart = here,
) -> App:
    """The whole REST interface over this desk. Big bodies are read `apart`; others may add their routes."""
    made = [
        *hosts.operations(desk),
        *networks.operations(desk),
        *endpoints.operations(desk),
        *flows.operations(desk),
        *topology.operations(desk),
        *policy.operations(desk),
        *events.operations(desk, followers),
        *helpers.operations(desk, streams),
        *health.operations(desk),
    ]
    made += openapi.operations(made)
    app = App()
    app.req_options.strip_url_path_trailing_slash = True
    problems.install(app, sorted({each.path for each in made}))
    mount(app, made, apart)
    for add in extra_routes:
        add(app)
    return app


class Serving:
    """Servers at work, one for each address."""

    def __init__(self, sockets: Sequence[Any], app: App, connections: int) -> None:
        pool = eventlet.GreenPool(connections)
        self._sockets = sockets
        self._threads = [eventlet.spawn(_serve, each, app, pool) for each in sockets]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where they listen: address and port."""
        return [each.getsockname()[:2] for each in self._sockets]

    def stop(self) -> None:
        """No more calls are taken; open connections are left to themselves."""
        for each in self._sockets:
            each.close()
        for thread in self._threads:
            thread.kill()


def serve(desk: Desk, hosts: Sequence[str], port: int, extra_routes: Iterable[Routes] = ()) -> Serving:
    """Serve the desk on these addresses, in green threads; OSError says which address cannot be had, and why."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = min(MOST_CONNECTIONS, files // 2)
    followers = min(MOST_FOLLOWERS, connections // 8)
    app = make_app(desk, extra_routes, streams=connections // 2, followers=followers, apart=eventlet.tpool.execute)
    sockets: list[Any] = []
    try:
        for host in hosts:
            sockets.append(_listen(host, port))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return Serving(sockets, app, connections)


def _listen(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Without reuse_port=False a second controller would silently get every other call.
        return eventlet.listen((host, port), family, backlog=128, reuse_port=False)
    except OSError as error:
        hint = (
            "; does another controller run? Choose another with --wsapi-port" if error.errno == errno.EADDRINUSE else ""
        )
        raise OSError(error.errno, f"cannot serve REST on {host} port {port}: {error.strerror}{hint}") from error


def _serve(listening: Any, app: App, pool: eventlet.GreenPool) -> None:
    eventlet.wsgi.server(
        listening,
        _Bounded(app),
        log=_Log(),
        log_format='%(client_ip)s "%(request_line)s" %(status_code)s %(body_length)s bytes %(wall_seconds).3f s',
        custom_pool=pool,
        keepalive=IDLE_TIMEOUT,
        socket_timeout=SOCKET_TIMEOUT,
        minimum_chunk_size=1,  # a line of a stream leaves at once
        debug=False,
    )


class _Log:
    """Eventlet's log as ours: calls are for those who debug."""

    def info(self, message: str) -> None:
        _log.debug("%s", message)

    debug = info

    def error(self, message: str) -> None:
        _log.warning("%s", message)


class _Bounded:
    """The application with a bound on how long a caller may take to send, and an end to streams nobody reads."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        received = environ["wsgi.input"]
        environ["wsgi.input"] = _Body(received)
        received.discard = lambda: _drain(received)  # eventlet's own has no end
        answer = self._app(environ, start_response)
        return answer if hasattr(answer, "__len__") else _Watched(answer, received.get_socket().fd)


class _Body:
    """A request's body that has to be there in time, however it drips."""

    def __init__(self, received: Any) -> None:
        self._received = received
        self._until = time.monotonic() + BODY_TIMEOUT

    def read(self, size: int = -1) -> bytes:
        left = max(0.0, self._until - time.monotonic())
        with eventlet.Timeout(left, TimeoutError("the body did not come in time")):
            data: bytes = self._received.read(size)
        return data


class _Watched:
    """A stream that ends at its next item when the caller has gone; a write alone finds out one item later."""

    def __init__(self, items: Any, connection: plain_socket.socket) -> None:
        self._items, self._connection = items, connection
        self.close = getattr(items, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        for item in self._items:
            if self._gone():
                return
            yield item

    def _gone(self) -> bool:
        try:
            return not self._connection.recv(1, plain_socket.MSG_PEEK | plain_socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False  # nothing said, as it should be
        except OSError:
            return True


def _drain(received: Any) -> None:
    """Take what is left of a body, so that the caller gets to read the answer; OSError if it is too much."""
    left = DRAIN
    with eventlet.Timeout(DRAIN_TIMEOUT, TimeoutError("a refused body was not over in time")):
        while data := received.read(64 << 10):
            left -= len(data)
            if left < 0:
                raise OSError(errno.EMSGSIZE, "a refused body was too long to wait for its end")
