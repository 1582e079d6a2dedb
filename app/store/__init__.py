"""Where policy, ids and what the hosts last said are kept, so that a killed controller comes back with it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from app.policy import Assignment, Policy
from app.wire import EndpointReport, HostUp, Lease
from flows.model import EndpointKey
from flows.transition import Place


class KeptEndpoint(NamedTuple):
    """An endpoint as its helper last reported it, and where the step has it that was begun last (None: in none yet)."""

    report: EndpointReport
    place: Place | None


class Store(Protocol):
    """The home of what the controller must not forget. All writes inside `writing()` are kept, or none is."""

    def writing(self) -> AbstractContextManager[None]:
        """One transaction; it stands when the block ends, and is undone if the block raises."""

    def policy(self) -> Policy:
        """The policy, empty at first."""

    def keep_policy(self, policy: Policy) -> None:
        """Replace the policy."""

    def keep_heads(self, heads: Sequence[Assignment]) -> None:
        """These assignments go first, in place of those with the same match."""

    def generation(self) -> int:
        """The number of the newest intent."""

    def keep_generation(self, generation: int) -> None:
        """Remember that intents up to this number were given out."""

    def hosts(self) -> Mapping[str, HostUp]:
        """What each host last said of itself, without its endpoints."""

    def keep_host(self, name: str, report: HostUp) -> None:
        """Remember what a host said of itself; its endpoints are kept one by one."""

    def forget_host(self, name: str) -> None:
        """A host is gone, with its endpoints, its ids and its meters."""

    def endpoints(self) -> Mapping[EndpointKey, KeptEndpoint]:
        """All endpoints."""

    def keep_endpoint(self, key: EndpointKey, report: EndpointReport) -> None:
        """Remember an endpoint; its place stays as it is."""

    def keep_place(self, key: EndpointKey, place: Place) -> None:
        """The step that begins now has this endpoint there."""

    def forget_endpoint(self, key: EndpointKey) -> None:
        """An endpoint is gone, with its meters; its owner id is never given out again."""

    def forget_owner(self, kind: str, name: str) -> None:
        """Its owner id is never given out again; the next call for it gives a new one."""

    def owner(self, kind: str, name: str) -> int:
        """The owner id of an endpoint, network or host: given out at the first call, the same ever after."""

    def owners(self) -> Mapping[int, tuple[str, str]]:
        """Owner id -> kind and name."""

    def meters(self) -> Mapping[tuple[EndpointKey, str], int]:
        """The meter ids on each endpoint's host, by endpoint and direction."""

    def keep_meter(self, key: EndpointKey, direction: str, meter: int) -> None:
        """Remember it until the endpoint is forgotten."""

    def leases(self) -> Sequence[tuple[Lease, str]]:
        """All leases, each with the host that has it."""

    def keep_lease(self, lease: Lease, host: str) -> None:
        """Remember whose it is."""

    def forget_lease(self, lease: Lease) -> None:
        """It is free again."""
