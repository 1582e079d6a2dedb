"""What may be and what may not, and that a refusal changes nothing."""

import sqlite3
from contextlib import suppress
from ipaddress import IPv4Address
from unittest.mock import Mock

import pytest

from app.desk import RefusedError
from app.policy import Policy
from app.registry import Registry
from app.store.sqlite import SqliteStore
from app.wire import Ask, EndpointReport, HostUp
from flows.intent import Intent
from flows.model import EndpointKey, Mac, Role, Tunnel
from flows.transition import Place, same

POLICY = Policy.model_validate(
    {
        "networks": {
            "blue": {"vlan": 10, "subnet": "172.15.42.0/24", "gateway": "172.15.42.1"},
            "twin": {"vlan": 11, "subnet": "172.15.42.0/24"},
            "dual": {"vlan": 12, "subnet": "172.15.42.0/24", "subnet6": "fd00:42::/64", "gateway6": "fd00:42::1"},
            "green": {"vlan": 20, "subnet": "10.0.0.0/24", "vni": 4020},
        }
    }
)


def report(number: int, vlan: int = 10, **more: object) -> EndpointReport:
    address = IPv4Address(f"172.15.42.{number}")
    return EndpointReport.model_validate(
        {
            "container": f"c{number}",
            "interface": "eth0",
            "name": f"web{number}",
            "mac": str(Mac.of(address)),
            "ofport": number,
            "address": f"{address}/24",
            "vlan": vlan,
        }
        | more
    )


def alike(one: Intent, other: Intent) -> bool:
    return one.generation == other.generation and same(one, other)


def key(number: int, host: str = "h1") -> EndpointKey:
    return EndpointKey(host, f"c{number}", "eth0")


def host(number: int, *endpoints: EndpointReport) -> HostUp:
    return HostUp(dpid=number, vtep=IPv4Address(number), underlay_mtu=1500, endpoints=endpoints)


@pytest.fixture
def store() -> SqliteStore:
    return SqliteStore(":memory:")


@pytest.fixture
def registry(store: SqliteStore) -> Registry:
    registry = Registry(store, Tunnel.VXLAN)
    registry.replace_policy(POLICY)
    registry.host_up("h1", host(1))
    registry.host_up("h2", host(2))
    return registry


def ask(registry: Registry, address: str, vlan: int | None = 10, address6: str | None = None) -> str:
    wanted = Ask(container="new", interface="eth0", name="new", address=address, address6=address6, vlan=vlan)
    return str(registry.admit("h1", wanted).admission.address)


def test_a_restart_compiles_the_same(registry: Registry, store: SqliteStore) -> None:
    registry.endpoint_up(key(100), report(100, up_kbps=1000, down_kbps=1000))
    registry.endpoint_up(key(101), report(101))

    again = Registry(store, Tunnel.VXLAN)

    assert alike(again.snapshot(), registry.snapshot())
    assert again.reports == registry.reports


def test_a_restart_goes_on_from_the_step_that_was_begun(registry: Registry, store: SqliteStore) -> None:
    registry.endpoint_up(key(100), report(100))
    registry.keep_step({key(100): Place(10, 3, 11)})
    registry.endpoint_up(key(100), report(100, vlan=11))
    registry.endpoint_up(key(101), report(101))

    begun = Registry(store, Tunnel.VXLAN).begun()

    assert begun.endpoints.keys() == {key(100)}, "the other was in no step yet"
    assert begun.endpoints[key(100)].segment == 10
    assert begun.companies == {3: ({10, 11}, (key(100),))}
    assert begun.networks[10].vni == 10


@pytest.mark.parametrize(
    ("address", "vlan", "why"),
    [
        ("172.15.43.9/24", 10, "has the subnet 172.15.42.0/24"),
        ("172.15.42.9/16", 10, "has the subnet 172.15.42.0/24"),
        ("172.15.42.1", 10, "is the gateway"),
        ("172.15.42.255", 10, "network or broadcast"),
        ("172.15.42.100", 10, "belongs to web100 on h2"),
        ("172.15.42.9", 99, "no prefix"),
        ("999.1.1.1/24", 10, "not an IPv4 address"),
        ("fe80::1/64", 10, "not an IPv4 address"),
        ("", 10, "not an IPv4 address"),
        ("10.1.1.1/24", 4020, "give it another vni"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anything_is_touched(
    registry: Registry, address: str, vlan: int, why: str
) -> None:
    registry.endpoint_up(key(100, "h2"), report(100))
    before = registry.snapshot()

    with pytest.raises(RefusedError, match=why):
        ask(registry, address, vlan)

    assert alike(registry.snapshot(), before)


@pytest.mark.parametrize(
    ("address6", "vlan", "why"),
    [
        ("fd00:42::100", 12, "the address fd00:42::100 in the network dual"),
        ("fd00:42::1", 12, "is the gateway"),
        ("fd00:42::", 12, "network or broadcast"),
        ("fd00:43::1/64", 12, "has the subnet fd00:42::/64"),
        ("fd00:42::7/48", 12, "has the subnet fd00:42::/64"),
        ("fd00:42::7", 10, "has no prefix"),
        ("fe80::7/64", 12, "link-local"),
        ("fd00:42::7%eth0", 12, "link-local"),
        ("172.15.42.7/24", 12, "not an IPv6 address"),
    ],
)
def test_an_ipv6_address_that_cannot_be_is_refused(registry: Registry, address6: str, vlan: int, why: str) -> None:
    registry.endpoint_up(key(100, "h2"), report(100, 12, address6="fd00:42::100/64"))

    with pytest.raises(RefusedError, match=why):
        ask(registry, "172.15.42.7/24", vlan, address6)


def test_both_addresses_get_what_their_network_has(registry: Registry) -> None:
    wanted = Ask(container="c", interface="eth0", name="w", address="172.15.42.9", address6="fd00:42::9", vlan=12)
    got = registry.admit("h1", wanted).admission

    assert (str(got.address), str(got.address6)) == ("172.15.42.9/24", "fd00:42::9/64")
    assert (got.gateway, str(got.gateway6)) == (None, "fd00:42::1")
    registry.endpoint_up(key(9), report(9, 12, address6="fd00:42::9/64"))
    end = registry.snapshot().endpoints[key(9)]
    assert str(end.address6) == "fd00:42::9/64"
    assert str(registry.snapshot().networks[12].subnet6) == "fd00:42::/64"


def test_what_is_admitted_gets_prefix_gateway_and_mtu(registry: Registry) -> None:
    registry.host_up("h2", host(2).model_copy(update={"underlay_mtu": 1400}))

    wanted = Ask(container="c", interface="eth0", name="web", address="172.15.42.9", vlan=10)
    got = registry.admit("h1", wanted).admission

    assert str(got.address) == "172.15.42.9/24"
    assert (got.network, got.vlan, str(got.gateway)) == ("blue", 10, "172.15.42.1")
    assert got.mtu == 1350, "the smaller underlay minus VXLAN"


def test_the_same_address_may_be_in_two_vlans(registry: Registry) -> None:
    registry.endpoint_up(key(100), report(100))

    assert ask(registry, "172.15.42.100", 11) == "172.15.42.100/24"


def test_a_move_to_another_subnet_is_refused_and_changes_nothing(registry: Registry) -> None:
    registry.endpoint_up(key(100), report(100))
    before, policy = registry.snapshot(), registry.rules.policy
    moved = Policy.model_validate(POLICY.as_json() | {"assign": [{"match": {"name": "web100"}, "vlan": 20}]})

    with pytest.raises(RefusedError, match=r"web100 has 172.15.42.100/24.*10.0.0.0/24"):
        registry.replace_policy(moved)

    assert alike(registry.snapshot(), before)
    assert registry.rules.policy == policy


def test_an_endpoint_that_another_host_has_is_refused_until_that_one_goes(registry: Registry) -> None:
    registry.endpoint_up(key(100), report(100))

    refused = registry.host_up("h2", host(2, report(100)))
    assert "belongs to web100 on h1" in refused[key(100, "h2")]
    assert key(100, "h2") not in registry.snapshot().endpoints

    registry.endpoint_down(key(100))
    assert key(100, "h2") in registry.snapshot().endpoints


def test_what_a_host_no_longer_reports_is_gone(registry: Registry, store: SqliteStore) -> None:
    registry.host_up("h1", host(1, report(100), report(101)))

    registry.host_up("h1", host(1, report(101)))

    assert list(registry.snapshot().endpoints) == [key(101)]
    assert list(store.endpoints()) == [key(101)]


def test_a_second_host_with_the_same_dpid_is_refused(registry: Registry) -> None:
    with pytest.raises(RefusedError, match="h1 has the dpid 0x0000000000000001 already"):
        registry.host_up("h3", host(1))

    assert set(registry.hosts) == {"h1", "h2"}


def test_policy_goes_before_what_connect_said(registry: Registry) -> None:
    registry.endpoint_up(key(100), report(100, vlan=11, up_kbps=1000))

    rules = [{"match": {"name": "web100"}, "vlan": 10, "up": "2mbit", "down": "none"}]
    registry.replace_policy(Policy.model_validate(POLICY.as_json() | {"assign": rules}))

    endpoint = registry.snapshot().endpoints[key(100)]
    assert (endpoint.segment, endpoint.up_kbps, endpoint.down_kbps) == (10, 2000, None)
    assert endpoint.up_meter > 0
    assert endpoint.down_meter == 0


def test_each_host_may_have_the_gateway(registry: Registry) -> None:
    gateway = report(1, container="gateway:10", interface="gw10", role=Role.GATEWAY)
    for name in ("h1", "h2"):
        registry.endpoint_up(EndpointKey(name, "gateway:10", "gw10"), gateway)

    assert len(registry.snapshot().endpoints) == 2


def test_nobody_has_the_address_of_a_gateway_that_is_there_still(registry: Registry) -> None:
    gateway = report(100, container="gateway:10", interface="gw10", role=Role.GATEWAY, ofport=50)
    for name in ("h1", "h2"):
        registry.endpoint_up(EndpointKey(name, "gateway:10", "gw10"), gateway)

    with pytest.raises(RefusedError, match=r"the address 172.15.42.100 .* belongs to web100 on h1"):
        registry.endpoint_up(key(100), report(100))
    registry.host_up("h1", host(1, report(100)))
    assert key(100) in registry.arrangement.refused, "h2 has it yet"

    registry.endpoint_down(EndpointKey("h2", "gateway:10", "gw10"))
    assert registry.snapshot().endpoints.keys() == {key(100)}


@pytest.mark.parametrize(
    "what", ["keep_endpoint", "keep_host", "owner", "keep_meter", "forget_owner", "keep_generation"]
)
def test_after_a_write_that_failed_all_is_as_the_store_has_it(
    registry: Registry, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    registry.host_up("h2", host(2, report(10)))
    full = sqlite3.OperationalError("database or disk is full")
    with monkeypatch.context() as patch:
        patch.setattr(store, what, Mock(side_effect=full))
        for step in (
            lambda: registry.host_up("h3", host(3, report(12))),
            lambda: registry.host_up("h1", host(1, report(11, up_kbps=1000), report(10, container="twin"))),
        ):
            with suppress(sqlite3.OperationalError):
                step()
            again = Registry(store, Tunnel.VXLAN)
            assert alike(again.snapshot(), registry.snapshot())
            assert (again.reports.keys(), again.ids.things) == (registry.reports.keys(), registry.ids.things)

    registry.host_up("h1", host(1, report(11, up_kbps=1000)))
    registry.replace_policy(POLICY)
    assert registry.snapshot().endpoints[key(11)].up_meter > 0


def test_a_second_host_with_the_same_tunnel_address_is_refused(registry: Registry) -> None:
    with pytest.raises(RefusedError, match="tunnel address"):
        registry.host_up("h3", host(1).model_copy(update={"dpid": 77}))


def test_who_has_an_address_keeps_it_though_something_else_of_it_changes(registry: Registry) -> None:
    registry.host_up("h1", host(1, report(10), report(11)))

    registry.host_up("h1", host(1, stolen(10), report(11, name="other")))

    assert registry.arrangement.refused.keys() == {key(10)}


def test_a_place_that_was_forgotten_with_its_endpoint_is_kept_anew(registry: Registry, store: SqliteStore) -> None:
    registry.endpoint_up(key(100), report(100))
    place = Place(10)
    registry.keep_step({key(100): place})

    registry.endpoint_down(key(100))
    registry.endpoint_up(key(100), report(100))
    registry.keep_step({key(100): place, key(9): place})

    assert {k: kept.place for k, kept in store.endpoints().items()} == {key(100): place}


def test_a_preview_changes_nothing(registry: Registry) -> None:
    registry.endpoint_up(key(10), report(10))
    before, policy = registry.snapshot(), registry.rules.policy

    registry.preview(Policy.model_validate(POLICY.as_json() | {"assign": [{"match": {"name": "web10"}, "vlan": 11}]}))

    assert registry.rules.policy == policy
    assert registry.arrangement.placed[key(10)].segment == 10
    assert alike(registry.snapshot(), before)
    with pytest.raises(RefusedError, match="belongs to web10"):
        ask(registry, "172.15.42.10")


def test_a_forgotten_host_takes_all_with_it(registry: Registry, store: SqliteStore) -> None:
    registry.endpoint_up(key(100), report(100))

    registry.forget_host("h1")

    assert set(registry.snapshot().hosts) == {"h2"}
    assert not registry.snapshot().endpoints
    assert alike(Registry(store, Tunnel.VXLAN).snapshot(), registry.snapshot())


def stolen(number: int) -> EndpointReport:
    """An endpoint that was connected anew, with the address of another one."""
    address = IPv4Address("172.15.42.11")
    return report(number, address=f"{address}/24", mac=str(Mac.of(address)))


def test_what_is_said_anew_stands_in_nobodys_way(registry: Registry) -> None:
    registry.host_up("h1", host(1, report(10, ofport=5), report(11, ofport=6)))

    assert registry.host_up("h1", host(1, report(10, ofport=6), report(11, ofport=7))) == {}


def test_who_came_first_but_took_another_address_later_comes_last(registry: Registry, store: SqliteStore) -> None:
    registry.host_up("h1", host(1, report(10)))
    registry.host_up("h2", host(2, report(11)))

    assert key(10) in registry.host_up("h1", host(1, stolen(10)))

    registry.replace_policy(POLICY)  # no policy is refused because of it
    assert key(11, "h2") in Registry(store, Tunnel.VXLAN).snapshot().endpoints


def test_a_refused_one_comes_in_when_another_host_says_that_the_holder_is_gone(registry: Registry) -> None:
    registry.host_up("h1", host(1, report(10)))
    assert registry.host_up("h2", host(2, report(10, container="other", name="other")))

    registry.host_up("h1", host(1))

    assert registry.arrangement.refused == {}


def test_a_joined_bridge_may_not_have_the_networks_gateway(registry: Registry) -> None:
    router = report(1, container="bridge:docker0", interface="docker0", role=Role.ROUTER, behind="docker0")

    with pytest.raises(RefusedError, match="is the gateway"):
        registry.endpoint_up(EndpointKey("h1", "bridge:docker0", "docker0"), router)
