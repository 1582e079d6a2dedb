"""What somebody else removes or changes in Open vSwitch is as it was within a second, and the controller is told."""

import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from app.wire import Drift, GatewayWant, TunnelPeer, TunnelsWant, Want
from flows.model import Tunnel
from scripts.helper.attached.host import tunnel_name
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, run, until
from tests.scripts.helper.running import Running, helper
from tests.scripts.helper.twin import Twin

Make = Callable[[str], Container]
TUNNELS = TunnelsWant(peers=(TunnelPeer(peer="h2", tunnel=Tunnel.GRE, remote=IPv4Address("10.99.0.2")),))
TUNNEL = tunnel_name("h2")
GATEWAY = GatewayWant(
    vlan=30,
    present=True,
    address=IPv4Interface("10.30.0.1/24"),
    subnet=IPv4Network("10.30.0.0/24"),
    mac="02:c7:0a:1e:00:01",
    mtu=1400,
)


@pytest.fixture
def here(ovs: Ovs, twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with helper(tmp_path_factory.mktemp("helper"), ovs, twin) as made:
        until(lambda: twin.reports)
        yield made
        for endpoint in made.ask("GET", "/v1/endpoints")[1]:
            made.do("disconnect", container=endpoint["container"])
        want(twin, TunnelsWant(), "tunnels")
        want(twin, GatewayWant(vlan=30, present=False), "gateway/30")


def want(twin: Twin, body: TunnelsWant | GatewayWant, key: str) -> None:
    wanted = Want(key=key, generation=len(twin.done) + 1, body=body)
    twin.want(wanted)
    until(lambda: twin.answered(wanted))
    assert twin.error_of(key, wanted.generation) is None


def connect(here: Running, container: Container, **more: object) -> str:
    """What the helper calls the container."""
    name = f"netns:{container.name}"
    here.do("connect", container=name, address=str(container.address), **more)
    (endpoint,) = here.ask("GET", "/v1/endpoints")[1]
    assert endpoint["plugged"]
    return name


def port_of(ovs: Ovs, container: str) -> str:
    return ovs.vsctl("--bare", "--columns=name", "find", "Port", f'external_ids:containet-endpoint="{container}/eth0"')


def put_right(holds: Callable[[], object], twin: Twin, *words: str) -> None:
    """It holds within a second, and one drift was told that says so."""
    until(holds, 1)
    until(lambda: twin.drifts, 1)
    (drift,) = twin.drifts
    assert drift.repaired
    for word in words:
        assert word in drift.what


def test_a_tunnel_that_is_removed_comes_back_with_its_number(here: Running, twin: Twin, ovs: Ovs) -> None:  # noqa: ARG001
    want(twin, TUNNELS, "tunnels")
    told = dict(twin.tunnels)

    ovs.vsctl("del-port", TUNNEL)

    number = ("--if-exists", "get", "Interface", TUNNEL, "ofport")
    put_right(lambda: ovs.vsctl(*number) == str(told["h2"]), twin, TUNNEL, "peer h2", "removed")
    assert ovs.vsctl("get", "Interface", TUNNEL, "options:remote_ip") == '"10.99.0.2"'
    assert twin.tunnels == told


def test_a_tunnel_that_is_led_elsewhere_is_led_back(here: Running, twin: Twin, ovs: Ovs) -> None:  # noqa: ARG001
    want(twin, TUNNELS, "tunnels")

    ovs.vsctl("set", "Interface", TUNNEL, "type=vxlan", "options:remote_ip=10.99.0.9")

    kind_and_options = ("--bare", "--columns=type,options", "list", "Interface", TUNNEL)
    expected = "gre\nkey=flow remote_ip=10.99.0.2"
    put_right(lambda: ovs.vsctl(*kind_and_options) == expected, twin, "type, options of the port", "peer h2", "changed")


def test_a_gateway_that_is_removed_comes_back_with_its_address(here: Running, twin: Twin, ovs: Ovs) -> None:  # noqa: ARG001
    want(twin, GATEWAY, "gateway/30")
    told = twin.endpoints["gateway:30/gw30"]

    ovs.vsctl("del-port", "gw30")

    put_right(lambda: "10.30.0.1/24" in run("ip", "-br", "address"), twin, "gw30 (gateway 30)", "removed")
    assert "02:c7:0a:1e:00:01" in run("ip", "link", "show", "gw30")
    assert twin.endpoints["gateway:30/gw30"] == told


def test_a_gateway_that_is_changed_is_changed_back(here: Running, twin: Twin, ovs: Ovs) -> None:  # noqa: ARG001
    want(twin, GATEWAY, "gateway/30")

    ovs.vsctl("set", "Interface", "gw30", "mtu_request=900", 'mac="02:00:00:00:00:09"')

    def as_wanted() -> bool:
        link = run("ip", "link", "show", "gw30")
        return "mtu 1400" in link and str(GATEWAY.mac) in link

    put_right(as_wanted, twin, "mac, mtu_request of the port gw30")


def test_an_endpoints_port_comes_back_and_the_container_notices_nothing(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    one = containers("10.1.0.1/24")
    name = connect(here, one, down="5mbit", up="5mbit")
    told, port, inside = twin.endpoints[f"{name}/eth0"], port_of(ovs, name), one.run("ip", "link", "show", "eth0")

    ovs.vsctl("del-port", port)

    number = ("--if-exists", "get", "Interface", port, "ofport")
    put_right(lambda: ovs.vsctl(*number) == str(told.ofport), twin, port, name, "removed")
    assert one.run("ip", "link", "show", "eth0") == inside
    assert "rate 5Mbit" in run("tc", "class", "show", "dev", port)
    assert twin.endpoints[f"{name}/eth0"] == told
    assert port_of(ovs, name) == port


def test_an_endpoints_queue_comes_back(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    name = connect(here, containers("10.1.0.1/24"), down="5mbit")
    port = port_of(ovs, name)

    ovs.vsctl("clear", "Port", port, "qos")

    put_right(lambda: ovs.vsctl("get", "Port", port, "qos") != "[]", twin, f"qos of the port {port}", "changed")
    assert "rate 5Mbit" in run("tc", "class", "show", "dev", port)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (("set-fail-mode", BRIDGE, "standalone"), "fail_mode"),
        (("del-controller", BRIDGE), "controller"),
        (("set-controller", BRIDGE, "tcp:127.0.0.1:1"), "controller"),
        (("set", "Controller", BRIDGE, "max_backoff=60000"), "controller"),
        (("clear", "Bridge", BRIDGE, "flow_tables"), "flow_tables"),
        (("set", "Bridge", BRIDGE, "protocols=OpenFlow10"), "protocols"),
        (("set", "Bridge", BRIDGE, "other_config:datapath-id=0000000000000001"), "other_config"),
    ],
)
def test_a_bridge_that_is_changed_is_changed_back(
    here: Running,  # noqa: ARG001
    twin: Twin,
    ovs: Ovs,
    change: tuple[str, ...],
    column: str,
) -> None:
    def state() -> tuple[str, str, str]:
        bridge = ovs.vsctl("--columns=fail_mode,protocols,other_config", "list", "Bridge", BRIDGE)
        controller = ovs.vsctl("--columns=target,max_backoff,connection_mode", "list", "Controller")
        tables = ovs.vsctl("--bare", "--columns=name", "list", "Flow_Table").split()
        return bridge, controller, " ".join(sorted(tables))

    before = state()

    ovs.vsctl(*change)

    put_right(lambda: state() == before, twin, f"{column} of the bridge {BRIDGE} changed")


def test_a_bridge_that_is_removed_comes_back_with_all_that_was_on_it(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    want(twin, TUNNELS, "tunnels")
    want(twin, GATEWAY, "gateway/30")
    one = containers("10.1.0.1/24")
    port = port_of(ovs, connect(here, one))
    told = dict(twin.endpoints)

    ovs.vsctl("del-br", BRIDGE)

    everything = {TUNNEL, "gw30", port}
    put_right(
        lambda: (
            "10.30.0.1/24" in run("ip", "-br", "address") and everything <= set(ovs.vsctl("list-ports", BRIDGE).split())
        ),
        twin,
        f"the bridge {BRIDGE} was removed",
    )
    until(lambda: twin.endpoints == told)
    assert [endpoint["plugged"] for endpoint in here.ask("GET", "/v1/endpoints")[1]] == [True]


def test_what_the_helper_does_itself_is_no_drift(here: Running, twin: Twin, containers: Make) -> None:
    want(twin, TUNNELS, "tunnels")
    want(twin, GATEWAY, "gateway/30")
    name = connect(here, containers("10.1.0.1/24"), down="5mbit")
    here.stop()
    here.start()
    until(lambda: len(twin.reports) == 2)
    want(twin, GATEWAY.model_copy(update={"mtu": 1300}), "gateway/30")
    here.do("disconnect", container=name)
    want(twin, TunnelsWant(), "tunnels")
    want(twin, GatewayWant(vlan=30, present=False), "gateway/30")

    time.sleep(0.5)  # as long as the longest of its pauses here

    assert twin.drifts == []
    assert "Somebody else" not in here.log


def test_what_a_helper_finds_is_watched_too(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    port = port_of(ovs, connect(here, containers("10.1.0.1/24")))
    here.kill()
    here.start()
    until(lambda: len(twin.reports) == 2)

    ovs.vsctl("del-port", port)

    put_right(lambda: port in ovs.vsctl("list-ports", BRIDGE), twin, port, "removed")


def test_what_cannot_be_put_right_is_tried_with_pauses_and_told_twice(here: Running, twin: Twin, ovs: Ovs) -> None:
    want(twin, TUNNELS, "tunnels")
    ovs.vsctl("add-br", "br-theirs", "--", "set", "Bridge", "br-theirs", "datapath_type=netdev")

    ovs.vsctl("del-port", TUNNEL, "--", "add-port", "br-theirs", TUNNEL, "--", "set", "Interface", TUNNEL, "type=gre")
    until(lambda: twin.drifts, 1)
    time.sleep(3)

    what = f"the port {TUNNEL} (peer h2) was moved to another bridge"
    assert twin.drifts == [Drift(what=what, repaired=False)]
    assert 2 <= here.log.count("belongs to another bridge") <= 10
    ovs.vsctl("del-br", "br-theirs")
    until(lambda: TUNNEL in ovs.vsctl("list-ports", BRIDGE), 6)
    until(lambda: len(twin.drifts) == 2)
    assert twin.drifts[1].repaired


def test_a_drift_while_the_controller_is_away_is_put_right_and_told_later(here: Running, twin: Twin, ovs: Ovs) -> None:
    want(twin, TUNNELS, "tunnels")
    twin.stop()
    until(lambda: here.ask("GET", "/v1/status")[1]["controller"] == "away")

    ovs.vsctl("del-port", TUNNEL)
    until(lambda: TUNNEL in ovs.vsctl("list-ports", BRIDGE), 1)
    twin.start()

    until(lambda: [drift.repaired for drift in twin.drifts] == [True])
