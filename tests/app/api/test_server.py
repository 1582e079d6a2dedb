"""The real server on loopback: keep-alive, streams, and the bounds on what callers can take."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from app.api.server import DRAIN, serve
from tests.app.api.twin import Twin, desk

PATIENCE = 10.0  # s
FILES = 64  # that the server may open: 32 connections, 16 streams
Port = Iterator[int]


@pytest.fixture(scope="module")
def port() -> Port:
    command = [sys.executable, "-W", "ignore", "-m", "tests.app.api.served", str(FILES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def connection(port: int) -> closing[HTTPConnection]:
    return closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE))


def ask(port: int, method: str, path: str, **more: Any) -> tuple[int, Any]:
    with connection(port) as caller:
        caller.request(method, path, **more)
        answer = caller.getresponse()
        return answer.status, json.loads(answer.read())


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def helper_is(port: int, host: str, presence: str) -> bool:
    return any(each["name"] == host and each["helper"] == presence for each in ask(port, "GET", "/v1/hosts")[1])


def stream(port: int, host: str = "h1", session: int = 1) -> tuple[HTTPConnection, HTTPResponse]:
    caller = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    caller.request("GET", f"/v1/hosts/{host}/wants?session={session}")
    return caller, caller.getresponse()


def raw(port: int, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as caller:
        caller.sendall(sent)
        return b"".join(iter(lambda: caller.recv(65536), b""))


def test_one_connection_many_calls(port: int) -> None:
    with connection(port) as caller:
        caller.connect()
        held = caller.sock
        for method, path, status in (
            ("GET", "/v1/healthz", 200),
            ("GET", "/v1/no", 404),
            ("DELETE", "/v1/policy", 405),
        ):
            caller.request(method, path)
            answer = caller.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)
            assert caller.sock is held


def test_a_policy_big_enough_to_be_read_in_a_thread(port: int) -> None:
    body = "# " + "x" * 100_000 + "\nassign: [{match: {name: db1}, vlan: 20}]"

    status, answer = ask(port, "PUT", "/v1/policy?dry_run=true", body=body, headers={"Content-Type": "text/yaml"})

    assert (status, answer["changes"][0]["to"]) == (200, 20)


def test_a_stream_comes_line_by_line_and_ends_with_its_reader(port: int) -> None:
    caller, answer = stream(port)
    with closing(caller):
        assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
        assert json.loads(answer.readline())["key"] == "tunnels"
        assert [json.loads(answer.readline()) for _ in range(3)] == [{"beat": True}] * 3
        assert helper_is(port, "h1", "connected")
        answer.close()
    until(lambda: helper_is(port, "h1", "away"))


def test_a_newer_session_ends_the_stream(port: int) -> None:
    caller, answer = stream(port, "h2")
    with closing(caller):
        report = {"dpid": 0xFFEE, "vtep": "10.0.0.2", "underlay_mtu": 1500}
        status, welcome = ask(
            port, "PUT", "/v1/hosts/h2", body=json.dumps(report), headers={"Content-Type": "application/json"}
        )
        assert (status, welcome["session"]) == (200, 2)
        answer.read()  # ends
    assert ask(port, "GET", "/v1/hosts/h2/wants?session=1")[0] == 409


def test_few_may_follow_events_and_each_that_goes_makes_room(port: int) -> None:
    def follow() -> tuple[HTTPConnection, HTTPResponse]:
        caller = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        caller.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        return caller, caller.getresponse()

    followers = [follow() for _ in range(FILES // 16)]
    assert all(answer.readline().startswith(b"id: ") for _, answer in followers)
    refused, answer = follow()
    assert (answer.status, json.loads(answer.read())["type"]) == (503, "urn:containet:problem:too-many-streams")
    refused.close()

    for caller, answer in followers:
        answer.close()
        caller.close()

    def is_taken() -> bool:
        caller, answer = follow()
        answer.close()
        caller.close()
        return answer.status == 200

    until(is_taken)


def test_streams_leave_room_for_callers(port: int) -> None:
    held = [stream(port) for _ in range(FILES // 4)]
    try:
        assert {answer.status for _, answer in held} == {200}
        status, problem = ask(port, "GET", "/v1/hosts/h1/wants?session=1")
        assert (status, problem["type"]) == (503, "urn:containet:problem:too-many-streams")
        assert ask(port, "GET", "/v1/healthz")[0] == 200
    finally:
        for caller, answer in held:
            answer.close()
            caller.close()
    until(lambda: helper_is(port, "h1", "away"))


@pytest.mark.parametrize("chunked", [False, True])
def test_fifty_megabytes_are_refused_and_the_caller_gets_to_read_why(port: int, chunked: bool) -> None:
    piece = b"#" * (1 << 20)
    headers = {"Content-Type": "application/yaml"} | ({} if chunked else {"Content-Length": str(50 << 20)})

    status, problem = ask(
        port, "PUT", "/v1/policy", body=(piece for _ in range(50)), headers=headers, encode_chunked=chunked
    )

    assert (status, problem["type"], problem["limit"]) == (413, "urn:containet:problem:too-big", 1 << 20)


def test_who_asks_first_need_not_send_it(port: int) -> None:
    answer = raw(
        port,
        b"PUT /v1/policy HTTP/1.1\r\nHost: c\r\nContent-Type: text/yaml\r\n"
        b"Content-Length: 50000000\r\nExpect: 100-continue\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer


def test_a_body_without_end_is_not_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as caller:
        caller.sendall(
            b"PUT /v1/policy HTTP/1.1\r\nHost: c\r\nContent-Type: text/yaml\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"#" * 0x10000 + b"\r\n"
        with suppress(ConnectionError):  # the server hangs up
            for _ in range(2 * DRAIN // len(chunk)):
                caller.sendall(chunk)
            pytest.fail("it took all of it")


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        (b"Content-Length: 100\r\n\r\n{", b"408"),  # and then nothing
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"408"),
        (b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{\r\n", b"400"),
    ],
)
def test_a_body_that_does_not_come(port: int, framing: bytes, status: bytes) -> None:
    answer = raw(port, b"PATCH /v1/endpoints/db1 HTTP/1.1\r\nHost: c\r\nContent-Type: application/json\r\n" + framing)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"application/problem+json" in answer


def test_an_address_that_is_taken(port: int) -> None:
    with pytest.raises(
        OSError, match=rf"cannot serve REST on 127.0.0.1 port {port}: Address already in use; .*--wsapi-port"
    ):
        serve(desk(Twin()), ["127.0.0.1"], port)


def test_an_address_that_is_none_of_this_machine() -> None:
    with pytest.raises(OSError, match=r"cannot serve REST on 192\.0\.2\.1 port 0: Cannot assign requested address"):
        serve(desk(Twin()), ["127.0.0.1", "192.0.2.1"], 0)


def test_several_addresses() -> None:
    serving = serve(desk(Twin()), ["127.0.0.1", "127.0.0.2"], 0)
    try:
        assert [address for address, _ in serving.addresses] == ["127.0.0.1", "127.0.0.2"]
    finally:
        serving.stop()
