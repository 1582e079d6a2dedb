"""Pools on a real bridge, with a lessor of the test's own: what is leased is given back, whenever it is left."""

import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

import pytest

from app.wire import Lease, LeaseAsk, Subnet
from scripts.helper.attached.pools import Pools
from scripts.helper.ovs.record import POOL
from scripts.helper.ovs.vswitch import Vswitch
from scripts.helper.problem import AwayError, RefusedError
from tests.scripts.helper.conftest import until

SUBNET, RANGE, ALONE = IPv4Network("10.9.0.0/24"), IPv4Network("10.9.0.64/26"), IPv4Address("10.9.0.7")


class Lessor:
    """Gives what is asked for, or the highest four of the range."""

    def __init__(self) -> None:
        self.away = False
        self.released: list[Subnet] = []

    def lease(self, ask: LeaseAsk) -> Lease:
        if self.away:
            raise AwayError("it is away")
        return ask.lease(IPv4Network(ask.address) if ask.address else IPv4Network((ask.source[-4], 30)))

    def release(self, leases: Sequence[Lease]) -> None:
        if self.away:
            raise AwayError("it is away")
        self.released += [lease.block for lease in leases]


@pytest.fixture
def lessor() -> Lessor:
    return Lessor()


@pytest.fixture
def pools(vswitch: Vswitch, lessor: Lessor) -> Iterator[Pools]:
    made = Pools(vswitch)
    made.lease_from(lessor)
    yield made
    for thread in threading.enumerate():  # what is asked for and given back meanwhile is written in the records
        if thread.name in ("lease", "release"):
            thread.join(5)
    for name in made.records():
        vswitch.remove_record(POOL + name)


def test_what_is_left_after_it_was_said_is_given_back(pools: Pools, lessor: Lessor) -> None:
    name = pools.request(SUBNET, None, None)
    pools.give(name, ALONE)
    said = pools.leases()
    lessor.away = True
    pools.take_back(name, ALONE)
    until(lambda: pools.records()[name].leaving == (IPv4Network(ALONE),))

    pools.note_clashes(())  # the controller's answer to what was said before
    lessor.away = False
    pools.return_leaving()

    assert IPv4Network(ALONE) in {lease.block for lease in said}
    until(lambda: lessor.released == [IPv4Network(ALONE)])
    until(lambda: pools.records()[name].leaving == ())


def test_who_restarts_while_the_controller_is_away_has_his_address_again(pools: Pools, lessor: Lessor) -> None:
    name = pools.request(SUBNET, None, None)
    pools.give(name, ALONE)
    lessor.away = True

    pools.take_back(name, ALONE)
    assert pools.give(name, ALONE).ip == ALONE

    lessor.away = False
    pools.return_leaving()
    assert IPv4Network(ALONE) in pools.records()[name].blocks
    assert lessor.released == []


def test_what_is_handed_out_is_of_the_range_and_what_is_said_is_of_the_subnet(pools: Pools) -> None:
    name = pools.request(SUBNET, None, RANGE)

    assert pools.set_gateway(name, None).ip == SUBNET[1], "the same on all hosts, whatever their ranges"
    assert pools.give(name, ALONE).ip == ALONE
    pools.take_back(name, ALONE)
    assert [pools.give(name, None).ip for _ in range(4)] == list(RANGE)[-4:]
    with pytest.raises(RefusedError, match=f"{RANGE} of {SUBNET} are in use"):
        pools.give(name, None)


def test_a_pool_has_one_range_until_nobody_uses_it(pools: Pools) -> None:
    assert pools.request(SUBNET, None, RANGE) == pools.request(SUBNET, None, RANGE)

    for other in (None, IPv4Network("10.9.0.128/26")):
        with pytest.raises(RefusedError, match="--ipam-opt vlan=N"):
            pools.request(SUBNET, None, other)
    name = pools.request(SUBNET, 20, None)  # told apart
    assert pools.give(name, None).ip not in RANGE

    pools.release_unused(SUBNET, ())
    again = pools.request(SUBNET, None, None)
    assert pools.records()[again].ip_range is None


@pytest.mark.parametrize("ip_range", ["10.8.0.0/24", "10.9.0.0/16"])
def test_a_range_is_part_of_its_subnet(pools: Pools, ip_range: str) -> None:
    with pytest.raises(RefusedError, match=f"--ip-range {ip_range} is not inside {SUBNET}"):
        pools.request(SUBNET, None, IPv4Network(ip_range))
    assert pools.records() == {}


def test_what_another_host_has_in_one_vlan_is_no_matter_in_the_other(pools: Pools) -> None:
    names = {vlan: pools.request(SUBNET, vlan, None) for vlan in (10, 20)}
    block = IPv4Network((SUBNET[-4], 30))
    assert {pools.give(name, None).ip for name in names.values()} == {block[0]}

    pools.note_clashes([Lease(vlan=10, subnet=SUBNET, block=block)])

    assert pools.give(names[20], None).ip == block[1]
    with pytest.raises(RefusedError, match="in use"):
        pools.give(names[10], None)
