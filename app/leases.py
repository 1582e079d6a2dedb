"""Which host hands out which addresses of a pool: in blocks, so that containers start while the controller is away.

A block is 16 addresses, or an eighth of the pool if that is less: of the part of it that the host says, if it says one
(Docker's --ip-range), and hosts may say different ones. Blocks are taken from the upper end down, since
people choose their own addresses from the lower end up; where no whole block is free it is a smaller one. No two
overlap, and none holds an address that somebody has otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv6Address,
    ip_network,
    summarize_address_range,
)

from app.desk import RefusedError
from app.store import Store
from app.wire import Address, Interface, Lease, LeaseAsk, Pool, Subnet
from flows.model import reserved

LARGEST = 4  # bits of a block's addresses
SHARE = 3  # bits: no block is more than an eighth of its pool

InUse = Callable[[Pool], Iterable[Address]]


def block_prefix(pool: Subnet) -> int:
    """The prefix length of a whole block of this pool."""
    return min(max(pool.max_prefixlen - LARGEST, pool.prefixlen + SHARE), pool.max_prefixlen)


def free_block(pool: Subnet, taken: Iterable[Subnet]) -> Subnet | None:
    """The largest block that nobody has anything of, at most a whole one, the highest of these; None if all is taken.

    The price is that of what is taken, however large the pool is.
    """
    best: Subnet | None = None
    for gap in _gaps(pool, taken):
        for free in gap:
            block = _highest_part(free, block_prefix(pool))
            if best is None or (-block.prefixlen, block.network_address) > (-best.prefixlen, best.network_address):
                best = block
    return best


def _gaps(pool: Subnet, taken: Iterable[Subnet]) -> Iterator[Iterable[Subnet]]:
    start, end = int(pool.network_address), int(pool.broadcast_address)
    for each in sorted({other for other in taken if other.overlaps(pool)}):
        if int(each.network_address) > start:
            yield _between(pool, start, int(each.network_address) - 1)
        start = max(start, int(each.broadcast_address) + 1)
    if start <= end:
        yield _between(pool, start, end)


def _between(pool: Subnet, first: int, last: int) -> Iterator[Subnet]:
    """The networks that make up this part of the pool, given by its first and last address."""
    if pool.version == 4:
        return summarize_address_range(IPv4Address(first), IPv4Address(last))
    return summarize_address_range(IPv6Address(first), IPv6Address(last))


def _highest_part(free: Subnet, prefix: int) -> Subnet:
    if free.prefixlen >= prefix:
        return free
    rest = free.max_prefixlen - prefix
    return type(free)((int(free.broadcast_address) >> rest << rest, prefix))


class Leases:
    """All leases, over a store. `in_use`: the addresses of a pool that endpoints have, whoever gave them."""

    def __init__(self, store: Store, in_use: InUse) -> None:
        self._store = store
        self._in_use = in_use
        self._held: dict[Pool, dict[Subnet, str]] = {}
        for lease, host in store.leases():
            self._held.setdefault(lease.of, {})[lease.block] = host

    def grant(self, host: str, ask: LeaseAsk) -> Lease:
        """A block for this host, or the one address that it asks for. RefusedError says why there is none.

        What it was granted and does not know of, since an answer was lost, it is granted again.
        """
        held = self._held.get(ask.of, {})
        mine = (block for block, holder in held.items() if holder == host and block not in ask.has)
        forgotten = [block for block in mine if block.overlaps(ask.source)]
        if ask.address is not None:
            return self._grant_one(host, ask, ask.address)
        if forgotten:
            return ask.lease(min(forgotten))
        used = {*self._in_use(ask.of), *reserved(ask.subnet), *([ask.gateway] if ask.gateway else [])}
        block = free_block(ask.source, [*held, *map(ip_network, used)])
        if block is None:
            raise RefusedError(
                409,
                "pool-exhausted",
                f"all addresses of {ask.source} are in use or leased to hosts ({_shares(held)}): remove containers "
                f"there, or make the network anew with a larger {'--ip-range' if ask.ip_range else '--subnet'}",
            )
        return self._keep(host, ask.lease(block))

    def tell(self, host: str, leases: Iterable[Lease]) -> tuple[Lease, ...]:
        """All that this host has: others of it are free now. Those of it that another one has: it must not use them."""
        said = set(leases)
        for pool, held in self._held.items():
            for block in [block for block, holder in held.items() if holder == host]:
                if Lease(vlan=pool.vlan, subnet=pool.subnet, block=block) not in said:
                    self._free(pool, block)
        clashing = []
        for lease in sorted(said, key=lambda lease: (lease.block.version, lease.block)):
            holders = {h for block, h in self._held.get(lease.of, {}).items() if block.overlaps(lease.block)}
            if holders - {host}:
                clashing.append(lease)
            elif not holders:
                self._keep(host, lease)
        return tuple(clashing)

    def release(self, host: str, leases: Iterable[Lease]) -> None:
        """These are free again, as far as they are this host's."""
        for lease in leases:
            if self._held.get(lease.of, {}).get(lease.block) == host:
                self._free(lease.of, lease.block)

    def forget_host(self, host: str) -> None:
        """It is gone for good, and all that it had is free."""
        self.tell(host, ())

    def refuse_leased(self, address: Interface, vlan: int) -> None:
        """RefusedError if a host may give this address in this VLAN to one of Docker's containers at any moment."""
        for pool, held in self._held.items():
            if pool.subnet == address.network and pool.vlan in (None, vlan):
                for block, holder in held.items():
                    if address.ip in block:
                        raise _leased(address.ip, block, holder)

    def _grant_one(self, host: str, ask: LeaseAsk, address: Address) -> Lease:
        held = self._held.get(ask.of, {})
        there = next(((block, holder) for block, holder in held.items() if address in block), None)
        if there is not None and there[1] == host:
            return ask.lease(there[0])
        if there is not None:
            raise _leased(address, *there)
        if address in set(self._in_use(ask.of)):
            raise RefusedError(409, "address-in-use", f"{address} is in use already: choose another one, or none")
        return self._keep(host, ask.lease(ip_network(address)))

    def _keep(self, host: str, lease: Lease) -> Lease:
        self._store.keep_lease(lease, host)
        self._held.setdefault(lease.of, {})[lease.block] = host
        return lease

    def _free(self, pool: Pool, block: Subnet) -> None:
        self._store.forget_lease(Lease(vlan=pool.vlan, subnet=pool.subnet, block=block))
        del self._held[pool][block]


def _leased(address: Address, block: Subnet, holder: str) -> RefusedError:
    return RefusedError(
        409,
        "address-leased",
        f"{address} is among the addresses that {holder} hands out to Docker's containers ({block}): choose another",
    )


def _shares(held: Mapping[Subnet, str]) -> str:
    hosts = {host: sum(b.num_addresses for b, h in held.items() if h == host) for host in sorted(set(held.values()))}
    return ", ".join(f"{host}: {count}" for host, count in hosts.items()) or "none leased"
