"""When a host with a smaller underlay joins, what is attached already gets the lower MTU, and what comes later too."""

import json
from collections.abc import Callable, Iterator

import pytest

from app.wire import MtuWant, ShaperWant, Want
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, run, until
from tests.scripts.helper.running import Running, helper
from tests.scripts.helper.twin import Twin

Make = Callable[[str], Container]


@pytest.fixture
def here(ovs: Ovs, twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with helper(tmp_path_factory.mktemp("helper"), ovs, twin) as made:
        until(lambda: twin.reports)
        yield made
        for endpoint in made.ask("GET", "/v1/endpoints")[1]:
            made.do("disconnect", container=endpoint["container"])


def want(twin: Twin, body: MtuWant | ShaperWant) -> None:
    wanted = Want(key=body.kind, generation=len(twin.done) + 1, body=body)
    twin.want(wanted)
    until(lambda: twin.answered(wanted))
    assert twin.error_of(wanted.key, wanted.generation) is None


def connect(here: Running, container: Container, **more: object) -> str:
    name = f"netns:{container.name}"
    here.do("connect", container=name, address=str(container.address), **more)
    return name


def mtu(container: Container) -> int:
    (link,) = json.loads(container.run("ip", "-j", "link", "show", "eth0"))
    return int(link["mtu"])


def host_end_mtu(ovs: Ovs, container: str) -> int | None:
    """None while it has no port."""
    key = f'external_ids:containet-endpoint="{container}/eth0"'
    port = ovs.vsctl("--bare", "--columns=name", "find", "Port", key)
    if not port:
        return None
    (link,) = json.loads(run("ip", "-j", "link", "show", port))
    return int(link["mtu"])


def recorded(ovs: Ovs, container: str) -> int:
    text = ovs.vsctl("get", "Bridge", BRIDGE, f'external_ids:"endpoint/{container}/eth0"')
    return int(json.loads(json.loads(text))["mtu"])


def test_what_is_attached_follows_down_and_up(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one, two = containers("10.1.0.1/24"), containers("10.1.0.2/24")
    names = [connect(here, one), connect(here, two)]
    told = dict(twin.endpoints)
    assert mtu(one) == 1450

    for size in (1300, 1400):
        want(twin, MtuWant(mtu=size))

        assert [mtu(one), mtu(two)] == [size, size]
        assert [host_end_mtu(ovs, name) for name in names] == [size, size]
        assert [recorded(ovs, name) for name in names] == [size, size]
        assert {endpoint["mtu"] for endpoint in here.ask("GET", "/v1/endpoints")[1]} == {size}
    assert twin.endpoints == told
    assert twin.drifts == []


def test_frames_of_the_new_size_pass_and_no_larger_ones(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    ovs.ofctl("add-flow", "actions=NORMAL")
    one, two = containers("10.1.0.1/24"), containers("10.1.0.2/24")
    connect(here, one)
    connect(here, two)

    want(twin, MtuWant(mtu=1300))

    def ping(size: int) -> str:
        return one.run("ping", "-M", "do", "-c1", "-W1", "-s", str(size - 28), "10.1.0.2", check=False)

    until(lambda: " 0% packet loss" in ping(1300))
    assert " 0% packet loss" not in ping(1301)
    ovs.ofctl("del-flows")


def test_what_comes_later_has_it_too(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one, two = containers("10.1.0.1/24"), containers("10.1.0.2/24")
    name = connect(here, one)
    want(twin, MtuWant(mtu=1300))

    one.run("ip", "link", "del", "eth0")
    late = connect(here, two)  # admitted with 1450

    until(lambda: "eth0" in one.run("ip", "link"))
    until(lambda: host_end_mtu(ovs, name) == 1300)
    assert (mtu(one), mtu(two), recorded(ovs, late)) == (1300, 1300, 1300)


def test_what_was_said_while_the_helper_was_away_is_set_when_it_starts(
    here: Running, twin: Twin, ovs: Ovs, containers: Make
) -> None:
    one = containers("10.1.0.1/24")
    name = connect(here, one)
    here.kill()
    twin.want(Want(key="mtu", generation=7, body=MtuWant(mtu=1300)))

    here.start()

    until(lambda: mtu(one) == 1300)
    until(lambda: recorded(ovs, name) == 1300)
    assert host_end_mtu(ovs, name) == 1300


def test_rates_stay_as_they_were_wanted(here: Running, twin: Twin, containers: Make) -> None:
    one = containers("10.1.0.1/24")
    name = connect(here, one, up="1mbit")
    want(twin, ShaperWant(container=name, interface="eth0", up_kbps=20_000))

    want(twin, MtuWant(mtu=1300))

    assert "rate 20Mbit" in one.run("tc", "class", "show", "dev", "eth0")


def test_who_has_just_gone_holds_up_nothing(here: Running, twin: Twin, ovs: Ovs, containers: Make) -> None:
    one, two = containers("10.1.0.1/24"), containers("10.1.0.2/24")
    gone, _ = connect(here, one), connect(here, two)
    run("ip", "netns", "delete", one.name)

    want(twin, MtuWant(mtu=1300))
    want(twin, ShaperWant(container=gone, interface="eth0", up_kbps=20_000))

    assert mtu(two) == 1300
    assert recorded(ovs, gone) == 1300
    run("ip", "netns", "add", one.name)  # for what tidies up


def test_the_pair_to_a_joined_bridge_follows(here: Running, twin: Twin, ovs: Ovs) -> None:
    run("ip", "link", "add", "dbr1", "type", "bridge")
    here.do("join-bridge", bridge="dbr1")
    port = ovs.vsctl("--bare", "--columns=name", "find", "Port", "external_ids:containet-join=dbr1")

    want(twin, MtuWant(mtu=1300))

    links = {link["ifname"]: link["mtu"] for link in json.loads(run("ip", "-j", "link", "show", "type", "veth"))}
    assert links[port] == links["cj" + port[2:]] == 1300
    here.do("leave-bridge", bridge="dbr1")
    run("ip", "link", "del", "dbr1")
