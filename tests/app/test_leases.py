"""No two hosts ever hand out one address, and an address that somebody has is in no block of another."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.desk import RefusedError
from app.leases import Leases, block_prefix, free_block
from app.store.sqlite import SqliteStore
from app.wire import Lease, LeaseAsk

POOL = IPv4Network("172.15.42.0/24")
ASK = LeaseAsk(subnet=POOL)


def leases(*in_use: str) -> Leases:
    return Leases(SqliteStore(":memory:"), lambda _: map(IPv4Address, in_use))


@st.composite
def parts(draw: st.DrawFn) -> IPv4Network:
    pool = IPv4Network("10.0.0.0/26")
    prefix = draw(st.integers(pool.prefixlen, 32))
    address = int(pool.network_address) + draw(st.integers(0, pool.num_addresses - 1))
    return IPv4Network((address, prefix), strict=False)


@given(st.lists(parts(), max_size=12))
def test_a_free_block_is_the_largest_and_highest_that_nobody_has_anything_of(taken: list[IPv4Network]) -> None:
    pool = IPv4Network("10.0.0.0/26")
    every = [
        block
        for prefix in range(block_prefix(pool), 33)
        for block in sorted(pool.subnets(new_prefix=prefix), reverse=True)
        if not any(block.overlaps(other) for other in taken)
    ]

    assert free_block(pool, taken) == next(iter(every), None)


@pytest.mark.parametrize(
    ("pool", "prefix"),
    [
        ("10.0.0.0/8", 28),
        ("10.0.0.0/24", 28),
        ("10.0.0.0/28", 31),
        ("10.0.0.0/30", 32),
        ("fd00:42::/64", 124),
        ("fd00:42::/126", 128),
    ],
)
def test_a_block_is_at_most_an_eighth(pool: str, prefix: int) -> None:
    assert block_prefix(ip_network(pool)) == prefix


def test_a_pool_of_ipv6_is_as_large_as_it_likes() -> None:
    pool = IPv6Network("fd00:42::/64")
    there = Leases(SqliteStore(":memory:"), lambda _: [IPv6Address("fd00:42::ffff:ffff:ffff:fff0")])
    ask = LeaseAsk(subnet=pool, gateway=pool[1])

    block = there.grant("h1", ask).block

    assert block == IPv6Network("fd00:42::ffff:ffff:ffff:ffe0/124")
    assert there.grant("h2", LeaseAsk(subnet=pool, address=pool[0x100])).block == IPv6Network("fd00:42::100/128")
    with pytest.raises(RefusedError, match="h1 hands out"):
        there.refuse_leased(IPv6Interface((block[3], 64)), 1)
    with pytest.raises(RefusedError, match="h2 hands out"):
        there.grant("h1", LeaseAsk(subnet=pool, address=pool[0x100]))


@given(st.lists(st.tuples(st.sampled_from(("h1", "h2", "h3")), st.none() | st.integers(0, 63)), max_size=60))
def test_leases_never_overlap_and_are_there_after_a_restart(asked: list[tuple[str, int | None]]) -> None:
    pool, used = IPv4Network("10.0.0.0/26"), IPv4Address("10.0.0.9")
    store = SqliteStore(":memory:")
    granted: dict[IPv4Network, str] = {}
    for host, number in asked:
        there = Leases(store, lambda _: [used])
        has = tuple(block for block, holder in granted.items() if holder == host)
        try:
            lease = there.grant(
                host,
                LeaseAsk(subnet=pool, has=has, address=None if number is None else pool[number], gateway=pool[1]),
            )
        except RefusedError:
            continue
        assert granted.get(lease.block, host) == host
        granted[lease.block] = host
        assert used not in lease.block
        assert number is None or pool[number] in lease.block
        assert number is not None or pool[1] not in lease.block
    blocks = list(granted)
    assert not any(one.overlaps(other) for n, one in enumerate(blocks) for other in blocks[:n])


@given(st.lists(st.tuples(st.sampled_from(("h1", "h2", "h3")), st.sampled_from((None, "24", "28"))), max_size=14))
def test_blocks_are_of_the_range_that_is_asked_for(asked: list[tuple[str, str | None]]) -> None:
    pool, held = IPv4Network("10.0.0.0/24"), list[tuple[str, IPv4Network]]()
    there = Leases(SqliteStore(":memory:"), lambda _: ())
    for host, part in asked:
        ip_range = IPv4Network(f"10.0.0.64/{part}", strict=False) if part else None
        try:
            ask = LeaseAsk(subnet=pool, ip_range=ip_range, has=tuple(block for of, block in held if of == host))
            block = there.grant(host, ask).block
        except RefusedError:
            assert ip_range, "the rest of the pool has room"
            continue
        assert block.subnet_of(ip_range or pool)
        assert not any(block.overlaps(other) for _, other in held)
        held.append((host, block))


def test_each_host_draws_from_its_own_range_and_may_have_any_address_that_is_said() -> None:
    there = leases()
    ranges = {host: IPv4Network(f"172.15.42.{start}/26") for host, start in (("h1", 64), ("h2", 128))}

    for host, ip_range in ranges.items():
        assert there.grant(host, LeaseAsk(subnet=POOL, ip_range=ip_range)).block.subnet_of(ip_range)
        one = LeaseAsk(subnet=POOL, ip_range=ip_range, address=ip_range[0] + 2 - 64)
        assert there.grant(host, one).block == IPv4Network(one.address)


def test_what_was_granted_but_is_outside_the_range_is_not_granted_again() -> None:
    there, ip_range = leases(), IPv4Network("172.15.42.64/26")
    there.grant("h1", LeaseAsk(subnet=POOL, address=POOL[9]))

    assert there.grant("h1", LeaseAsk(subnet=POOL, ip_range=ip_range)).block.subnet_of(ip_range)


@pytest.mark.parametrize("ip_range", ["172.15.43.0/26", "172.15.0.0/16", "fd00:42::/64"])
def test_a_range_is_part_of_its_pool(ip_range: str) -> None:
    with pytest.raises(ValidationError, match="is not inside"):
        LeaseAsk(subnet=POOL, ip_range=ip_network(ip_range))


def test_an_exhausted_range_says_so() -> None:
    there, ip_range = leases(), IPv4Network("172.15.42.64/31")
    has = tuple(IPv4Network((ip_range[number], 32)) for number in range(2))
    there.tell("h1", [Lease(subnet=POOL, block=block) for block in has])

    with pytest.raises(RefusedError, match=r"172.15.42.64/31 .* --ip-range"):
        there.grant("h2", LeaseAsk(subnet=POOL, ip_range=ip_range))


def test_what_was_granted_but_not_heard_of_is_granted_again() -> None:
    there = leases()
    first = there.grant("h1", ASK)

    assert there.grant("h1", ASK) == first
    assert there.grant("h1", LeaseAsk(subnet=POOL, has=(first.block,))) != first


def test_an_address_of_another_host_is_refused_with_its_name() -> None:
    there = leases("172.15.42.7")
    block = there.grant("h1", ASK).block

    with pytest.raises(RefusedError, match="hands out"):
        there.grant("h2", LeaseAsk(subnet=POOL, address=block[3]))
    with pytest.raises(RefusedError, match="in use already"):
        there.grant("h2", LeaseAsk(subnet=POOL, address=IPv4Address("172.15.42.7")))


def test_an_address_that_docker_may_get_is_for_nobody_else() -> None:
    there = leases()
    block = there.grant("h1", ASK).block
    ten = there.grant("h1", LeaseAsk(subnet=IPv4Network("10.0.0.0/24"), vlan=10)).block

    with pytest.raises(RefusedError, match="h1 hands out"):
        there.refuse_leased(IPv4Interface((block[3], 24)), 1)
    with pytest.raises(RefusedError, match="h1 hands out"):
        there.refuse_leased(IPv4Interface((ten[3], 24)), 10)
    there.refuse_leased(IPv4Interface((ten[3], 24)), 20)
    there.refuse_leased(IPv4Interface("172.15.42.7/24"), 1)


def test_an_exhausted_pool_says_who_has_it() -> None:
    there, pool = leases(), IPv4Network("10.0.0.0/29")
    has: tuple[IPv4Network, ...] = ()
    for _ in range(6):
        has = (*has, there.grant("h1", LeaseAsk(subnet=pool, has=has)).block)

    with pytest.raises(RefusedError, match="h1: 6"):
        there.grant("h2", LeaseAsk(subnet=pool))


def test_what_a_host_does_not_name_any_more_is_free_and_what_two_have_is_told() -> None:
    there = leases()
    one, other = there.grant("h1", ASK), there.grant("h2", ASK)

    assert there.tell("h1", [other]) == (other,)
    assert there.grant("h3", ASK) == one


def test_what_is_given_back_is_free_and_only_by_who_has_it() -> None:
    there = leases()
    lease = there.grant("h1", ASK)

    there.release("h2", [lease])
    assert there.grant("h2", ASK) != lease
    there.release("h1", [lease, lease])
    assert there.grant("h3", ASK) == lease


def test_what_a_new_controller_hears_of_is_kept() -> None:
    lease = Lease(subnet=POOL, block=IPv4Network("172.15.42.240/28"))
    there = leases()

    assert there.tell("h1", [lease]) == ()
    assert there.grant("h2", ASK).block == IPv4Network("172.15.42.224/28")


def test_two_networks_with_one_subnet_are_two_pools_if_they_say_so() -> None:
    there = leases()

    assert (
        there.grant("h1", LeaseAsk(subnet=POOL, vlan=10)).block
        == there.grant("h2", LeaseAsk(subnet=POOL, vlan=20)).block
    )


def test_a_forgotten_hosts_addresses_are_free() -> None:
    there = leases()
    lease = there.grant("h1", ASK)

    there.forget_host("h1")

    assert there.grant("h2", ASK) == lease


def test_a_host_says_at_once_what_it_has_of_either_family() -> None:
    pools = IPv4Network("172.15.42.0/24"), IPv6Network("fd00:42::/64")
    blocks = IPv4Network("172.15.42.240/28"), IPv6Network("fd00:42::fff0/124")
    said = [Lease(subnet=pool, block=block) for pool, block in zip(pools, blocks, strict=True)]
    made = leases()

    assert made.tell("h1", said) == ()
    assert made.tell("h2", said) == tuple(said)
