"""JSON over one kept-open HTTP connection, to the controller or to a helper."""

import json
import socket
from http.client import HTTPConnection
from typing import Any

from scripts.cli.client import UnixConnection
from scripts.lab import LabError

CALL_S = 120.0


class Api:
    """Whoever answers there."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        connection.timeout = CALL_S

    @classmethod
    def at(cls, port: int) -> "Api":
        """On this machine's loopback."""
        return cls(HTTPConnection("127.0.0.1", port))

    @classmethod
    def on(cls, path: str) -> "Api":
        """On this Unix socket."""
        return cls(UnixConnection(path))

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; LabError for anything that is not wholly done, 202 among it."""
        status, answer = self.ask(method, path, body)
        if status == 202:
            raise LabError(f"{method} {path} is not done everywhere: {answer}")
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status (200, 202, 204) and answer; LabError for what is refused."""
        said = None if body is None else json.dumps(body)
        try:
            status, text = self._exchanged(method, path, said)
        except ConnectionError:  # the other end has closed what was idle for long
            self._connection.close()
            status, text = self._exchanged(method, path, said)
        if status >= 300:
            raise LabError(f"{method} {path} was answered {status}: {text[:1000]}")
        return status, json.loads(text) if text else None

    def _exchanged(self, method: str, path: str, said: str | None) -> tuple[int, str]:
        self._connection.request(method, path, said, {"Content-Type": "application/json"} if said else {})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()


def free_port() -> int:
    """A TCP port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
