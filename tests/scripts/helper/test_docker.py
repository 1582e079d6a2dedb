"""Containers of a real engine: connected, restarted, renamed, removed, put on a bridge of Docker's own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.lab import image
from tests.scripts.helper.conftest import BRIDGE, Ovs, run, until
from tests.scripts.helper.running import Running, helper
from tests.scripts.helper.twin import Twin

SUBNET = "10.40.0.0/24"


@dataclass
class Engine:
    """dockerd with directories of its own, in the test's network namespace."""

    path: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}/docker.sock"

    def start(self) -> None:
        with (self.path / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "dockerd", "--data-root", f"{self.path}/data", "--exec-root", f"{self.path}/exec", "-H", self.url,
                    "--pidfile", f"{self.path}/pid", "--bridge=none", "--iptables=false", "--ip-forward=false",
                    "--ip-masq=false",
                ],
                stdout=log,
                stderr=log,
                env=os.environ | {"TMPDIR": str(self.path)},
            )  # fmt: skip
        until(lambda: subprocess.run(["docker", "-H", self.url, "version"], capture_output=True).returncode == 0, 60)

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(60)
        run("umount", f"{self.path}/exec/netns/default", check=False)  # dockerd leaves it

    def run(self, *command: str) -> str:
        return run("docker", "-H", self.url, *command).strip()

    def container(self, name: str, *options: str) -> str:
        """The id of a new container that runs."""
        return self.run("run", "-d", "--name", name, *options, image.NAMES[0], "sleep", "100000")

    def address(self, name: str) -> str:
        """What `ip addr` says in it."""
        pid = self.run("inspect", "-f", "{{.State.Pid}}", name)
        return run("nsenter", "-t", pid, "-n", "ip", "address")


@pytest.fixture(scope="module")
def engine(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:  # noqa: ARG001
    made = Engine(tmp_path_factory.mktemp("engine"))
    try:
        made.start()
        image.write(made.path / "image.tar")
        made.run("import", f"{made.path}/image.tar", image.NAMES[0])
        yield made
        for container in made.run("ps", "-aq").split():
            made.run("rm", "-f", container)
    finally:
        made.stop()


@pytest.fixture(scope="module")
def twin(host: None) -> Iterator[Twin]:  # noqa: ARG001
    twin = Twin()
    twin.start()
    yield twin
    twin.stop()


@pytest.fixture(scope="module")
def here(ovs: Ovs, twin: Twin, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with helper(tmp_path_factory.mktemp("helper"), ovs, twin, docker=engine.url) as made:
        until(lambda: made.ask("GET", "/v1/status")[1]["docker"] == "connected")
        yield made


def test_a_container_keeps_its_interface_until_it_is_removed(
    here: Running, twin: Twin, engine: Engine, ovs: Ovs
) -> None:
    container = engine.container("web1", "--net=none", "--label", "tier=db")
    key = f"{container}/eth0"
    here.do("connect", container="web1", address="10.1.0.1/24", up="5mbit")
    told = twin.endpoints[key]
    assert (told.name, told.labels["tier"], told.up_kbps) == ("web1", "db", 5000)
    assert here.do("connect", container=container[:12], address="10.1.0.1/24", up="5mbit")["already"]

    engine.run("restart", "-t", "0", "web1")
    until(lambda: key in twin.endpoints and twin.endpoints[key].ofport != told.ofport)
    assert twin.endpoints[key] == told.model_copy(update={"ofport": twin.endpoints[key].ofport})
    assert "10.1.0.1/24" in engine.address("web1")
    assert told.mac in engine.address("web1")

    engine.run("rename", "web1", "web9")
    until(lambda: twin.endpoints[key].name == "web9")

    engine.run("stop", "-t", "0", "web9")
    until(lambda: key not in twin.endpoints)
    assert here.refused("connect", container="web9", address="10.1.0.1/24", up="5mbit")[1] == "not-running"
    assert [e["plugged"] for e in here.ask("GET", "/v1/endpoints")[1]] == [False]
    engine.run("start", "web9")
    until(lambda: key in twin.endpoints)
    assert "10.1.0.1/24" in engine.address("web9")

    engine.run("rm", "-f", "web9")
    until(lambda: key not in twin.endpoints and here.ask("GET", "/v1/endpoints")[1] == [])
    assert ovs.vsctl("get", "Bridge", BRIDGE, "external_ids") == "{}"
    assert "ct" not in [port[:2] for port in ovs.vsctl("list-ports", BRIDGE).split()]


def test_what_happened_while_the_helper_was_away_is_caught_up(here: Running, twin: Twin, engine: Engine) -> None:
    ids = {}
    for number, name in enumerate(("stays", "restarts", "stops", "goes"), 1):
        ids[name] = engine.container(name, "--net=none")
        here.do("connect", container=name, address=f"10.1.0.{number}/24")
    here.kill()
    engine.run("restart", "-t", "0", "restarts")
    engine.run("stop", "-t", "0", "stops")
    engine.run("rm", "-f", "goes")
    engine.run("rename", "stays", "renamed")

    here.start()

    wanted = {ids["stays"]: "renamed", ids["restarts"]: "restarts"}
    until(lambda: {endpoint.container: endpoint.name for endpoint in twin.endpoints.values()} == wanted)
    assert "10.1.0.2/24" in engine.address("restarts")
    plugged = {e["name"]: e["plugged"] for e in here.ask("GET", "/v1/endpoints")[1]}
    assert plugged == {"renamed": True, "restarts": True, "stops": False}
    for name in plugged:
        here.do("disconnect", container=name)


def test_containers_that_cannot_be_connected_are_refused(here: Running, engine: Engine) -> None:
    engine.container("open", "--net=host")

    asked = {"address": "10.1.0.1/24"}
    assert here.refused("connect", container="nobody", **asked)[:2] == (404, "unknown-container")
    status, slug, detail = here.refused("connect", container="open", **asked)
    assert (status, slug) == (409, "host-network")
    assert "--net=none" in detail


def test_who_has_a_name_now_is_connected_by_it(here: Running, engine: Engine) -> None:
    """What was known of the one who had it before is not taken for him."""
    engine.container("web1", "--net=none")
    here.do("connect", container="web1", address="10.1.0.1/24")
    engine.run("rename", "web1", "web8")
    later = engine.container("web1", "--net=none")

    assert here.do("connect", container="web1", address="10.1.0.2/24")["endpoint"]["container"] == later

    assert "10.1.0.2/24" in engine.address("web1")
    assert "10.1.0.2/24" not in engine.address("web8")
    for name in ("web1", "web8"):
        here.do("disconnect", container=name)


def test_one_of_whom_docker_has_said_all_is_connected_while_it_hangs(here: Running, engine: Engine) -> None:
    engine.container("web3", "--net=none")
    here.do("connect", container="web3", address="10.1.0.3/24")
    here.do("disconnect", container="web3")
    assert engine.process
    engine.process.send_signal(signal.SIGSTOP)
    try:
        here.do("connect", container="web3", address="10.1.0.3/24")
    finally:
        engine.process.send_signal(signal.SIGCONT)

    assert "10.1.0.3/24" in engine.address("web3")
    here.do("disconnect", container="web3")


def test_containers_on_a_joined_bridge_are_known_as_they_come_and_go(here: Running, twin: Twin, engine: Engine) -> None:
    engine.run(
        "network", "create", "--subnet", SUBNET, "--gateway", "10.40.0.1", "--ipv6", "--subnet", "fd00:40::/64", "-o",
        "com.docker.network.bridge.name=dbr0", "dnet",
    )  # fmt: skip
    early = engine.container("early", "--net=dnet")
    assert here.refused("join-bridge", bridge="lo")[:2] == (409, "no-bridge")

    joined = here.do("join-bridge", bridge="dbr0", vlan=40, nat=True)
    assert (joined["vlan"], joined["already"]) == (40, False)
    assert here.do("join-bridge", bridge="dbr0", vlan=40, nat=True)["already"]
    assert here.refused("join-bridge", bridge="dbr0", vlan=41)[1] == "joined-otherwise"

    bridge, member = twin.endpoints["bridge:dbr0/dbr0"], twin.endpoints[f"{early}/eth0"]
    assert (bridge.role, str(bridge.address), bridge.vlan) == ("router", "10.40.0.1/24", 40)
    assert (member.role, str(member.address), member.vlan, member.behind) == ("container", "10.40.0.2/24", 40, "dbr0")
    assert (str(bridge.address6), str(member.address6)) == ("fd00:40::1/64", "fd00:40::2/64")
    assert member.ofport == bridge.ofport
    assert "mtu 1450" in engine.address("early")
    assert f"saddr {SUBNET}" in run("nft", "list", "table", "inet", "containet")

    late = engine.container("late", "--net=dnet")
    until(lambda: f"{late}/eth0" in twin.endpoints)
    engine.run("rm", "-f", "late")
    until(lambda: f"{late}/eth0" not in twin.endpoints)

    own = engine.container("own", "--net=none")
    answer = here.do("connect", container="own", address="10.40.0.100/24", bridge="dbr0")
    assert answer["endpoint"]["vlan"] == 40
    assert (
        here.refused("connect", container="own", address="10.40.0.101/24", bridge="dbr0", interface="x", vlan=3)[1]
        == "other-vlan"
    )
    assert (twin.endpoints[f"{own}/eth0"].behind, twin.endpoints[f"{own}/eth0"].ofport) == ("dbr0", bridge.ofport)
    engine.run("restart", "-t", "0", "own")
    until(lambda: f"{own}/eth0" in twin.endpoints and "10.40.0.100/24" in engine.address("own"))

    assert here.refused("leave-bridge", bridge="dbr0")[1] == "bridge-in-use"
    here.do("disconnect", container="own")
    here.do("leave-bridge", bridge="dbr0")
    assert twin.endpoints == {}
    assert "containet" not in run("nft", "list", "tables")
    assert "cj" not in run("ip", "-br", "link")
    assert here.refused("leave-bridge", bridge="dbr0")[:2] == (404, "not-joined")


def test_a_bridge_that_docker_makes_anew_is_joined_as_it_was(here: Running, twin: Twin, engine: Engine) -> None:
    make = ("network", "create", "--subnet", "10.50.0.0/24", "-o", "com.docker.network.bridge.name=dbr5", "anew")
    engine.run(*make)
    here.do("join-bridge", bridge="dbr5", vlan=50)
    assert "bridge:dbr5/dbr5" in twin.endpoints

    engine.run("network", "rm", "anew")
    until(lambda: twin.endpoints == {} and "cj" not in run("ip", "-br", "link"), 2)
    engine.run(*make)
    late = engine.container("anew1", "--net=anew")

    until(lambda: twin.endpoints.keys() == {"bridge:dbr5/dbr5", f"{late}/eth0"}, 2)
    assert "cj" in run("ip", "-br", "link", "show", "master", "dbr5")
    engine.run("rm", "-f", "anew1")
    engine.run("network", "rm", "anew")
    here.do("leave-bridge", bridge="dbr5")


def test_an_engine_that_ends_and_comes_back_is_followed(here: Running, twin: Twin, engine: Engine) -> None:
    container = engine.container("again", "--net=none")
    here.do("connect", container="again", address="10.1.0.1/24")

    engine.stop()
    until(lambda: here.ask("GET", "/v1/status")[1]["docker"] == "away")
    status, _, detail = here.refused("connect", container="again", address="10.1.0.1/24")
    assert (status, "Docker does not answer" in detail) == (503, True)
    run("ip", "netns", "add", "ct-test-probe")
    here.do("connect", container="netns:ct-test-probe", address="10.1.0.2/24")
    here.do("disconnect", container="netns:ct-test-probe")
    run("ip", "netns", "del", "ct-test-probe")

    engine.start()
    engine.run("start", "again")
    until(lambda: f"{container}/eth0" in twin.endpoints and "10.1.0.1/24" in engine.address("again"))
    here.do("disconnect", container="again")
