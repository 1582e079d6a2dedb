"""Networks of Docker's beside those of the policy: joined by their vlan, and refused in words where they clash."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from app.declared import declared, objection
from app.policy import Policy
from app.wire import NetworkReport

POLICY = Policy.model_validate(
    {
        "networks": {
            "blue": {"vlan": 10, "subnet": "172.15.42.0/24", "gateway": "172.15.42.1"}
            | {"subnet6": "fd00:42::/64", "gateway6": "fd00:42::1"},
            "green": {"vlan": 20, "vni": 4020},
        }
    }
).networks


def report(vlan: int, subnet: str = "10.9.0.0/24", gateway: str | None = None, **more: object) -> NetworkReport:
    return NetworkReport.model_validate({"vlan": vlan, "subnet": subnet, "gateway": gateway} | more)


def test_one_network_on_two_hosts_is_one_and_has_dockers_name() -> None:
    networks = declared({}, [report(30, name="red"), report(30, gateway="10.9.0.1", name="rot")])

    assert list(networks) == ["red"]
    assert (networks["red"].vlan, networks["red"].gateway) == (30, IPv4Address("10.9.0.1"))


def test_what_the_policy_leaves_out_is_filled_in() -> None:
    networks = declared(POLICY, [report(20, gateway="10.9.0.1", name="other", subnet6="fd00:9::/64")])

    assert networks["green"].subnet == IPv4Network("10.9.0.0/24")
    assert networks["green"].subnet6 == IPv6Network("fd00:9::/64")
    assert networks["green"].segment == 4020
    assert networks["blue"] == POLICY["blue"]


@pytest.mark.parametrize("name", [None, "blue", "default", "vlan7", "-odd-", "x" * 80])
def test_a_name_that_cannot_be_is_not_taken(name: str | None) -> None:
    networks = declared(POLICY, [report(30, name=name)])

    assert networks["vlan30"].vlan == 30


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (report(10), "the network blue .VLAN 10. has the subnet 172.15.42.0/24, not 10.9.0.0/24"),
        (report(10, "172.15.42.0/24", vni=7), "has the vni 10, not 7"),
        (report(10, "172.15.42.0/24", "172.15.42.2"), "has the gateway 172.15.42.1, not 172.15.42.2"),
        (report(30, vni=4020), "green .VLAN 20. has the vni 4020"),
        (report(30, "172.15.0.0/16", "172.15.0.1"), "overlaps 172.15.0.0/16"),
        (report(10, "172.15.42.0/24", subnet6="fd00:43::/64"), "IPv6 subnet fd00:42::/64, not fd00:43::/64"),
        (report(30, subnet6="fd00:42::/48", gateway6="fd00:42::1"), "overlaps fd00:42::/48"),
        (report(30, "224.0.0.0/24"), "no container can have an address of 224.0.0.0/24: .* another --subnet"),
        (report(30, "127.0.0.0/8"), "no container can have an address of 127.0.0.0/8"),
        (report(30, "0.0.0.0/0"), "no container can have an address of 0.0.0.0/0"),
        (report(30, "169.254.0.0/16"), "no container can have an address of 169.254.0.0/16"),
        (report(30, subnet6="fe80::/64"), "no container can have an address of fe80::/64"),
        (report(30, "10.9.0.1/32", "10.9.0.1"), "10.9.0.1/32 has room for nobody beside its gateway"),
    ],
)
def test_what_clashes_is_refused_in_words_and_left_out(asked: NetworkReport, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(objection(POLICY, asked))

    assert declared(POLICY, [asked]) == POLICY


def test_what_is_the_same_or_has_nothing_to_do_with_others_can_be() -> None:
    for asked in (report(10, "172.15.42.0/24", "172.15.42.1"), report(30, "172.15.0.0/16"), report(20, vni=4020)):
        assert objection(POLICY, asked) is None
