"""What stays, comes back and goes: over ends of the helper, of the controller, of containers and of devices."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from pyroute2 import netns as namespaces

from app.wire import NamesWant, Want
from scripts.helper.keeper import SWEEP_S
from scripts.helper.ovs.vswitch import Vswitch
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, run, until
from tests.scripts.helper.running import Running, helper
from tests.scripts.helper.twin import Twin

Make = Callable[[str], Container]


@pytest.fixture
def here(ovs: Ovs, twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with helper(tmp_path_factory.mktemp("helper"), ovs, twin) as made:
        until(lambda: twin.reports)
        yield made
        if made.process and made.process.poll() is not None:
            made.start()
        for endpoint in made.ask("GET", "/v1/endpoints")[1]:
            made.ask("POST", "/v1/disconnect", {"container": endpoint["container"]})


def connect(here: Running, container: Container, **more: object) -> str:
    """The endpoint's key."""
    name = f"netns:{container.name}"
    status, _ = here.ask("POST", "/v1/connect", {"container": name, "address": str(container.address), **more})
    assert status in (200, 202)
    return f"{name}/eth0"


def port_of(ovs: Ovs, key: str) -> str:
    return ovs.vsctl("--bare", "--columns=name", "find", "Port", f'external_ids:containet-endpoint="{key}"')


def test_nothing_is_touched_when_the_helper_ends_and_starts(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    key = connect(here, containers("10.1.0.1/24"))
    port, told = port_of(ovs, key), twin.endpoints[key]

    assert here.stop() == 0
    assert port_of(ovs, key) == port
    here.start()
    until(lambda: len(twin.reports) == 2)
    here.kill()
    here.start()
    until(lambda: len(twin.reports) == 3)

    assert port_of(ovs, key) == port
    assert [report.endpoints for report in twin.reports[1:]] == [(told,), (told,)]


def test_an_absent_controller_stops_nothing_and_hears_everything(here: Running, twin: Twin, containers: Make) -> None:
    one, two, three = (containers(f"10.1.0.{number}/24") for number in (1, 2, 3))
    key_of_one = connect(here, one)
    twin.stop()
    until(lambda: here.ask("GET", "/v1/status")[1]["controller"] == "away")

    status, answer = here.ask(
        "POST", "/v1/connect", {"container": f"netns:{two.name}", "address": "10.1.0.2/24", "vlan": 9}
    )
    assert (status, answer["pending"], answer["endpoint"]["network"]) == (202, ["h1"], "vlan9")
    assert twin.url in answer["why"]
    asked = {"container": f"netns:{three.name}", "address": "10.1.0.3"}
    assert here.refused("connect", **asked)[1] == "prefix-needed"
    twice = asked | {"address": "10.1.0.2/24", "vlan": 9}
    assert here.refused("connect", **twice)[1] == "address-in-use"
    assert here.ask("POST", "/v1/connect", twice | {"vlan": 8})[0] == 202
    assert here.ask("POST", "/v1/disconnect", {"container": f"netns:{one.name}"})[0] == 202

    twin.start()
    until(lambda: f"netns:{two.name}/eth0" in twin.endpoints)
    assert key_of_one not in twin.endpoints
    assert {(str(report.address), report.vlan) for report in twin.reports[-1].endpoints} == {
        ("10.1.0.2/24", 9),
        ("10.1.0.2/24", 8),
    }
    assert here.do("wait", container=f"netns:{two.name}", timeout=5)["pending"] == []


def test_a_session_that_is_not_the_newest_begins_again(here: Running, twin: Twin, containers: Make) -> None:
    twin.session += 1

    key = connect(here, containers("10.1.0.1/24"))

    assert key in twin.endpoints
    assert len(twin.reports) == 2


def test_a_namespace_that_goes_takes_its_endpoint_along(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    key = connect(here, one)
    port = port_of(ovs, key)

    namespaces.remove(one.name)
    until(lambda: here.ask("GET", "/v1/endpoints")[1] == [])
    until(lambda: key not in twin.endpoints)

    assert port not in ovs.vsctl("list-ports", BRIDGE)
    assert ovs.vsctl("get", "Bridge", BRIDGE, "external_ids") == "{}"
    namespaces.create(one.name)  # the fixture removes it


def test_an_interface_that_goes_comes_back_as_it_was(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    key = connect(here, one, gateway="10.1.0.9", up="5mbit")
    port, told = port_of(ovs, key), twin.endpoints[key]

    one.run("ip", "link", "del", "eth0")
    until(lambda: port_of(ovs, key) not in ("", port))
    until(lambda: twin.endpoints[key].ofport != told.ofport)

    assert twin.endpoints[key] == told.model_copy(update={"ofport": twin.endpoints[key].ofport})
    assert "10.1.0.1/24" in one.run("ip", "address", "show", "eth0")
    assert told.mac in one.run("ip", "link", "show", "eth0")
    assert "default via 10.1.0.9" in one.run("ip", "route")
    assert "htb" in one.run("tc", "qdisc", "show", "dev", "eth0")


def test_an_interface_that_was_left_half_plugged_is_plugged(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    """Its record names the host end that it had before."""
    one = containers("10.1.0.1/24")
    key = connect(here, one)
    before = port_of(ovs, key)
    here.kill()
    with closing(Vswitch(ovs.remote, BRIDGE)) as vswitch:
        ((name, record),) = vswitch.records("endpoint/").items()
        vswitch.write_record(name, json.dumps(json.loads(record) | {"veth": "ct00000000"}))

    here.start()

    until(lambda: len(twin.reports) == 2 and twin.endpoints.get(key))
    assert port_of(ovs, key) not in ("", before)
    assert "10.1.0.1/24" in one.run("ip", "address", "show", "eth0")


def test_what_a_container_did_to_its_interface_stays_so(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    key = connect(here, one)
    before = port_of(ovs, key)
    here.kill()
    one.run("ip", "address", "flush", "dev", "eth0")
    one.run("ip", "link", "set", "eth0", "down")

    here.start()

    until(lambda: len(twin.reports) == 2 and twin.endpoints.get(key))
    assert port_of(ovs, key) == before
    assert "state DOWN" in one.run("ip", "link", "show", "eth0")


def test_an_interface_that_is_set_down_stays_so(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    """A container that may do so has its reasons."""
    one = containers("10.1.0.1/24")
    key = connect(here, one)
    port, told = port_of(ovs, key), len(twin.events)
    one.run("ip", "link", "set", "eth0", "down")

    time.sleep(SWEEP_S + 0.5)

    assert "state DOWN" in one.run("ip", "link", "show", "eth0")
    assert (port_of(ovs, key), len(twin.events)) == (port, told)


def test_a_container_restarted_without_helper_is_plugged_when_it_starts(
    here: Running, twin: Twin, containers: Make
) -> None:
    one = containers("10.1.0.1/24")
    key = connect(here, one)
    names = NamesWant(vlan=1, names={one.name: (one.address.ip,)})
    twin.want(Want(key="names/1", generation=1, body=names))
    until(lambda: "dev eth0" in one.run("ip", "route", "show", "169.254.53.53"))
    here.kill()
    namespaces.remove(one.name)
    namespaces.create(one.name)

    here.start()

    until(lambda: len(twin.reports) == 2 and key in twin.endpoints)
    assert "10.1.0.1/24" in one.run("ip", "address", "show", "eth0")
    until(lambda: "dev eth0" in one.run("ip", "route", "show", "169.254.53.53"))


def test_what_a_killed_helper_left_is_swept(here: Running, ovs: Ovs, containers: Make) -> None:
    key = connect(here, containers("10.1.0.1/24"))
    port = port_of(ovs, key)
    run("ip", "link", "add", "ct00000001", "type", "veth", "peer", "name", "x1")
    run("ip", "link", "add", "ct-someone", "type", "veth", "peer", "name", "x2")
    run("ip", "link", "add", "ct00000002", "type", "veth", "peer", "name", "x3")
    ovs.vsctl(
        "add-port", BRIDGE, "ct00000002", "--", "set", "Port", "ct00000002", "external_ids:containet-endpoint=a/b"
    )
    run("ip", "link", "add", "foreign0", "type", "veth", "peer", "name", "x4")
    ovs.vsctl("add-port", BRIDGE, "foreign0")

    until(lambda: "ct0000000" not in run("ip", "link") + ovs.vsctl("list-ports", BRIDGE))

    left = run("ip", "link")
    assert port in left
    assert "ct-someone" in left
    assert set(ovs.vsctl("list-ports", BRIDGE).split()) == {port, "foreign0"}
    ovs.vsctl("del-port", "foreign0")
    for name in ("ct-someone", "foreign0"):
        run("ip", "link", "del", name)


def test_an_unreadable_record_is_no_reason_to_stop(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    ovs.vsctl("set", "Bridge", BRIDGE, 'external_ids:"endpoint/somebody/eth0"=nonsense')

    key = connect(here, containers("10.1.0.1/24"))

    assert set(twin.endpoints) == {key}
    assert here.log.count("cannot be read and is passed over") == 1
    ovs.vsctl("remove", "Bridge", BRIDGE, "external_ids", '"endpoint/somebody/eth0"')


def test_what_is_refused_keeps_its_port_and_is_tried_again(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    key = connect(here, containers("10.1.0.1/24"))
    port = port_of(ovs, key)
    twin.refused = {key: "10.1.0.1 belongs to somebody else"}
    twin.session += 1
    until(lambda: here.ask("GET", "/v1/endpoints")[1][0]["refused"] == "10.1.0.1 belongs to somebody else")

    assert here.ask("GET", "/v1/endpoints")[1][0]["plugged"]
    assert port_of(ovs, key) == port

    twin.refused = {}
    until(lambda: key in twin.endpoints)
    until(lambda: here.ask("GET", "/v1/endpoints")[1][0]["refused"] is None)


def test_a_bridge_that_somebody_removed_is_made_again(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    ovs.vsctl("del-br", BRIDGE)

    until(lambda: BRIDGE in ovs.vsctl("list-br"))

    assert ovs.vsctl("get-fail-mode", BRIDGE) == "secure"
    key = connect(here, containers("10.1.0.1/24"))
    assert key in twin.endpoints
    assert ovs.vsctl("get", "Bridge", BRIDGE, "fail_mode") == "secure"
