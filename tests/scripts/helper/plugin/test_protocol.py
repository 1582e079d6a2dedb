"""What the engine may say, and what it never should: every call is answered, and an error leaves nothing."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.wire import Admission, Ask
from tests.scripts.helper.conftest import BRIDGE, Container, Ovs, until
from tests.scripts.helper.running import Running
from tests.scripts.helper.twin import ProblemError, Twin, admitted

NETWORK, ENDPOINT, SUBNET, SUBNET6 = "a" * 64, "b" * 64, "10.9.0.0/24", "fd00:42::/64"
MAKE = {
    "NetworkID": NETWORK,
    "Options": {"com.docker.network.generic": {"vlan": "10", "up": "10mbit"}},
    "IPv4Data": [{"Pool": SUBNET, "Gateway": "10.9.0.1/24"}],
    "IPv6Data": [],
}
Make = Callable[[str], Container]
OF = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
CREATE = OF | {"Interface": {"Address": "10.9.0.5/24", "AddressIPv6": "", "MacAddress": ""}, "Options": {}}


@pytest.fixture
def twin(running: tuple[Running, Twin]) -> Twin:
    return running[1]


@pytest.fixture
def engine(running: tuple[Running, Twin], ovs: Ovs) -> Iterator[Running]:
    """The helper as the engine sees it; afterwards nothing is left."""
    made = running[0]
    until(lambda: made.ask("GET", "/v1/status")[1]["controller"] == "connected")
    yield made
    for method, body in (("DeleteEndpoint", OF), ("DeleteNetwork", OF)):
        assert done(made, f"NetworkDriver.{method}", body) == {}
    for pool in (SUBNET, f"{SUBNET}@10", SUBNET6):
        done(made, "IpamDriver.ReleasePool", {"PoolID": pool})
    until(lambda: not records(ovs))
    assert ports(ovs) == []


def done(engine: Running, method: str, body: object = None) -> Any:
    status, said = engine.call(method, body)
    assert status == 200
    assert not said.keys() & {"Err", "Error"}, said
    return said


def why_not(engine: Running, method: str, body: object = None) -> str:
    status, said = engine.call(method, body)
    assert status == 200
    (text,) = said.values()
    assert set(said) == {"Error" if method.startswith("Ipam") else "Err"}
    return str(text)


def records(ovs: Ovs) -> list[str]:
    said = ovs.vsctl("br-get-external-id", BRIDGE).splitlines()
    return [line for line in said if line.startswith(("network/", "driven/", "pool/"))]


def ports(ovs: Ovs) -> list[str]:
    return [name for name in ovs.vsctl("list-ports", BRIDGE).split() if name.startswith("ct")]


def test_only_root_may_ask(engine: Running) -> None:
    assert stat.S_IMODE(Path(engine.settings["plugin"]).stat().st_mode) == 0o600


def test_the_handshake(engine: Running) -> None:
    assert done(engine, "Plugin.Activate") == {"Implements": ["NetworkDriver", "IpamDriver"]}
    assert done(engine, "NetworkDriver.GetCapabilities")["Scope"] == "local"
    assert engine.call("NetworkDriver.AllocateNetwork", {})[0] == 404


def test_a_container_from_its_address_to_its_end(engine: Running, twin: Twin, ovs: Ovs) -> None:
    pool = done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET, "Options": None, "V6": False})
    assert (pool["PoolID"], pool["Pool"]) == (SUBNET, SUBNET)
    assert done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET})["PoolID"] == pool["PoolID"]
    gateway = {"PoolID": SUBNET, "Address": "", "Options": {"RequestAddressType": "com.docker.network.gateway"}}
    assert done(engine, "IpamDriver.RequestAddress", gateway)["Address"] == "10.9.0.1/24"
    assert done(engine, "NetworkDriver.CreateNetwork", MAKE) == {}
    until(lambda: [network.vlan for network in twin.networks] == [10])

    given = done(engine, "IpamDriver.RequestAddress", {"PoolID": SUBNET, "Address": "", "Options": None})["Address"]
    assert given == "10.9.0.252/24", "the first of the block that was leased"
    made = done(engine, "NetworkDriver.CreateEndpoint", CREATE | {"Interface": {"Address": given, "MacAddress": ""}})
    assert made == {"Interface": {"MacAddress": "02:c7:0a:09:00:fc"}}
    joined = done(engine, "NetworkDriver.Join", OF | {"SandboxKey": "/var/run/docker/netns/0", "Options": {}})

    assert (joined["Gateway"], joined["InterfaceName"]["DstPrefix"]) == ("10.9.0.1", "eth")
    assert len(ports(ovs)) == 1
    assert twin.endpoints == {}, "nobody knows yet whose it is, so it is in no segment"
    again = done(engine, "NetworkDriver.Join", OF | {"SandboxKey": "", "Options": None})
    assert again["InterfaceName"]["SrcName"] != joined["InterfaceName"]["SrcName"]
    assert len(ports(ovs)) == 1, "who joins again has one port"
    assert done(engine, "NetworkDriver.Leave", OF) == {}
    assert ports(ovs) == []
    assert done(engine, "IpamDriver.ReleaseAddress", {"PoolID": SUBNET, "Address": "10.9.0.252"}) == {}


def test_who_is_yet_to_be_told_to_be_gone_is_in_nobodys_way(engine: Running, twin: Twin) -> None:
    done(engine, "NetworkDriver.CreateNetwork", MAKE)
    asked: list[Ask] = []

    def once_too_early(ask: Ask) -> Admission:
        asked.append(ask)
        if len(asked) == 1:
            raise ProblemError(409, "endpoint-refused", "10.9.0.5 belongs to the same container")
        return admitted(ask)

    twin.admits = once_too_early
    try:
        assert done(engine, "NetworkDriver.CreateEndpoint", CREATE)["Interface"]["MacAddress"]
    finally:
        twin.admits = admitted
    assert len(asked) == 2


def test_addresses_are_of_the_range_as_people_write_it(engine: Running) -> None:
    asked = {"Pool": "10.9.0.7/24", "SubPool": "10.9.0.70/26"}  # an address in each, as Docker's own takes it
    assert done(engine, "IpamDriver.RequestPool", asked) == {"PoolID": SUBNET, "Pool": SUBNET, "Data": {}}

    assert done(engine, "IpamDriver.RequestAddress", {"PoolID": SUBNET})["Address"] == "10.9.0.124/24"
    one = {"PoolID": SUBNET, "Address": "10.9.0.7"}
    assert done(engine, "IpamDriver.RequestAddress", one)["Address"] == "10.9.0.7/24"


def test_one_address_that_is_asked_for_goes_back_when_it_is_free(engine: Running, twin: Twin) -> None:
    done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET})
    one = {"PoolID": SUBNET, "Address": "10.9.0.7"}

    assert done(engine, "IpamDriver.RequestAddress", one)["Address"] == "10.9.0.7/24"
    assert "10.9.0.7 is in use" in why_not(engine, "IpamDriver.RequestAddress", one)
    done(engine, "IpamDriver.ReleaseAddress", one)

    until(lambda: "10.9.0.7/32" in {str(lease.block) for lease in twin.released})
    assert done(engine, "IpamDriver.RequestAddress", one)["Address"] == "10.9.0.7/24"


def test_a_pool_of_ipv6_is_as_good(engine: Running) -> None:
    pool = done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET6, "V6": True})["PoolID"]
    gateway = {"PoolID": pool, "Options": {"RequestAddressType": "com.docker.network.gateway"}}

    assert done(engine, "IpamDriver.RequestAddress", gateway)["Address"] == "fd00:42::1/64"
    one = {"PoolID": pool, "Address": "fd00:42::100"}
    assert done(engine, "IpamDriver.RequestAddress", one)["Address"] == "fd00:42::100/64"
    assert "fd00:42::100 is in use" in why_not(engine, "IpamDriver.RequestAddress", one)
    assert "fd00:43::1 is not inside" in why_not(engine, "IpamDriver.RequestAddress", one | {"Address": "fd00:43::1"})
    done(engine, "IpamDriver.ReleaseAddress", one)
    assert done(engine, "IpamDriver.RequestAddress", one)["Address"] == "fd00:42::100/64"


def test_addresses_last_as_long_as_the_lease_while_the_controller_is_away(
    engine: Running, twin: Twin, ovs: Ovs
) -> None:
    done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET})
    first = done(engine, "IpamDriver.RequestAddress", {"PoolID": SUBNET})["Address"]
    until(lambda: "10.9.0.248/30" in records(ovs)[0])  # another block, ahead
    twin.stop()
    found = {first}
    for _ in range(20):
        status, said = engine.call("IpamDriver.RequestAddress", {"PoolID": SUBNET})
        assert status == 200
        if "Error" in said:
            break
        found.add(said["Address"])
    twin.start()

    assert 4 <= len(found) <= 8
    assert "The controller is away" in said["Error"]


def test_an_address_that_docker_may_get_is_for_nobody_else_while_the_controller_is_away(
    engine: Running, twin: Twin, containers: Make
) -> None:
    done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET})
    done(engine, "IpamDriver.RequestAddress", {"PoolID": SUBNET})  # so that there is a block
    one = containers("10.9.0.253/24")
    twin.stop()
    refused = engine.refused("connect", container=f"netns:{one.name}", address=str(one.address))
    twin.start()

    assert refused[:2] == (409, "address-leased")
    assert "hands out to Docker's containers (10.9.0.252/30)" in refused[2]


def test_nor_is_one_of_ipv6(engine: Running, twin: Twin, containers: Make) -> None:
    done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET6, "V6": True})
    given = done(engine, "IpamDriver.RequestAddress", {"PoolID": SUBNET6})["Address"]
    one = containers("10.9.0.7/24")
    twin.stop()
    refused = engine.refused("connect", container=f"netns:{one.name}", address=str(one.address), address6=given)
    twin.start()

    assert refused[:2] == (409, "address-leased")
    assert f"{given.split('/')[0]} is among the addresses that this host hands out" in refused[2]


@pytest.mark.parametrize(("vlan", "asked"), [("10", []), ("20", ["10.9.0.252/24"])])
def test_what_is_leased_for_one_vlan_is_asked_for_in_another(
    engine: Running, twin: Twin, vlan: str, asked: list[str]
) -> None:
    pool = done(engine, "IpamDriver.RequestPool", {"Pool": SUBNET, "Options": {"vlan": "10"}})["PoolID"]
    given = {"Interface": {"Address": done(engine, "IpamDriver.RequestAddress", {"PoolID": pool})["Address"]}}
    done(engine, "NetworkDriver.CreateNetwork", MAKE | {"Options": {"com.docker.network.generic": {"vlan": vlan}}})

    before = len(twin.asked)

    done(engine, "NetworkDriver.CreateEndpoint", CREATE | given)

    assert [ask.address for ask in twin.asked[before:]] == asked


@pytest.mark.parametrize(
    ("method", "body", "why"),
    [
        ("NetworkDriver.CreateNetwork", None, "came without a body"),
        ("IpamDriver.RequestAddress", b"", "came without a body"),
        ("NetworkDriver.CreateEndpoint", b"{", "EndpointID|JSON"),
        ("NetworkDriver.CreateNetwork", b"[]", "CreateNetwork"),
        ("NetworkDriver.CreateNetwork", {"NetworkID": "../../etc"}, "NetworkID"),
        ("NetworkDriver.CreateEndpoint", CREATE, "this network is not known here"),
        ("NetworkDriver.Join", OF, "this network is not known here"),
        (
            "NetworkDriver.CreateNetwork",
            MAKE
            | {
                "IPv6Data": [{"Pool": "fd00:42::/64", "Gateway": "fd00:42::1/64"}],
                "Options": {"com.docker.network.generic": {"vlan": "10", "mtu": "1000"}},
            },
            "IPv6 needs 1280 or more",
        ),
        ("IpamDriver.RequestPool", {"Pool": ""}, "--subnet"),
        ("IpamDriver.RequestPool", {"Pool": "", "V6": True}, "IPv6"),
        ("IpamDriver.RequestPool", {"Pool": SUBNET, "SubPool": "10.8.0.0/28"}, "is not inside 10.9.0.0/24"),
        ("IpamDriver.RequestPool", {"Pool": SUBNET, "SubPool": "fd00::/80"}, "is not inside 10.9.0.0/24"),
        ("IpamDriver.RequestPool", {"Pool": SUBNET, "Options": {"vlna": "7"}}, "did you mean vlan"),
        ("IpamDriver.RequestAddress", {"PoolID": "nothing"}, "There is no pool"),
        ("IpamDriver.RequestPool", b"x" * (1 << 20), "RequestPool"),
        ("NetworkDriver.Join", b"\xff\xfe", "Join"),
    ],
)
def test_what_cannot_be_is_an_error_in_words(engine: Running, ovs: Ovs, method: str, body: object, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(why_not(engine, method, body))

    assert records(ovs) == []


@pytest.mark.parametrize("method", ["Leave", "DeleteEndpoint", "DeleteNetwork"])
def test_what_is_not_known_is_gone_already(engine: Running, method: str) -> None:
    assert done(engine, f"NetworkDriver.{method}", OF) == {}


def test_a_second_network_with_the_vlan_is_refused(engine: Running) -> None:
    done(engine, "NetworkDriver.CreateNetwork", MAKE)

    assert "VLAN 10 is the network" in why_not(engine, "NetworkDriver.CreateNetwork", MAKE | {"NetworkID": "c" * 64})
