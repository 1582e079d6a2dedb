"""Against a real ovsdb-server and ovs-vswitchd, which also stop, go and come back."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.model import Mac
from flows.table import Table
from scripts.helper.ovs.vswitch import OFPORTS, PortState, Vswitch, VswitchError
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, make_bridge, run, until

RECORD = ("endpoint/abc/eth0", '{"name": "web1"}')


@pytest.fixture
def device() -> str:
    """A device of this host, under a name that was never used."""
    name = f"dev{time.monotonic_ns() % 10**9}"
    run("ip", "link", "add", name, "type", "veth", "peer", "name", f"p{name}")
    return name


def test_bridge_is_secure_and_speaks_to_the_controller_only(vswitch: Vswitch, ovs: Ovs) -> None:
    bridge = ovs.vsctl(
        "--columns=fail_mode,protocols,datapath_type,datapath_id,other_config", "list", "Bridge", BRIDGE
    ).replace(" ", "")
    for line in (
        "fail_mode:secure",
        "protocols:[OpenFlow15]",
        "datapath_type:netdev",
        'datapath_id:"00000000000000c7"',
        'disable-in-band="true"',
    ):
        assert line in bridge
    assert ovs.vsctl("get-controller", BRIDGE) == "tcp:127.0.0.1:6653"
    assert ovs.vsctl("get", "Controller", BRIDGE, "connection_mode") == "out-of-band"
    ovs.ofctl("add-flow", f"table={Table.L2_LOOKUP},actions=drop")
    assert 'table="l2_lookup"' in ovs.ofctl("dump-flows", "--names")
    assert vswitch.connected()


def test_bridge_made_again_changes_nothing(vswitch: Vswitch, ovs: Ovs) -> None:
    ovs.ofctl("add-flow", "priority=7,actions=drop")
    before = ovs.vsctl("list", "Bridge", BRIDGE), ovs.vsctl("get", "Controller", BRIDGE, "_uuid")
    make_bridge(vswitch)
    assert (ovs.vsctl("list", "Bridge", BRIDGE), ovs.vsctl("get", "Controller", BRIDGE, "_uuid")) == before
    assert "priority=7" in ovs.ofctl("dump-flows")


def test_bridge_follows_another_controller(vswitch: Vswitch, ovs: Ovs) -> None:
    make_bridge(vswitch, "tcp:127.0.0.1:7753")
    assert ovs.vsctl("get-controller", BRIDGE) == "tcp:127.0.0.1:7753"


def test_endpoint_has_port_number_and_record(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    ofport = vswitch.add_driven_port(device, "abc", RECORD)

    assert vswitch.ports()[device] == PortState(device, ofport, driven="abc")
    assert vswitch.records("endpoint/") == dict([RECORD])
    assert vswitch.records("join/") == {}
    assert ovs.vsctl("get", "Interface", device, "ofport") == str(ofport)
    for _ in range(2):
        vswitch.delete_port(device, RECORD[0])
        assert device not in vswitch.ports()
        assert vswitch.records("") == {}


def test_port_whose_number_was_given_out_takes_it_from_nobody(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    """Ports that came between have others, and nobody is made again: a gateway would lose its address by that."""
    given, mac, foreign = [vswitch.next_ofport() for _ in range(100)], Mac.parse("02:c7:00:00:00:21"), f"p{device}"
    between = vswitch.add_internal_port("gw21", external_ids={"x": "y"}, mac=mac, mtu=1300)
    ovs.vsctl("add-port", BRIDGE, foreign)
    chosen = int(ovs.vsctl("get", "Interface", foreign, "ofport"))
    assert {between, chosen}.isdisjoint(given)
    made = run("ip", "link", "show", "gw21")

    assert vswitch.add_endpoint_port(device, "abc/eth0", given[0]) == given[0]
    ovs.vsctl("set", "Interface", foreign, "external_ids:x=y")  # so that it looks at all ports once more

    numbers = {name: port.ofport for name, port in vswitch.ports().items()}
    assert numbers == {device: given[0], "gw21": between, foreign: chosen}
    assert run("ip", "link", "show", "gw21") == made
    ovs.vsctl("del-port", foreign)
    for name in (device, "gw21"):
        vswitch.delete_port(name)


def test_numbers_are_given_out_by_turns(vswitch: Vswitch, device: str) -> None:
    ofport = vswitch.add_endpoint_port(device, "abc/eth0")
    others = [vswitch.next_ofport() for _ in OFPORTS[1:]]
    assert sorted([ofport, *others]) == list(OFPORTS)
    assert vswitch.next_ofport() == others[0]
    vswitch.delete_port(device)


def test_another_helper_asks_for_no_number_that_is_taken(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    mac, foreign = Mac.parse("02:c7:00:00:00:23"), f"p{device}"
    had = vswitch.add_endpoint_port(device, "abc/eth0")
    ovs.vsctl("clear", "Interface", device, "ofport_request")  # as an earlier version had it
    ovs.vsctl("add-port", BRIDGE, foreign, "--", "set", "Interface", foreign, "ofport_request=40000")
    other = Vswitch(ovs.remote, BRIDGE)
    other.adopt()
    assert ovs.vsctl("get", "Interface", device, "ofport_request", "ofport").split() == [str(had)] * 2

    new = other.add_internal_port("gw23", external_ids={"x": "y"}, mac=mac, mtu=1300)
    assert new == 40001
    assert other.drift() == {}

    ovs.vsctl("del-port", "gw23", "--", "del-port", device)
    for name in ("gw23", device):
        other.mend(name)
    other.answered(("gw23", device))
    assert {name: port.ofport for name, port in other.ports().items()} == {device: had, "gw23": new, foreign: 40000}
    ovs.vsctl("del-port", foreign)
    for name in ("gw23", device):
        other.delete_port(name)
    other.close()


def test_port_goes_and_the_record_stays(vswitch: Vswitch, device: str) -> None:
    vswitch.add_driven_port(device, "abc", RECORD)
    vswitch.delete_port(device)
    assert vswitch.records("endpoint/") == dict([RECORD])
    vswitch.remove_record(RECORD[0])
    vswitch.remove_record(RECORD[0])
    assert vswitch.records("endpoint/") == {}


def test_records_are_replaced(vswitch: Vswitch) -> None:
    for value in ("{}", '{"vlan": 20}'):
        vswitch.write_record("join/docker0", value)
        assert vswitch.records("join/") == {"join/docker0": value}
    vswitch.remove_record("join/docker0")


def test_device_that_is_not_there_leaves_nothing(vswitch: Vswitch) -> None:
    with pytest.raises(VswitchError, match="“nodevice1”: could not open network device nodevice1"):
        vswitch.add_driven_port("nodevice1", "abc", RECORD)
    assert vswitch.ports() == {}
    assert vswitch.records("") == {}


def test_port_is_not_used_again_under_its_name(vswitch: Vswitch, device: str) -> None:
    ofport = vswitch.add_endpoint_port(device, "abc/eth0")
    with pytest.raises(VswitchError, match="stays dead"):
        vswitch.add_driven_port(device, "abc", RECORD)
    assert vswitch.ports()[device].ofport == ofport
    assert vswitch.records("") == {}
    vswitch.delete_port(device)


def test_device_that_went_shows_once_the_switch_starts_again(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    vswitch.add_endpoint_port(device, "abc/eth0")
    run("ip", "link", "del", device)
    ovs.kill("ovs-vswitchd")
    ovs.start_switch()
    until(lambda: vswitch.ports()[device].error)
    assert vswitch.ports()[device].ofport is None
    assert vswitch.ports()[device].endpoint == "abc/eth0"
    vswitch.delete_port(device)


@pytest.mark.parametrize("kind", ["gre", "vxlan"])
def test_tunnel_is_made_once_and_led_elsewhere(vswitch: Vswitch, ovs: Ovs, kind: str) -> None:
    ofport = vswitch.add_tunnel_port("t1", kind, "192.0.2.2", "192.0.2.1", "h2")
    assert vswitch.add_tunnel_port("t1", kind, "192.0.2.3", "192.0.2.1", "h2") == ofport
    assert vswitch.ports()["t1"] == PortState("t1", ofport, None, "h2", None, None)
    assert ovs.vsctl("get", "Interface", "t1", "options").replace('"', "") == (
        "{key=flow, local_ip=192.0.2.1, remote_ip=192.0.2.3}"
    )
    vswitch.delete_port("t1")


def test_internal_port_is_a_device_with_mac_and_mtu(vswitch: Vswitch) -> None:
    mac = Mac.parse("02:c7:00:00:00:20")
    ofports = {vswitch.add_internal_port("gw20", external_ids={"x": "y"}, mac=mac, mtu=1300) for _ in range(2)}
    assert len(ofports) == 1
    until(lambda: Path("/sys/class/net").exists() and "mtu 1300" in run("ip", "link", "show", "gw20"))
    assert str(mac) in run("ip", "link", "show", "gw20")
    vswitch.delete_port("gw20")


def test_switch_that_starts_again_leaves_queues_of_endpoints_alone(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    plain = f"p{device}"
    vswitch.add_endpoint_port(device, "abc/eth0")
    vswitch.add_port(plain, {})
    ovs.kill("ovs-vswitchd")
    for name in (device, plain):
        run(*f"tc qdisc add dev {name} root handle 1: htb".split())
    ovs.start_switch()
    until(lambda: "htb" not in run("tc", "qdisc", "show", "dev", plain))
    assert "htb 1:" in run("tc", "qdisc", "show", "dev", device)
    for port in (device, plain):
        vswitch.delete_port(port)


def test_container_restarting_comes_back_under_a_new_name(
    vswitch: Vswitch, ovs: Ovs, containers: Callable[[str], Container]
) -> None:
    ovs.ofctl("add-flow", "actions=NORMAL")
    a, b = containers("10.5.0.1/24"), containers("10.5.0.2/24")
    b.plug("ctb")
    vswitch.add_endpoint_port("ctb", "b/eth0")
    for host_end in ("cta1", "cta2"):
        a.plug(host_end)
        vswitch.add_endpoint_port(host_end, "a/eth0")
        until(lambda: " 0% packet loss" in a.run("ping", "-c1", "-W1", "10.5.0.2", check=False))
        a.run("ip", "link", "del", "eth0")
        vswitch.delete_port(host_end)
    vswitch.delete_port("ctb")


def test_no_database_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(VswitchError, match=r"does not answer at “unix:.*/none.sock”.*Is Open vSwitch installed"):
        Vswitch(f"unix:{tmp_path}/none.sock", BRIDGE, timeout_s=1)


def test_no_vswitchd_is_said_in_words(ovs: Ovs) -> None:
    """A kernel datapath that this machine lacks is the same to us: the bridge does not come up."""
    vswitch = Vswitch(ovs.remote, "br-never", timeout_s=1)
    ovs.processes["ovs-vswitchd"].send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(VswitchError, match=r"did not make the bridge “br-never”.*Is ovs-vswitchd running"):
            make_bridge(vswitch)
    finally:
        ovs.processes["ovs-vswitchd"].send_signal(signal.SIGCONT)
    ovs.vsctl("del-br", "br-never")
    with pytest.raises(VswitchError, match="no bridge “br-never”"):
        vswitch.ports()
    vswitch.close()


def test_database_that_is_stopped_costs_a_bounded_wait_and_leaves_nothing(ovs: Ovs, device: str) -> None:
    vswitch = Vswitch(ovs.remote, BRIDGE, timeout_s=1)
    database = ovs.processes["ovsdb-server"]
    database.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(VswitchError, match="does not answer"):
            vswitch.add_driven_port(device, "abc", RECORD)
        assert time.monotonic() - began < 4
        with pytest.raises(VswitchError, match="does not answer"):
            Vswitch(ovs.remote, BRIDGE, timeout_s=0.5)
    finally:
        database.send_signal(signal.SIGCONT)
    vswitch.write_record("endpoint/later/eth0", "{}")
    assert device not in vswitch.ports()
    assert vswitch.records("endpoint/") == {"endpoint/later/eth0": "{}"}
    vswitch.remove_record("endpoint/later/eth0")
    vswitch.close()


def test_database_comes_back(vswitch: Vswitch, ovs: Ovs, device: str) -> None:
    vswitch.write_record(*RECORD)
    ovs.kill("ovsdb-server")
    until(lambda: not vswitch.connected())
    ovs.start_database()
    until(vswitch.connected)
    assert vswitch.records("endpoint/") == dict([RECORD])
    vswitch.add_driven_port(device, "abc", RECORD)
    vswitch.delete_port(device, RECORD[0])
