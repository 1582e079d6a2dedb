"""HTTP to the controller: keep-alive, a time-out on everything, bounded answers. Knows nothing of what is said.

What is asked may be asked again (every message of the protocol is a whole statement), so a kept-open connection that
the other end has closed meanwhile is tried once more on a new one.
"""

import json
from collections.abc import Iterator

import urllib3
from pydantic import BaseModel
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError

from scripts.helper.problem import AwayError, RefusedError

CONNECT_S = 2.0
ANSWER_S = 6.0  # a change is answered after 2 s at the latest; a controller that is slower than this is away
SILENCE_S = 7.0  # the stream has a beat every two seconds
LARGEST_ANSWER = 4 << 20  # bytes
CONNECTIONS = 12
TOO_EARLY = (502, 503, 504)
STALE = "stale-session"


class StaleSessionError(Exception):
    """There is a newer session than the one that was named."""


class Controller:
    """The controller at this URL. Any thread may call."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.connection_from_url(self.url, maxsize=CONNECTIONS, block=False, retries=False)

    def ask(self, method: str, path: str, said: BaseModel) -> bytes:
        """The answer; AwayError, StaleSessionError, or the RefusedError that the controller answered."""
        body = said.model_dump_json().encode()
        try:
            response = self._request(method, path, body)
            answer = response.read(LARGEST_ANSWER + 1, decode_content=True)
            response.drain_conn()
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise AwayError(self._words(error)) from error
        if len(answer) > LARGEST_ANSWER:
            raise AwayError(f"The controller at {self.url} answers more than can be: is it a controller?")
        _check(response.status, answer)
        return answer

    def lines(self, method: str, path: str, said: BaseModel | None = None) -> Iterator[bytes]:
        """The lines of an answer that goes on, as they come, until the other end ends it; errors as for `ask`."""
        body = None if said is None else said.model_dump_json().encode()
        try:
            response = self._request(method, path, body, SILENCE_S)
            try:
                if response.status >= 400:
                    _check(response.status, response.read(LARGEST_ANSWER))
                yield from _lines(response)
                response.release_conn()
            except BaseException:
                response.close()
                raise
        except (HTTPError, OSError) as error:
            raise AwayError(self._words(error)) from error

    def _request(
        self, method: str, path: str, body: bytes | None, silence_s: float = ANSWER_S
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        timeout = urllib3.Timeout(connect=CONNECT_S, read=silence_s)
        for last in (False, True):
            try:
                return self._pool.request(
                    method, path, body=body, headers=headers, timeout=timeout, preload_content=False
                )
            except ProtocolError:
                if last:
                    raise
        raise AssertionError("unreachable")

    def _words(self, error: Exception) -> str:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            return f"The controller at {self.url} does not answer in time."
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            return f"Nobody listens at {self.url}, where the controller should."
        if isinstance(error, ConnectTimeoutError):
            return f"The controller at {self.url} is not to be reached within {CONNECT_S:g} s."
        return f"The connection to the controller at {self.url} broke ({type(error).__name__})."


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for piece in response.stream(1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > LARGEST_ANSWER:
            raise AwayError("The controller sends a line without an end.")


def _check(status: int, answer: bytes) -> None:
    if status < 400:
        return
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    refusal = RefusedError.read(status, document)
    if status in TOO_EARLY or status == 500:
        raise AwayError(f"The controller cannot answer now (HTTP {status}): {refusal}")
    if refusal.slug == STALE:
        raise StaleSessionError(str(refusal))
    if document is None:
        raise AwayError(f"What answers there is no controller (HTTP {status}, not JSON).")
    raise refusal
