"""Who can have many endpoints declared at once, one file each."""

from typing import Any, Protocol

from scripts.bench.played.world import Size, endpoint

BRIDGE = "br-int"


class Declaring(Protocol):
    """Two hosts, whose switches have no packets."""

    name: str

    def declare(self) -> None:
        """All at once; returns when both switches have them."""

    def clear(self) -> None:
        """None of them any more."""

    def flows(self) -> list[int]:
        """How many each switch has."""


def reports(size: Size, host: int) -> list[dict[str, Any]]:
    """The endpoints of that host, as its helper says them."""
    here = [(network, number) for network in range(size.networks) for number in size.numbers(host, network)]
    return [endpoint(network, number, ofport) for ofport, (network, number) in enumerate(here, 1)]
