"""The addresses that this host hands out to Docker's containers: pools, blocks leased by the controller, who has what.

Answers come from here, so a container starts while the controller is away, as long as there is room in the blocks. A
new block is asked for before the last one is full.

Two locks: one for the records, held for a moment; and one for the line to the controller, so that what is being granted
or given back is never missing where all that this host has is said. No answer to Docker waits for the second one, but
for an address that only the controller can give.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import ip_interface, ip_network

from app.wire import Address, Interface, Lease, LeaseAsk, Subnet
from flows.model import inside, reserved
from scripts.helper.attached.lessor import Lessor, Nobody, away, of_another_range
from scripts.helper.ovs.record import POOL, NetworkRecord, PoolRecord, pool_records
from scripts.helper.ovs.vswitch import Vswitch
from scripts.helper.problem import AwayError, RefusedError

YOUNG_S = 30.0  # what was given since may not be in Docker's lists yet
FEW = 4  # free addresses: of less, another block is asked for

log = logging.getLogger(__name__)


class Pools:
    """The pools of this host. Any thread may call."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch
        self._controller: Lessor = Nobody()
        self._lock, self._line = threading.RLock(), threading.RLock()
        self._asking: set[str] = set()
        self._said: tuple[Lease, ...] = ()  # all that this host had, as it was said last
        self._clashing: set[Lease] = set()
        self._made: dict[tuple[str, Address | None], float] = {}  # pools and addresses given -> when (monotonic)

    def lease_from(self, controller: Lessor) -> None:
        """Whom to ask for more."""
        self._controller = controller

    def records(self) -> dict[str, PoolRecord]:
        """All pools, by id."""
        return pool_records(self._vswitch)

    def request(self, subnet: Subnet, vlan: int | None, ip_range: Subnet | None) -> str:
        """The id of the pool; the same for the same request. RefusedError if it cannot be of this range."""
        if ip_range is not None and not inside(ip_range, subnet):
            raise RefusedError(422, "ip-range", f"--ip-range {ip_range} is not inside {subnet}: say a part of it")
        name = f"{subnet}" if vlan is None else f"{subnet}@{vlan}"
        with self._lock:
            record = self.records().get(name)
            if record is None or record.closed:
                leaving = record.leaving if record else ()
                self._write(name, PoolRecord(subnet=subnet, vlan=vlan, ip_range=ip_range, leaving=leaving))
            elif record.ip_range != ip_range:
                raise of_another_range(record)
            self._made[name, None] = time.monotonic()
        self._ask_ahead(name)
        return name

    def release_unused(self, subnet: Subnet, networks: Iterable[NetworkRecord]) -> None:
        """The pools of this subnet that none of these networks uses any more go back, whole.

        Two networks with one subnet share a pool, and the engine releases it for each of them.
        """
        networks = tuple(networks)
        with self._lock:
            for name, record in self.records().items():
                if record.subnet == subnet and not any(map(record.serves, networks)):
                    leaving = (*record.leaving, *record.blocks)
                    closed = {"closed": True, "leaving": leaving, "blocks": (), "used": ()}
                    self._write(name, record.model_copy(update=closed))
        self._give_back()

    def release_forgotten(self, networks: Collection[NetworkRecord]) -> None:
        """So do those whose network went while nobody listened."""
        for name, record in self.records().items():
            if not (record.closed or any(map(record.serves, networks)) or self._is_young(name, None)):
                log.info("No network has the addresses of the pool %s any more: they go back", name)
                self.release_unused(record.subnet, networks)

    def set_gateway(self, name: str, address: Address | None) -> Interface:
        """The address of the gateway, the same on all hosts: what was asked for, or the first of the pool."""
        with self._lock:
            record = self._known(name)
            subnet = record.subnet
            gateway = address or subnet.network_address + (1 if subnet.network_address in reserved(subnet) else 0)
            self._check(record, gateway)
            self._write(name, record.model_copy(update={"gateway": gateway}))
            return ip_interface((gateway, record.subnet.prefixlen))

    def give(self, name: str, address: Address | None) -> Interface:
        """An address that nobody has: this one if it is said. RefusedError says why not."""
        found = self._take_this(name, address) if address else self._take_free(name) or self._take_more(name)
        self._ask_ahead(name)
        self._made[name, found] = time.monotonic()
        return ip_interface((found, self._known(name).subnet.prefixlen))

    def take_back(self, name: str, address: Address) -> None:
        """It is free again; a lease of one address alone goes back."""
        alone = ip_network(address)
        self._made.pop((name, address), None)
        with self._lock:
            record = self.records().get(name)
            if record is None or address not in record.used:
                return
            after: dict[str, object] = {"used": tuple(other for other in record.used if other != address)}
            if alone in record.blocks:
                after["blocks"] = tuple(block for block in record.blocks if block != alone)
                after["leaving"] = (*record.leaving, alone)
            self._write(name, record.model_copy(update=after))
        if alone in record.blocks:
            self._give_back()

    def claim(self, network: NetworkRecord, address: Address) -> None:
        """An endpoint on this network has the address, so it is in use: also if that was forgotten meanwhile."""
        with self._lock:
            for name, record in self.records().items():
                ours = record.serves(network) and any(address in block for block in record.blocks)
                if ours and address not in record.used:
                    self._write(name, record.model_copy(update={"used": (*record.used, address)}))

    def leased(self, network: NetworkRecord, address: Address) -> bool:
        """Whether this host may give the address to an endpoint on this network."""
        ours = (record for record in self.records().values() if record.serves(network))
        return any(address in block for record in ours for block in record.blocks)

    def settled(self, name: str) -> set[Address]:
        """The addresses in use that were not given just now: whoever was to have them has them."""
        record = self.records().get(name)
        return {address for address in record.used if not self._is_young(name, address)} if record else set()

    def return_leaving(self) -> None:
        """What could not be given back when it was left, once more."""
        if any(record.leaving for record in self.records().values()):
            self._give_back()

    def leases(self) -> tuple[Lease, ...]:
        """All that this host has, and keeps."""
        with self._line:
            self._said = tuple(_lease(record, block) for record in self.records().values() for block in record.blocks)
            return self._said

    def note_clashes(self, leases: Iterable[Lease]) -> None:
        """The controller has heard all that this host has. Another one has these too: nothing more is given of them.

        So what it has not heard of is given back; but not what is left only since.
        """
        for name, record in self.records().items():
            self._left(name, [block for block in record.leaving if _lease(record, block) not in self._said])
        with self._lock:
            self._clashing = set(leases)
        for lease in self._clashing:
            log.error("Another host hands out %s as well: nothing more is given of it here", lease.block)

    def _take_free(self, name: str) -> Address | None:
        with self._lock:
            record = self._known(name)
            free = next(self._free(record), None)
            if free is not None:
                self._write(name, record.model_copy(update={"used": (*record.used, free)}))
            return free

    def _take_more(self, name: str) -> Address:
        self._ask(name, None)
        found = self._take_free(name)
        if found is None:
            record = self._known(name)
            what = f"{record.ip_range} of {record.subnet}" if record.ip_range else f"{record.subnet}"
            raise RefusedError(409, "pool-exhausted", f"All addresses of {what} are in use.")
        return found

    def _take_this(self, name: str, address: Address) -> Address:
        record = self._known(name)
        self._check(record, address)
        if address == record.gateway:
            raise RefusedError(409, "address", f"{address} is the gateway of {record.subnet}: choose another one.")
        if not (any(address in block for block in record.blocks) or self._keep_leaving(name, ip_network(address))):
            self._ask(name, address)
        with self._lock:
            record = self._known(name)
            if address in record.used:
                raise RefusedError(409, "address-in-use", f"{address} is in use on this host: choose another one.")
            self._write(name, record.model_copy(update={"used": (*record.used, address)}))
        return address

    def _keep_leaving(self, name: str, alone: Subnet) -> bool:
        """It was to be given back, and is not yet: it is kept. So who restarts needs no controller."""
        with self._line, self._lock:
            record = self._known(name)
            if alone not in record.leaving:
                return False
            leaving = tuple(block for block in record.leaving if block != alone)
            self._write(name, record.model_copy(update={"leaving": leaving, "blocks": (*record.blocks, alone)}))
            return True

    def _ask(self, name: str, address: Address | None) -> None:
        with self._line:
            record = self._known(name)
            ask = LeaseAsk(
                vlan=record.vlan,
                subnet=record.subnet,
                ip_range=record.ip_range,
                gateway=record.gateway,
                address=address,
                has=(*record.blocks, *record.leaving),
            )
            try:
                lease = self._controller.lease(ask)
            except AwayError as error:
                raise away(record, address, error) from error
            with self._lock:
                record = self._known(name)
                if lease.block not in record.blocks:
                    self._write(name, record.model_copy(update={"blocks": (*record.blocks, lease.block)}))

    def _give_back(self) -> None:
        """What leaves, to the controller; nobody waits for that. If it is away it hears of it when it is back."""
        threading.Thread(target=self._give_back_apart, name="release", daemon=True).start()

    def _give_back_apart(self) -> None:
        with self._line:
            for name, record in self.records().items():
                leases = [_lease(record, block) for block in record.leaving]
                try:
                    if leases:
                        self._controller.release(leases)
                except (AwayError, RefusedError) as error:
                    log.info("%s is given back later: %s", record.subnet, error)
                else:
                    self._left(name, record.leaving)

    def _left(self, name: str, blocks: Sequence[Subnet]) -> None:
        with self._lock:
            record = self.records().get(name)
            if record is not None:
                leaving = tuple(block for block in record.leaving if block not in blocks)
                if record.closed and not leaving:
                    self._vswitch.remove_record(POOL + name)
                elif leaving != record.leaving:
                    self._write(name, record.model_copy(update={"leaving": leaving}))

    def _ask_ahead(self, name: str) -> None:
        """Have another block before the last one is full; nobody waits for that."""
        with self._lock:
            record = self.records().get(name)
            if record is None or name in self._asking or sum(1 for _ in self._free(record)) >= FEW:
                return
            self._asking.add(name)
        threading.Thread(target=self._ask_apart, args=(name,), name="lease", daemon=True).start()

    def _ask_apart(self, name: str) -> None:
        try:
            self._ask(name, None)
        except RefusedError as refusal:
            log.info("No more addresses for now: %s", refusal)
        finally:
            with self._lock:
                self._asking.discard(name)

    def _free(self, record: PoolRecord) -> Iterator[Address]:
        source, held = record.ip_range or record.subnet, {*record.used, *reserved(record.subnet), record.gateway}
        for block in record.blocks:
            if _lease(record, block) not in self._clashing:
                yield from (address for address in block if address in source and address not in held)

    def _check(self, record: PoolRecord, address: Address) -> None:
        if address not in record.subnet:
            raise RefusedError(422, "address", f"{address} is not inside {record.subnet}: choose one that is.")
        if address in reserved(record.subnet):
            raise RefusedError(
                422, "address", f"{address} is the network or broadcast address of {record.subnet}: choose another one."
            )

    def _known(self, name: str) -> PoolRecord:
        record = self.records().get(name)
        if record is None or record.closed:
            raise RefusedError(404, "unknown-pool", f"There is no pool “{name}” here: make the network anew.")
        return record

    def _is_young(self, name: str, address: Address | None) -> bool:
        return time.monotonic() - self._made.get((name, address), -YOUNG_S) < YOUNG_S

    def _write(self, name: str, record: PoolRecord) -> None:
        self._vswitch.write_record(POOL + name, record.text())


def _lease(record: PoolRecord, block: Subnet) -> Lease:
    return Lease(vlan=record.vlan, subnet=record.subnet, block=block)
