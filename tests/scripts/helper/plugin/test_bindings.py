"""What `-p` may say: each binding is a port that can be published, or a refusal that says what to type instead."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from pydantic import ValidationError

from app.wire import MOST_PORTS
from scripts.helper.plugin.bindings import published
from scripts.helper.plugin.said import Binding
from scripts.helper.problem import RefusedError

TCP, UDP, SCTP = 6, 17, 132


def said(port: int = 80, host_port: int = 8080, **more: Any) -> Binding:
    """A binding as the engine writes it: `-p 8080:80` unless more is said."""
    whole = {"Proto": TCP, "IP": "", "Port": port, "HostIP": "", "HostPort": host_port, "HostPortEnd": host_port}
    return Binding.model_validate(whole | more)


@pytest.mark.parametrize(
    ("bindings", "ports"),
    [
        ([], []),
        ([said()], ["8080->80/tcp"]),
        ([said(HostIP=str(IPv4Address(0)))], ["8080->80/tcp"]),
        ([said(HostIP="10.0.0.3")], ["10.0.0.3:8080->80/tcp"]),
        ([said(HostIP="fd00::3")], ["[fd00::3]:8080->80/tcp"]),
        ([said(HostIP="::"), said()], ["8080->80/tcp"]),
        ([said(53, 5353, Proto=UDP)], ["5353->53/udp"]),
        ([said(8000, 8000), said(8001, 8001)], ["8000->8000/tcp", "8001->8001/tcp"]),
        ([said(), said()], ["8080->80/tcp"]),
        ([said(), said(Proto=UDP)], ["8080->80/tcp", "8080->80/udp"]),
        ([said(HostPortEnd=0)], ["8080->80/tcp"]),
        ([said(65535, 1)], ["1->65535/tcp"]),
    ],
)
def test_what_can_be_published(bindings: list[Binding], ports: list[str]) -> None:
    assert [str(port) for port in published(bindings)] == ports


@pytest.mark.parametrize(
    ("binding", "why"),
    [
        (said(host_port=0), "say -p HOSTPORT:80"),
        (said(host_port=8000, HostPortEnd=8010), "say -p HOSTPORT:80"),
        (said(Proto=SCTP), "port 80 is neither tcp nor udp"),
        (said(HostIP="127.0.0.1"), "127.0.0.1: ports are published on addresses that others reach"),
        (said(HostIP="127.9.9.9"), "addresses that others reach"),
        (said(HostIP="::1"), "::1: ports are published on addresses that others reach"),
        (said(HostIP="fe80::1"), "fe80::1: .* from other links"),
    ],
)
def test_what_cannot_is_refused_in_words(binding: Binding, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        published([said(81, 8081), binding])


def test_so_many_and_no_more() -> None:
    most = [said(port, port) for port in range(1, MOST_PORTS + 1)]

    assert len(published(most)) == MOST_PORTS
    with pytest.raises(RefusedError, match=f"{MOST_PORTS + 1} ports are too many"):
        published([*most, said(65535, 65535)])


@pytest.mark.parametrize(
    "more",
    [{"Port": 0}, {"Port": 65536}, {"HostPort": -1}, {"HostPort": 65536}, {"HostIP": "somewhere"}, {"Proto": None}],
)
def test_what_no_engine_says(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        said(**more)
