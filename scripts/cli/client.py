"""Asks controller and helper: HTTP and JSON, over TCP or the helper's socket, everything with a time-out and a bound.

Whatever goes wrong becomes one of two exceptions: `Refused`, somebody said no, in the words of the problem document
(RFC 9457); `Nobody`, there is nobody who could say anything.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any, NamedTuple
from urllib.parse import urlencode

from scripts.cli.group import Nobody, Refused
from scripts.cli.progress import waiting_for

CONNECT_TIMEOUT = 3.0  # seconds
ANSWER_TIMEOUT = 30.0  # seconds; a change is answered after 2 s at the latest, a read of many flows takes longer
LARGEST_ANSWER = 256 << 20  # bytes: 100,000 flows are about 50 MB
LONGEST_LINE = 64 << 10  # bytes, of an answer without end
AWAY = (502, 503, 504)
JSON, YAML = "application/json", "application/yaml"


class Answer(NamedTuple):
    """What was answered: the text as it came, and, of JSON, what it says."""

    text: str
    document: Any


class UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CONNECT_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client(NamedTuple):
    """One who can be asked. `start` says what to do if nobody is there."""

    who: str
    place: str
    start: str
    connection: Callable[[], HTTPConnection]
    base: str = ""  # before every path

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | bytes | None = None,
        *,
        query: Mapping[str, str | None] | None = None,
        accept: str = JSON,
        timeout: float = ANSWER_TIMEOUT,
        doing: str = "an answer",
    ) -> Answer:
        """The answer. A body of bytes is YAML; `doing` is what people are told after a second. Refused, or Nobody."""
        target = self._target(path, query)
        headers = {"Accept": accept}
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if sent is not None:
            headers["Content-Type"] = YAML if sent is body else JSON
        with (
            waiting_for(f"{doing} ({self.who} at {self.place})"),
            self._exchange(method, target, sent, headers, timeout) as response,
        ):
            status, raw = response.status, response.read(LARGEST_ANSWER + 1)
        if len(raw) > LARGEST_ANSWER:
            raise Refused(f"The answer of {self.place} is larger than {LARGEST_ANSWER >> 20} MiB: ask for less of it.")
        return self._understood(status, raw, accept)

    def follow(self, path: str, *, query: Mapping[str, str | None], accept: str) -> Iterator[str]:
        """The lines of an answer that has no end, as they come. Refused, or Nobody, which is how it ends, too."""
        with self._exchange("GET", self._target(path, query), None, {"Accept": accept}, ANSWER_TIMEOUT) as response:
            if response.status >= 400:
                self._understood(response.status, response.read(LARGEST_ANSWER), accept)
            with suppress(IncompleteRead):
                while line := response.readline(LONGEST_LINE):
                    yield line.decode(errors="replace").rstrip("\n")
        raise Nobody(f"{self} has ended this. {self.start}")

    def _target(self, path: str, query: Mapping[str, str | None] | None) -> str:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self.base + path + (f"?{urlencode(given)}" if given else "")

    @contextmanager
    def _exchange(
        self, method: str, target: str, sent: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Iterator[HTTPResponse]:
        connection, asked = self.connection(), False
        try:
            connection.connect()
            asked = True
            connection.sock.settimeout(timeout)
            connection.request(method, target, sent, dict(headers))
            yield connection.getresponse()
        except TimeoutError as error:
            unsure = (
                " Whether it was done is not known: look before you try again." if asked and method != "GET" else ""
            )
            raise Nobody(f"{self} does not answer.{unsure} {self.start}") from error
        except PermissionError as error:
            raise Nobody(f"{self} may not be used by you: run this as root (sudo).") from error
        except OSError as error:
            raise Nobody(f"{self} cannot be reached: {error.strerror or error}. {self.start}") from error
        except HTTPException as error:
            raise Nobody(f"{self} does not speak HTTP: something else is there. {self.start}") from error
        finally:
            connection.close()

    def _understood(self, status: int, raw: bytes, accept: str) -> Answer:
        try:
            text = raw.decode()
            document = json.loads(text) if text and (status >= 400 or accept == JSON) else None
        except ValueError as error:
            raise Nobody(
                f"What answers at {self.place} is no Containet {self.who} (HTTP {status}, not JSON). {self.start}"
            ) from error
        if status >= 400:
            raise (Nobody if status in AWAY else Refused)(problem_text(status, document))
        return Answer(text, document)

    def __str__(self) -> str:
        return f"The {self.who} at {self.place}"


def problem_text(status: int, document: object) -> str:
    """What a problem document says, for people: the detail, then what else there is that the detail does not say."""
    if not isinstance(document, dict) or not (document.get("detail") or document.get("title")):
        return f"Refused with HTTP {status}, without a reason."
    detail = str(document.get("detail") or document["title"])
    candidates = [str(name) for name in document.get("candidates") or () if str(name) not in detail]
    errors = [line for error in document.get("errors") or () if (line := _error_line(error)) not in detail]
    return "\n".join(
        [detail, *(["There are: " + ", ".join(candidates)] if candidates else []), *(f"  {e}" for e in errors)]
    )


def _error_line(error: object) -> str:
    if not isinstance(error, dict):
        return str(error)
    places = (f"line {error['line']}" if error.get("line") else "", error.get("where"))
    return f"{', '.join(str(place) for place in places if place)}: {error.get('what')}".removeprefix(": ")
