"""Connecting and disconnecting: what is there afterwards, and what is refused and changes nothing."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from app.wire import Admission, Ask, NamesWant, Want
from scripts.helper.attached.endpoints import devices
from scripts.helper.line.ahead import MOMENT_S
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, run, until
from tests.scripts.helper.running import Running
from tests.scripts.helper.twin import ProblemError, Twin, admitted

Make = Callable[[str], Container]


@pytest.fixture
def here(running: tuple[Running, Twin]) -> Iterator[Running]:
    yield running[0]
    for endpoint in running[0].ask("GET", "/v1/endpoints")[1]:
        running[0].do("disconnect", container=endpoint["container"])


@pytest.fixture
def twin(running: tuple[Running, Twin]) -> Iterator[Twin]:
    twin = running[1]
    until(lambda: running[0].ask("GET", "/v1/status")[1]["controller"] == "connected")
    yield twin
    twin.pending, twin.admits, twin.refused, twin.breaks_off = (), admitted, {}, False
    twin.has_flows.set()


def ports(ovs: Ovs) -> list[str]:
    return [name for name in ovs.vsctl("list-ports", BRIDGE).split() if name.startswith("ct")]


def said(container: Container) -> str:
    return f"netns:{container.name}"


def test_a_container_is_plugged_told_and_answered(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")

    answer = here.do("connect", container=said(one), address="10.1.0.1/24", gateway="10.1.0.9", up="10mbit")

    (port,) = ports(ovs)
    told = twin.endpoints[f"{said(one)}/eth0"]
    assert (told.name, str(told.address), told.mac) == (one.name, "10.1.0.1/24", "02:c7:0a:01:00:01")
    assert told.ofport == int(ovs.vsctl("get", "Interface", port, "ofport"))
    assert answer["pending"] == []
    assert answer["endpoint"] == {
        "host": "h1",
        "name": one.name,
        "container": said(one),
        "interface": "eth0",
        "address": "10.1.0.1/24",
        "address6": None,
        "mac": "02:c7:0a:01:00:01",
        "vlan": 1,
        "network": "default",
        "mtu": 1450,
        "up": "10mbit",
        "down": "none",
        "gateway": "10.1.0.9",
        "bridge": None,
    }
    assert "10.1.0.1/24" in one.run("ip", "address", "show", "eth0")
    assert "default via 10.1.0.9" in one.run("ip", "route")
    assert "htb" in one.run("tc", "qdisc", "show", "dev", "eth0")


def test_it_is_told_while_its_port_is_made(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    database, before = ovs.processes["ovsdb-server"], len(twin.events)
    database.send_signal(signal.SIGSTOP)
    connecting = threading.Thread(
        target=here.do, args=["connect"], kwargs={"container": said(one), "address": "10.1.0.1/24"}
    )
    try:
        connecting.start()
        until(lambda: f"{said(one)}/eth0" in twin.endpoints)
        assert connecting.is_alive(), "there is no port, and it does not say that there is"
    finally:
        database.send_signal(signal.SIGCONT)
    connecting.join(10)

    (port,) = ports(ovs)
    assert twin.endpoints[f"{said(one)}/eth0"].ofport == int(ovs.vsctl("get", "Interface", port, "ofport"))
    assert twin.events[before:] == ["endpoint_up"]


def test_it_waits_for_its_flows_before_it_has_its_address_but_not_for_long(
    here: Running, twin: Twin, containers: Make
) -> None:
    """What it says first, a question for a MAC, would be lost before, and asked again after a second."""
    one = containers("10.1.0.1/24")
    twin.has_flows.clear()
    connecting = threading.Thread(
        target=here.do, args=["connect"], kwargs={"container": said(one), "address": "10.1.0.1/24"}
    )
    began = time.monotonic()
    connecting.start()

    until(lambda: "10.1.0.1/24" in one.run("ip", "address", "show", "eth0", check=False))

    assert time.monotonic() - began >= MOMENT_S
    assert connecting.is_alive(), "whether its flows are there is not known yet"
    twin.has_flows.set()
    connecting.join(10)
    assert not connecting.is_alive()


def test_what_could_not_be_made_is_told_to_be_gone(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    switch = ovs.processes["ovs-vswitchd"]
    switch.send_signal(signal.SIGSTOP)
    try:
        status, _, detail = here.refused("connect", container=said(one), address="10.1.0.1/24")
        assert status == 503
        assert "gave the port" in detail
    finally:
        switch.send_signal(signal.SIGCONT)

    assert twin.endpoints == {}
    assert ports(ovs) == []


def test_an_answer_that_breaks_off_is_asked_for_again(here: Running, twin: Twin, containers: Make) -> None:
    one, before = containers("10.1.0.1/24"), len(twin.events)
    twin.breaks_off = True

    assert here.do("connect", container=said(one), address="10.1.0.1/24")["pending"] == []

    assert twin.events[before:] == ["endpoint_up", "endpoint_up"]


def test_a_session_that_has_ended_unheard_is_begun_again(here: Running, twin: Twin, containers: Make) -> None:
    one, before = containers("10.1.0.1/24"), twin.session
    twin.session += 1

    assert here.do("connect", container=said(one), address="10.1.0.1/24")["pending"] == []

    assert twin.session == before + 2
    assert f"{said(one)}/eth0" in twin.endpoints


def test_where_somebody_else_has_the_number_the_other_one_is_told(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    one, two = containers("10.1.0.1/24"), containers("10.1.0.2/24")
    here.do("connect", container=said(one), address="10.1.0.1/24")
    following = twin.endpoints[f"{said(one)}/eth0"].ofport + 1
    stranger = f"ofport_request={following}"
    ovs.vsctl("add-port", BRIDGE, "stranger", "--", "set", "Interface", "stranger", "type=internal", stranger)
    until(lambda: ovs.vsctl("get", "Interface", "stranger", "ofport").strip() == str(following))

    here.do("connect", container=said(two), address="10.1.0.2/24")

    (port,) = (name for name in ports(ovs) if said(two) in ovs.vsctl("get", "Port", name, "external_ids"))
    assert twin.endpoints[f"{said(two)}/eth0"].ofport == int(ovs.vsctl("get", "Interface", port, "ofport")) != following
    ovs.vsctl("del-port", BRIDGE, "stranger")


def test_what_the_controller_makes_of_it_is_what_is_plugged(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")

    def by_policy(ask: Ask) -> Admission:
        return admitted(ask.model_copy(update={"address": f"{ask.address}/16"})).model_copy(
            update={"gateway": IPv4Address("10.1.255.1"), "down_kbps": 5000, "network": "blue", "mtu": 1300}
        )

    twin.admits = by_policy
    endpoint = here.do("connect", container=said(one), address="10.1.0.1")["endpoint"]

    assert (endpoint["address"], endpoint["network"], endpoint["down"]) == ("10.1.0.1/16", "blue", "5mbit")
    assert "default via 10.1.255.1" in one.run("ip", "route")
    assert "mtu 1300" in one.run("ip", "link", "show", "eth0")
    assert twin.endpoints[f"{said(one)}/eth0"].down_kbps is None  # what connect said, not what policy says


def test_the_same_again_is_already_so_and_anything_else_is_refused(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    asked = {"container": said(one), "address": "10.1.0.1/24", "vlan": 10, "up": "10mbit"}
    first = here.do("connect", **asked)

    again = here.do("connect", **asked)
    assert again["already"]
    assert again["endpoint"] == first["endpoint"]
    assert here.do("connect", **asked | {"address": "10.1.0.1"})["already"]

    for change, words in (
        ({"address": "10.1.0.2/24"}, "address is 10.1.0.1/24, asked for is 10.1.0.2/24"),
        ({"address": "10.1.0.1/16"}, "address is 10.1.0.1/24, asked for is 10.1.0.1/16"),
        ({"vlan": None}, "vlan is 10, asked for is none"),
        ({"up": "1mbit"}, "up is 10mbit, asked for is 1mbit"),
        ({"down": "1mbit"}, "down is none, asked for is 1mbit"),
        ({"gateway": "10.1.0.9"}, "gateway is none, asked for is 10.1.0.9"),
    ):
        status, slug, detail = here.refused("connect", **asked | change)
        assert (status, slug) == (409, "connected-otherwise")
        assert words in detail
    assert len(twin.endpoints) == 1


def test_a_second_interface_has_to_be_named(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    here.do("connect", container=said(one), address="10.1.0.1/24")

    second = here.do("connect", container=said(one), address="10.2.0.1/24", interface="lan1")

    assert second["endpoint"]["interface"] == "lan1"
    assert set(twin.endpoints) == {f"{said(one)}/eth0", f"{said(one)}/lan1"}
    assert here.do("disconnect", container=said(one), interface="lan1")["removed"] == [f"{one.name}:lan1"]
    assert set(twin.endpoints) == {f"{said(one)}/eth0"}


def test_refused_input_changes_nothing(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    one.run("ip", "link", "add", "eth7", "type", "bridge")
    right = {"container": said(one), "address": "10.1.0.1/24"}

    for change, words in (
        ({"container": "netns:nobody"}, "no network namespace “nobody”"),
        ({"container": "web1"}, "Docker does not answer"),
        ({"container": "a/b"}, "container: "),
        ({"address": "10.1.0.300/24"}, "“10.1.0.300/24” is not an IPv4 address: say it as 172.15.42.100/24"),
        ({"address": "fe80::1/64"}, "is not an IPv4 address"),
        ({"address": "10.1.0.0/24"}, "own or its broadcast address"),
        ({"address": "10.1.0.255/24"}, "own or its broadcast address"),
        ({"address": "224.0.0.1/24"}, "cannot be a container's address"),
        ({"vlan": 0}, "“0” is not a VLAN: say a number from 1 to 4094"),
        ({"vlan": 4095}, "“4095” is not a VLAN"),
        ({"vlan": "ten"}, "“ten” is not a VLAN"),
        ({"up": "10"}, "“10” is not a rate: say it as 800kbit"),
        ({"down": "10mb/s"}, "“10mb/s” is not a rate"),
        ({"down": "-1"}, "“-1” is not a rate"),
        ({"interface": "eth7"}, "has an interface “eth7” already"),
        ({"interface": "much-too-long-a-name"}, "interface: "),
        ({"gateway": "10.9.9.9"}, "The gateway 10.9.9.9 is not inside 10.1.0.0/24"),
        ({"bridge": "docker0"}, "“docker0” is not joined. Join it first"),
        ({"colour": "blue"}, "colour: "),
    ):
        status, _, detail = here.refused("connect", **right | change)
        assert 400 <= status < 600
        assert words in detail, detail
    for body in (b"", b"[]", b"{nonsense"):
        assert here.ask("POST", "/v1/connect", body)[0] == 400
    assert here.ask("POST", "/v1/connect", b" " * (70 << 10))[0] == 413
    assert here.ask("GET", "/v1/nothing")[0] == 404
    assert here.ask("GET", "/v1/connect")[0] == 405
    assert ports(ovs) == []
    assert twin.endpoints == {}
    assert "eth0" not in one.run("ip", "link")


def test_a_body_in_chunks_is_a_body(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")

    def chunked(asked: dict[str, str]) -> tuple[int, Any]:
        body = json.dumps(asked).encode()
        return here.ask("POST", "/v1/connect", (body[start : start + 20] for start in range(0, len(body), 20)))

    asked = {"container": said(one), "address": "10.1.0.1/24"}
    assert chunked(asked)[0] == 200
    assert f"{said(one)}/eth0" in twin.endpoints
    assert chunked(asked | {"interface": "x" * (65 << 10)})[0] == 413


def test_what_the_controller_refuses_leaves_nothing(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")

    def never(_: Ask) -> Admission:
        raise ProblemError(409, "address-in-use", "10.1.0.1 belongs to web2 on h2")

    twin.admits = never
    refused = here.refused("connect", container=said(one), address="10.1.0.1/24")
    assert refused == (409, "address-in-use", "10.1.0.1 belongs to web2 on h2")

    twin.admits, twin.refused = admitted, {f"{said(one)}/eth0": "somebody was faster"}
    refused = here.refused("connect", container=said(one), address="10.1.0.1/24")
    assert refused == (409, "refused", "somebody was faster")

    assert ports(ovs) == []
    assert ovs.vsctl("get", "Bridge", BRIDGE, "external_ids") == "{}"
    assert "eth0" not in one.run("ip", "link")


def test_a_failure_half_way_leaves_nothing(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    one.run("ip", "route", "add", "default", "dev", "lo")

    status, _, detail = here.refused("connect", container=said(one), address="10.1.0.1/24", gateway="10.1.0.9")

    assert (status, "default route already" in detail) == (500, True)
    assert ports(ovs) == []
    assert twin.endpoints == {}
    assert ovs.vsctl("get", "Bridge", BRIDGE, "external_ids") == "{}"
    assert "eth0" not in one.run("ip", "link")


def test_a_failure_half_way_leaves_nothing_behind_a_bridge_either(here: Running, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    one.run("ip", "route", "add", "default", "dev", "lo")
    run("ip", "link", "add", "dbr9", "type", "bridge")
    try:
        here.do("join-bridge", bridge="dbr9")
        before = ovs.vsctl("get", "Bridge", BRIDGE, "external_ids"), ports(ovs), devices()
        asked = {"container": said(one), "address": "10.1.0.1/24", "bridge": "dbr9"}

        assert "default route already" in here.refused("connect", **asked, gateway="10.1.0.9")[2]

        assert (ovs.vsctl("get", "Bridge", BRIDGE, "external_ids"), ports(ovs), devices()) == before
        assert not here.do("connect", **asked)["already"]
        here.do("disconnect", container=said(one))
    finally:
        here.do("leave-bridge", bridge="dbr9")
        run("ip", "link", "delete", "dbr9")


def test_a_host_that_is_pending_makes_it_a_202(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    twin.pending = ("h2",)

    status, answer = here.ask("POST", "/v1/connect", {"container": said(one), "address": "10.1.0.1/24"})
    assert (status, answer["pending"]) == (202, ["h2"])
    status, answer = here.ask("POST", "/v1/wait", {"container": said(one), "timeout": 0.1})
    assert (status, answer["pending"], answer["why"]) == (202, ["h2"], "Not applied yet on h2.")

    twin.pending = ()
    assert here.do("wait", container=one.name, timeout=5)["pending"] == []


def test_waiting_sees_a_connect_that_comes_later(here: Running, twin: Twin, containers: Make) -> None:  # noqa: ARG001
    one = containers("10.1.0.1/24")

    status, answer = here.ask("POST", "/v1/wait", {"container": said(one), "timeout": 0})
    assert (status, answer["pending"]) == (202, ["h1"])
    assert "is not connected yet" in answer["why"]
    assert here.refused("wait", container="netns:nobody", timeout=5)[:2] == (404, "unknown-container")

    here.do("connect", container=said(one), address="10.1.0.1/24")
    assert here.do("wait", container=said(one), timeout=5)["interface"] == "eth0"


def test_disconnecting_takes_everything_away(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    here.do("connect", container=said(one), address="10.1.0.1/24")

    assert here.do("disconnect", container=one.name) == {"removed": [f"{one.name}:eth0"], "pending": []}

    assert (ports(ovs), twin.endpoints) == ([], {})
    assert "eth0" not in one.run("ip", "link")
    status, slug, detail = here.refused("disconnect", container=one.name)
    assert (status, slug) == (404, "not-connected")
    assert "nothing was changed" in detail


def test_the_record_says_all_that_is_needed(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:  # noqa: ARG001
    one = containers("10.1.0.1/24")
    here.do("connect", container=said(one), address="10.1.0.1/24", vlan=7, down="2mbit", gateway="10.1.0.9")

    text = ovs.vsctl("get", "Bridge", BRIDGE, f'external_ids:"endpoint/{said(one)}/eth0"')
    record = json.loads(json.loads(text))

    expected = {"name": one.name, "address": "10.1.0.1/24", "mac": "02:c7:0a:01:00:01", "mtu": 1450}
    expected |= {"vlan": 7, "down_kbps": 2000, "gateway": "10.1.0.9", "route": "10.1.0.9"}
    assert expected.items() <= record.items()


def test_the_resolver_of_names_is_reached_where_the_default_route_leads_else_by_the_first(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    one = containers("10.1.0.1/24")

    def way() -> str:
        return " ".join(one.run("ip", "-brief", "route", "show", "169.254.53.53").split()[1:3])

    def names(vlan: int, *addresses: str) -> None:
        told = {f"name{number}": (IPv4Address(address),) for number, address in enumerate(addresses)}
        twin.want(Want(key=f"names/{vlan}", generation=vlan, body=NamesWant(vlan=vlan, names=told)))

    here.do("connect", container=said(one), address="10.1.0.1/24", vlan=7)
    here.do("connect", container=said(one), address="10.2.0.1/24", vlan=8, interface="eth1")
    assert way() == "", "nobody answers there"
    names(8, "10.2.0.1")
    until(lambda: way() == "dev eth1")
    assert "02:c7:a9:fe:35:35 PERMANENT" in one.run("ip", "neighbour", "show", "169.254.53.53", "dev", "eth1")
    names(7, "10.1.0.9", "10.1.0.1")
    names(8)
    until(lambda: way() == "dev eth0")
    assert one.run("ip", "neighbour", "show", "169.254.53.53", "dev", "eth1") == ""
    names(8, "10.2.0.1")
    here.do("disconnect", container=said(one), interface="eth0")
    until(lambda: way() == "dev eth1")

    here.do("connect", container=said(one), address="10.1.0.1/24", vlan=7, gateway="10.1.0.9", interface="eth0")
    assert way() == ""
    here.do("disconnect", container=said(one), interface="eth0")
    assert way() == "dev eth1"
    here.do("disconnect", container=said(one))
    assert way() == ""
    for vlan in (7, 8):
        twin.want(Want(key=f"names/{vlan}", generation=9, body=NamesWant(vlan=vlan, present=False)))
    until(lambda: "dns" not in "".join(ports(ovs)) and not list((here.path / "names").glob("*")))
