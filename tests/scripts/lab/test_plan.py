from ipaddress import IPv4Address, IPv4Network

import pytest

from scripts.lab.plan import LabError, Plan


def test_every_machine_has_an_address_of_its_own() -> None:
    plan = Plan(hosts=16, index=3)

    addresses = [plan.address(name) for name in plan.machine_names if name != "underlay"]

    assert plan.subnet == IPv4Network("198.18.3.0/24")
    assert plan.address("h1") == IPv4Address("198.18.3.1")
    assert len(set(addresses)) == len(addresses) == 18
    assert all(address in plan.subnet for address in addresses)


def test_the_last_subnet_is_still_for_measuring() -> None:
    assert Plan(index=511).subnet.subnet_of(IPv4Network("198.18.0.0/15"))


def test_what_is_saved_is_loaded() -> None:
    plan = Plan("class", 3, "gre", 8081, 6654, 7)

    assert Plan.load(plan.save()) == plan


def test_a_lab_keeps_its_shape_in_another_subnet() -> None:
    assert Plan(index=1).same_shape(Plan(index=2))
    assert not Plan(hosts=2).same_shape(Plan(hosts=3))


def test_the_longest_name_still_fits_an_interface() -> None:
    assert len(Plan("a" * 11).interface) == 15


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "a" * 12}, "at most 11"),
        ({"name": "../etc"}, "cannot name a lab"),
        ({"name": ""}, "cannot name a lab"),
        ({"hosts": 0}, "1 to 16 hosts"),
        ({"hosts": 17}, "1 to 16 hosts"),
        ({"tunnel": "ipip"}, "use gre or vxlan"),
        ({"port": 0}, "1 to 65535"),
        ({"ofp_port": 65536}, "1 to 65535"),
        ({"port": 6653}, "both"),
    ],
)
def test_what_cannot_be_is_refused_in_words(wrong: dict[str, int | str], words: str) -> None:
    with pytest.raises(LabError, match=words):
        Plan.load(wrong)
