import json
import signal

from tests.scripts.cli.conftest import Cli, Peer
from tests.scripts.cli.shapes import ENDPOINT, problem

CONNECT = ("connect", "web1", "172.15.42.100/24")


def test_connect_says_what_it_came_to(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/connect"] = 200, {"endpoint": ENDPOINT, "pending": [], "already": False}

    ran = cli(*CONNECT, "--vlan", "10", "--up", "10mbit", "--gateway", "172.15.42.1")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "web1 eth0 is 172.15.42.100/24 in blue (vlan 10) on host1, up 10mbit\n"
    said = {"container": "web1", "address": "172.15.42.100/24", "vlan": 10, "up": "10mbit", "gateway": "172.15.42.1"}
    assert helper.bodies == [said]


def test_connect_again_is_no_error(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/connect"] = 200, {"endpoint": ENDPOINT, "pending": [], "already": True}

    ran = cli(*CONNECT)

    assert ran.code == 0
    assert ran.out.startswith("connected so already: web1 eth0")


def test_connect_that_a_host_has_not_yet(cli: Cli, helper: Peer) -> None:
    document = {"endpoint": ENDPOINT, "pending": ["host2"], "already": False}
    helper.answers["POST /v1/connect"] = 200, document

    ran = cli(*CONNECT, "-o", "json")

    assert ran.code == 3
    assert json.loads(ran.out) == document
    assert "Pending on host2." in ran.err


def test_a_refusal_is_told_in_the_helpers_words(cli: Cli, helper: Peer) -> None:
    detail = "172.15.42.100 is in use by db1 on host2. Choose another address."
    helper.answers["POST /v1/connect"] = 409, problem("address-in-use", 409, detail)

    ran = cli(*CONNECT)

    assert (ran.code, ran.out, ran.err) == (1, "", f"Error: {detail}\n")


def test_what_it_waits_for_is_said_after_a_second(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/connect"] = 200, {"endpoint": ENDPOINT, "pending": [], "already": False}
    helper.hold.clear()

    process = cli.start(*CONNECT)
    assert process.stderr is not None
    told = process.stderr.readline()  # comes while the answer is still held
    helper.hold.set()
    out, err = process.communicate(timeout=10)

    assert told == f"waiting for web1 to be connected (helper at {helper.place}) ...\n"
    assert (process.returncode, err) == (0, "")
    assert out.startswith("web1 eth0")


def test_disconnect_one_interface(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/disconnect"] = 200, {"removed": ["web1:eth1"], "pending": []}

    ran = cli("disconnect", "web1", "--interface", "eth1")

    assert (ran.code, ran.out) == (0, "disconnected: web1:eth1\n")
    assert helper.bodies == [{"container": "web1", "interface": "eth1"}]


def test_wait_hands_its_time_to_the_helper(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/wait"] = 200, {"container": "3f", "interface": "eth0", "pending": []}

    ran = cli("wait", "web1", "--timeout", "5")

    assert (ran.code, ran.out) == (0, "web1 is connected\n")
    assert helper.bodies == [{"container": "web1", "timeout": 5.0}]


def test_wait_in_vain(cli: Cli, helper: Peer) -> None:
    why = "“web1” is not connected yet."
    helper.answers["POST /v1/wait"] = 200, {"container": "web1", "interface": None, "pending": ["host1"], "why": why}

    ran = cli("wait", "web1", "--timeout", "0")

    assert (ran.code, ran.out) == (3, "web1 is not connected\n")
    assert ran.err == f"Pending on host1. {why}\n"


def test_bridges(cli: Cli, helper: Peer) -> None:
    joined = {"bridge": "docker0", "vlan": 1, "nat": True, "already": False}
    helper.answers["POST /v1/join-bridge"] = 200, joined
    helper.answers["POST /v1/leave-bridge"] = 200, {"bridge": "docker0"}

    assert cli("join-bridge", "docker0", "--nat").out == "docker0 is joined to vlan 1, with NAT\n"
    helper.answers["POST /v1/join-bridge"] = 200, joined | {"vlan": 10, "nat": False, "already": True}
    assert cli("join-bridge", "docker0", "--vlan", "10").out == "docker0 is joined so already, to vlan 10\n"
    assert cli("leave-bridge", "docker0").out == "docker0 is on its own again\n"
    assert helper.bodies == [
        {"bridge": "docker0", "nat": True},
        {"bridge": "docker0", "nat": False, "vlan": 10},
        {"bridge": "docker0"},
    ]


def test_nobody_there(nobody: Cli) -> None:
    ran = nobody(*CONNECT)

    assert ran.code == 4
    assert nobody.env["CONTAINET_SOCKET"] in ran.err
    assert "containet-helper" in ran.err


def test_what_the_helper_needs_is_not_there(cli: Cli, helper: Peer) -> None:
    helper.answers["POST /v1/connect"] = 503, problem("no-docker", 503, "Docker is not there. Start it.")

    ran = cli(*CONNECT)

    assert (ran.code, ran.err) == (4, "Error: Docker is not there. Start it.\n")


def test_ctrl_c(cli: Cli, helper: Peer) -> None:
    helper.hold.clear()
    process = cli.start("wait", "web1")
    assert process.stderr is not None
    assert "waiting" in process.stderr.readline()

    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
