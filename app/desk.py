"""What the REST room asks of the controller: a Protocol, and the values that it answers with.

All methods may be called from any green thread. Those that change something return once the change is applied, or
after two seconds with the hosts that are still pending.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.policy import Policy
from app.rules import Rules
from app.wire import (
    Admission,
    Admitted,
    Ask,
    Coming,
    Done,
    Event,
    HostUp,
    Lease,
    LeaseAsk,
    NetworkReport,
    Outcome,
    Release,
    Want,
    Welcome,
)
from flows.flow import Flow
from flows.intent import Intent
from flows.model import EndpointKey


class RefusedError(Exception):
    """A request that cannot be: what, why, and what to do, for people. `slug` names the kind for programs."""

    def __init__(self, status: int, slug: str, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.status, self.slug, self.detail, self.more = status, slug, detail, more


@dataclass(frozen=True, slots=True)
class HostView:
    """A host as the controller sees it now."""

    name: str
    dpid: int
    vtep: str
    underlay_mtu: int
    switch: bool  # connected
    helper: bool  # connected
    tunnels: Mapping[str, int]  # peer -> ofport
    endpoints: int
    pending: bool  # has not everything that is wanted of it
    errors: tuple[str, ...] = ()  # what it could not do, in words


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint as people see it."""

    key: EndpointKey
    name: str
    mac: str
    address: str | None
    address6: str | None
    network: str
    vlan: int
    up: str
    down: str
    ofport: int
    role: str
    behind: str | None
    state: str  # up | pending | away | refused
    why: str = ""  # of pending, away or refused
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()  # published on its host


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """A flow as a switch has it now. `flow` is None for one that is not of our making."""

    host: str
    table: int
    priority: int
    match: str
    actions: str
    cookie: int
    packets: int
    bytes: int
    duration: float  # seconds
    flow: Flow | None
    feature: str | None  # why it is there
    owner_kind: str | None  # endpoint | network | host | pipeline
    owner: str | None  # host1:web1:eth0, blue, host2


class Kind(StrEnum):
    """What sort of thing happened."""

    DRIFT = "drift"  # somebody else changed what Containet made
    REPAIRED = "repaired"  # that stands again
    FOREIGN = "foreign"  # flows of others are in a bridge of ours, and may take packets away
    REFUSED = "refused"  # a switch or a helper did not take what is wanted
    POLICY = "policy"  # people changed what is wanted
    SWITCH_UP = "switch-up"
    SWITCH_DOWN = "switch-down"
    HELPER_UP = "helper-up"
    HELPER_DOWN = "helper-down"
    ENDPOINT_UP = "endpoint-up"
    ENDPOINT_DOWN = "endpoint-down"
    MISSED = "missed"  # events before this one are not kept any more; it is no event itself


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `what` is for people; `endpoint` as `host1:web1:eth0`."""

    number: int
    time: datetime
    kind: Kind
    host: str | None
    endpoint: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Change:
    """What an endpoint is to get; None leaves it as it is. Rates as text (flows.rate)."""

    vlan: int | None = None
    up: str | None = None
    down: str | None = None


class Desk(Protocol):
    """What the controller does for those who call."""

    @property
    def intent(self) -> Intent:
        """What is wanted now."""

    @property
    def policy(self) -> Policy:
        """What people want now."""

    @property
    def rules(self) -> Rules:
        """The same, with the networks that hosts declare."""

    def hosts(self) -> Sequence[HostView]:
        """All hosts that ever reported and were not deleted."""

    def endpoints(self) -> Sequence[EndpointView]:
        """All endpoints."""

    def resolve(self, name: str) -> EndpointKey:
        """`web1`, `host2:web1`, `web1:eth1`, `host2:web1:eth1` -> its key; 404, or 409 with the list."""

    def live_flows(self, host: str | None, endpoint: str | None, table: int | None) -> Sequence[LiveFlow]:
        """The flows that connected switches have now, read from them."""

    def events(self, since: int | None, host: str | None) -> Sequence[Happening]:
        """What happened after the event of this number, as far as it is kept (None: all that is)."""

    def follow_events(self, since: int | None, host: str | None) -> Iterator[Happening | None]:
        """The same, then what comes, for ever; None is a beat."""

    def replace_policy(self, policy: Policy) -> Outcome:
        """This is the whole policy now."""

    def preview(self, policy: Policy) -> Sequence[Mapping[str, object]]:
        """What `replace_policy` would change: `{"endpoint", "field", "from", "to"}`, nothing is changed."""

    def assign(self, names: Sequence[str], change: Change) -> Outcome:
        """One change for these endpoints together."""

    def forget_host(self, name: str) -> Outcome:
        """This machine is gone for good; 404 unknown, 409 if it is connected."""

    def admit(self, host: str, ask: Ask) -> Admission:
        """Whether this endpoint may be, before anything is touched."""

    def come(self, host: str, session: int, coming: Coming) -> Iterator[Admitted | Outcome]:
        """The same for one that comes at once: its flows are made from then on. Then what came of that."""

    def admit_network(self, host: str, network: NetworkReport) -> None:
        """Whether Docker may have this network there; RefusedError says why not."""

    def lease(self, host: str, session: int, ask: LeaseAsk) -> Lease:
        """Addresses that this host may hand out by itself."""

    def release(self, host: str, session: int, release: Release) -> None:
        """Addresses that this host gives back."""

    def host_up(self, host: str, report: HostUp) -> Welcome:
        """A helper begins a session; 409 for a second host with this dpid."""

    def heard(self, host: str, session: int, event: Event) -> Outcome:
        """Something came or went there."""

    def wants(self, host: str, session: int) -> Iterator[Want | None]:
        """What is wanted there, as it changes; None is a beat. Ends when a newer session begins."""

    def done(self, host: str, session: int, done: Done) -> None:
        """A want stands, or could not be done."""
