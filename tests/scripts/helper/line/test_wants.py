"""What the controller wants is done, reported before it is said to be done, and refused in words if it cannot be."""

import json
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from app.wire import GatewayWant, SettleWant, ShaperWant, TunnelPeer, TunnelsWant, Want
from flows.model import Role, Tunnel
from scripts.helper.attached.host import tunnel_name
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, run, until
from tests.scripts.helper.running import Running, helper
from tests.scripts.helper.twin import Twin

Make = Callable[[str], Container]
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
        until(lambda: made.ask("GET", "/v1/status")[1]["controller"] == "connected")
        yield made


def want(twin: Twin, body: TunnelsWant | ShaperWant | GatewayWant, generation: int, key: str = "it") -> str | None:
    """Want it, wait for the answer; why it could not be done."""
    wanted = Want(key=key, generation=generation, body=body)
    twin.want(wanted)
    until(lambda: twin.answered(wanted))
    return twin.error_of(key, generation)


def peers(**remotes: str) -> TunnelsWant:
    made = [TunnelPeer(peer=peer, tunnel=Tunnel.GRE, remote=IPv4Address(remote)) for peer, remote in remotes.items()]
    return TunnelsWant(peers=tuple(made))


def test_tunnels_are_the_wanted_ones_and_are_told_before_they_are_done(here: Running, twin: Twin, ovs: Ovs) -> None:  # noqa: ARG001
    assert want(twin, peers(h2="10.99.0.2", h3="10.99.0.3"), 1) is None
    assert set(twin.tunnels) == {"h2", "h3"}
    options = ovs.vsctl("get", "Interface", tunnel_name("h2"), "options")
    assert options == '{key=flow, remote_ip="10.99.0.2"}'
    ofport = twin.tunnels["h3"]

    assert want(twin, peers(h3="10.99.0.3"), 2) is None
    assert twin.tunnels == {"h3": ofport}
    assert tunnel_name("h2") not in ovs.vsctl("list-ports", BRIDGE)

    assert want(twin, peers(), 3) is None
    assert twin.tunnels == {}


def test_rates_change_while_it_runs_and_last_over_a_new_plugging(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    here.do("connect", container=f"netns:{one.name}", address="10.1.0.1/24", up="1mbit")
    body = ShaperWant(container=f"netns:{one.name}", interface="eth0", up_kbps=20_000)

    def rate() -> str:
        return one.run("tc", "class", "show", "dev", "eth0", check=False)

    assert "rate 1Mbit" in rate()
    assert want(twin, body, 1) is None
    assert "rate 20Mbit" in rate()

    one.run("ip", "link", "del", "eth0")
    until(lambda: "rate 20Mbit" in rate())

    assert want(twin, body.model_copy(update={"up_kbps": None}), 2) is None
    assert "htb" not in one.run("tc", "qdisc", "show", "dev", "eth0")
    here.do("disconnect", container=one.name)


def test_rates_wanted_while_the_helper_was_away_are_set_when_it_starts(
    here: Running, twin: Twin, containers: Make
) -> None:
    one = containers("10.1.0.1/24")
    here.do("connect", container=f"netns:{one.name}", address="10.1.0.1/24")
    here.kill()
    body = ShaperWant(container=f"netns:{one.name}", interface="eth0", up_kbps=3000)
    twin.want(Want(key="it", generation=1, body=body))

    here.start()

    until(lambda: "rate 3Mbit" in one.run("tc", "class", "show", "dev", "eth0"))
    here.do("disconnect", container=one.name)


def test_a_shaper_of_what_is_gone_is_done(here: Running, twin: Twin) -> None:  # noqa: ARG001
    assert want(twin, ShaperWant(container="gone", interface="eth0", up_kbps=1000), 1) is None


def test_who_moves_does_not_wait_for_what_a_new_session_brings(here: Running, twin: Twin) -> None:  # noqa: ARG001
    gone = [
        Want(key=f"gone{n}", generation=1, body=ShaperWant(container=f"gone{n}", interface="eth0")) for n in range(200)
    ]
    settle = Want(key="settle", generation=1, body=SettleWant(number=1))
    for wanted in (*gone, settle):
        twin.want(wanted)
    until(lambda: twin.answered(gone[-1]) and twin.answered(settle))

    assert [done.key for done in twin.done].index("settle") < 150


def test_a_gateway_comes_stays_over_a_restart_and_goes(here: Running, twin: Twin, ovs: Ovs) -> None:
    assert want(twin, GATEWAY, 1) is None
    told = twin.endpoints["gateway:30/gw30"]
    assert (told.role, str(told.address), told.vlan, told.mac) == (Role.GATEWAY, "10.30.0.1/24", 30, GATEWAY.mac)
    assert "10.30.0.1/24" in run("ip", "address", "show", "gw30")
    assert "saddr 10.30.0.0/24" in run("nft", "list", "table", "inet", "containet")

    here.kill()
    run("ip", "address", "flush", "dev", "gw30")
    twin.wants.clear()
    here.start()
    until(lambda: len(twin.reports) == 2)
    assert twin.endpoints["gateway:30/gw30"] == told
    assert "10.30.0.1/24" in run("ip", "address", "show", "gw30")

    assert want(twin, GatewayWant(vlan=30, present=False), 2) is None
    until(lambda: "gateway:30/gw30" not in twin.endpoints)
    assert "gw30" not in ovs.vsctl("list-ports", BRIDGE)
    assert "containet" not in run("nft", "list", "tables")
    assert ovs.vsctl("get", "Bridge", BRIDGE, "external_ids") == "{}"


def test_what_cannot_be_done_is_answered_in_words(here: Running, twin: Twin) -> None:  # noqa: ARG001
    run("ip", "link", "add", "gw31", "type", "bridge")
    other = GATEWAY.model_copy(update={"vlan": 31})

    error = want(twin, other, 1)

    assert error is not None
    assert "gw31" in error
    run("ip", "link", "del", "gw31")
    assert want(twin, GatewayWant(vlan=31, present=False), 2) is None


def test_what_is_not_understood_is_answered_too(here: Running, twin: Twin) -> None:  # noqa: ARG001
    class Newer(Want):
        def model_dump_json(self, **_: object) -> str:
            return json.dumps({"key": "it", "generation": 9, "body": {"kind": "mirror"}})

    wanted = Newer(key="it", generation=9, body=peers())
    twin.want(wanted)

    until(lambda: twin.answered(wanted))
    assert "another version" in (twin.error_of("it", 9) or "")
    assert len(twin.reports) == 1
