"""Whom a host asks for addresses, and what is said when it gets none."""

from collections.abc import Sequence
from typing import Protocol

from app.wire import Address, Lease, LeaseAsk
from scripts.helper.ovs.record import PoolRecord
from scripts.helper.problem import AwayError, RefusedError


class Lessor(Protocol):
    """Who has the addresses. Both raise AwayError."""

    def lease(self, ask: LeaseAsk) -> Lease:
        """Some of them; RefusedError if there are none."""

    def release(self, leases: Sequence[Lease]) -> None:
        """These back."""


class Nobody:
    """Before there is a controller."""

    def lease(self, ask: LeaseAsk) -> Lease:
        """AwayError."""
        raise AwayError(f"nobody is there yet to ask for {ask.subnet}")

    def release(self, leases: Sequence[Lease]) -> None:
        """AwayError."""
        raise AwayError(f"nobody is there yet to give {len(leases)} blocks back to")


def of_another_range(record: PoolRecord) -> RefusedError:
    """A network with this subnet says another part of it than the one before."""
    same = f"say --ip-range {record.ip_range} too" if record.ip_range else "leave out --ip-range"
    return RefusedError(
        409,
        "ip-range",
        f"another network here has {record.subnet} too, with {record.ip_range or 'all of it'} to give out: {same}, or "
        "keep them apart with --ipam-opt vlan=N",
    )


def away(record: PoolRecord, address: Address | None, error: AwayError) -> RefusedError:
    """Nobody can be asked for this address, or for any."""
    left = ", ".join(map(str, record.blocks)) or "none"
    lack = "are all in use" if address is None else f"do not hold {address}"
    return RefusedError(
        503,
        "controller-away",
        f"The controller is away, and the addresses that this host has of {record.subnet} ({left}) {lack}. Start it, "
        f"then try again: {error}",
    )
