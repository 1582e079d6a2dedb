"""The marker says what a bridge was given: the same in every process, and another for anything else."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import flows
from flows import pipeline
from flows.flow import Flow, Goto, Output, flow
from flows.intent import Intent
from flows.marker import digesting, digesting_change, edition, mark, mark_of, marker
from flows.model import Endpoint, EndpointKey, Host, Mac, Network, Role
from flows.pipeline import FlowConflictError, compile_bridge
from flows.table import Table
from flows.transition import touched
from flows.work import done
from tests.flows.intents import endpoint, intent, keeping
from tests.flows.test_delta import successor

SOURCES = Path(flows.__file__).parent
ONE = intent(
    endpoint("h1", 1, 10, up_kbps=1000, up_meter=1, down_kbps=2000, down_meter=2),
    endpoint("h2", 2, 10),
    names=("h1", "h2"),
)
KEY = EndpointKey("h1", "c1", "eth0")
SAID = (
    "from flows.marker import digesting; from flows.work import done; from tests.flows.test_marker import ONE;"
    "print(done(digesting(ONE, 'h1')))"
)


def digest(of: Intent, host: str = "h1") -> int:
    return done(digesting(of, host))


@settings(max_examples=200, deadline=None)
@given(keeping(), keeping())
def test_what_is_compiled_otherwise_has_another_digest(one: Intent, other: Intent) -> None:
    for host in one.hosts:
        if compile_bridge(one, host) != compile_bridge(other, host):
            assert digest(one, host) != digest(other, host)


@settings(max_examples=200, deadline=None)
@given(keeping(), keeping())
def test_the_digest_of_a_successor_is_that_of_the_whole(before: Intent, alone: Intent) -> None:
    for after in (alone, successor(before, alone)):
        for host in before.hosts.keys() & after.hosts.keys():
            assert done(digesting_change(digest(before, host), before, after, host)) == digest(alone, host)


OTHERWISE = {
    "key": EndpointKey("h1", "c9", "eth0"),
    "mac": Mac(9),
    "segment": 20,
    "address": IPv4Interface("172.15.42.1/16"),
    "role": Role.ROUTER,
    "behind": True,
    "address6": IPv6Interface("fd00:42::1/48"),
    "subnet6": IPv6Network("fd00:42::/64"),
    "gateway6": IPv6Address("fd00:42::9"),
    "subnet": IPv4Network("172.15.42.0/24"),
    "gateway": IPv4Address("172.15.42.9"),
    "vtep": IPv4Address("198.18.0.9"),
    "tunnels": {"h2": 109},
    "name": "another",
}


def altered(value: Endpoint | Network | Host) -> Iterator[tuple[str, Any]]:
    """The same with one field otherwise, for each field."""
    for field in fields(value):
        yield field.name, replace(value, **{field.name: OTHERWISE.get(field.name, 77)})


def test_every_field_of_what_is_compiled_counts() -> None:
    networks = {**ONE.networks, 20: Network(120, "net20", 20, 20)}
    start = replace(ONE, networks=networks)
    others = [
        *(
            (name, replace(start, endpoints={**start.endpoints, KEY: end}))
            for name, end in altered(start.endpoints[KEY])
        ),
        *((name, replace(start, networks={**networks, 10: net})) for name, net in altered(networks[10])),
        *((name, replace(start, hosts={**start.hosts, "h1": host})) for name, host in altered(start.hosts["h1"])),
    ]

    for name, other in others:
        assert digest(other) != digest(start), name
        assert done(digesting_change(digest(start), start, other, "h1")) == digest(other), name


def test_every_process_says_the_same() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", SAID], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]

    assert {int(each.stdout) for each in said} == {digest(ONE)}


def test_another_version_of_any_source_is_another_edition(tmp_path: Path) -> None:
    copy = tmp_path / "flows"
    shutil.copytree(SOURCES, copy)
    assert edition(copy) == edition(SOURCES)

    with (copy / "l2.py").open("a") as source:
        source.write("\n")
    assert edition(copy) != edition(SOURCES)


def test_a_digest_is_of_values_whoever_else_holds_them() -> None:
    name = sys.intern("one-name")
    shared, apart = (
        intent(replace(endpoint("h1", 1, 10), name=each, aliases=(each, alias)))
        for each, alias in ((name, name), ("".join(["one", "-name"]), "".join(["one-", "name"])))
    )

    assert digest(shared) == digest(apart)


def test_the_number_of_flows_counts() -> None:
    assert mark(7, 100) != mark(7, 101)
    assert mark(7, 100) != mark(8, 100)


def test_a_marker_is_told_from_a_flow_like_it() -> None:
    made = marker(0xABCDEF)

    assert mark_of(made) == 0xABCDEF
    assert mark_of(made._replace(actions=(Output(1),))) is None
    assert mark_of(made._replace(priority=1)) is None
    assert mark_of(made._replace(cookie=made.cookie ^ 1 << 48)) is None


def test_no_packet_comes_to_the_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    def astray(_intent: Intent, _host: Host) -> Iterator[Flow]:
        yield flow(Table.OUTPUT, 1, (), (Goto(Table.MARKER),), 0)

    monkeypatch.setattr(pipeline, "OF_BRIDGE", (astray,))

    with pytest.raises(FlowConflictError, match="never to the marker"):
        compile_bridge(ONE, "h1")


@settings(max_examples=100, deadline=None)
@given(keeping(), keeping())
def test_who_is_not_touched_keeps_its_digest(one: Intent, other: Intent) -> None:
    for host in one.hosts.keys() - touched(one, other):
        assert digest(one, host) == digest(other, host)
