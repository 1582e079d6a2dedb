"""Flows: what the switches have now, read from them, each with the reason why it is there."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.api.endpoints import EndpointName
from app.api.operation import Operation, Query, operation
from app.desk import Desk, LiveFlow
from app.wire import HostName
from flows.table import Table

_TABLES = {name: int(table) for table in Table for name in (table.label, str(int(table)))}
_KNOWN = ", ".join(f"{table.label} ({int(table)})" for table in Table)


def _table(said: object) -> int:
    number = _TABLES.get(said) if isinstance(said, str) else None
    if number is None:
        raise ValueError(f"there is no such table; there are {_KNOWN}")
    return number


TableName = Annotated[
    int, BeforeValidator(_table), WithJsonSchema({"type": "string", "enum": list(_TABLES), "description": _KNOWN})
]


class FlowFilter(Query):
    """Which flows; all that is said must hold."""

    host: HostName | None = Field(None, description="Those of this host.")
    endpoint: EndpointName | None = Field(None, description="Those that are there for this endpoint.")
    table: TableName | None = Field(None, description="Those of this table, by its name or number.")


@dataclass(frozen=True, slots=True)
class FlowOwner:
    """What a flow is there for: an endpoint, a network, a host, or the pipeline itself."""

    kind: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow entry in a switch. `feature` and `owner` are null for one that is not of Containet's making."""

    host: str
    table: str
    table_id: int
    priority: int
    match: str
    actions: str
    cookie: str
    packets: int
    bytes: int
    duration_s: float
    feature: str | None
    owner: FlowOwner | None


def operations(desk: Desk) -> list[Operation]:
    """What is asked about flows."""

    def list_flows(query: FlowFilter) -> list[Flow]:
        """The flows that connected switches have now, with their counters."""
        return [_shape(live) for live in desk.live_flows(query.host, query.endpoint, query.table)]

    return [operation("GET", "/v1/flows", list_flows)]


def _label(table: int) -> str:
    try:
        return Table(table).label
    except ValueError:
        return str(table)  # others may put flows anywhere


def _shape(live: LiveFlow) -> Flow:
    return Flow(
        host=live.host,
        table=_label(live.table),
        table_id=live.table,
        priority=live.priority,
        match=live.match,
        actions=live.actions,
        cookie=f"{live.cookie:#018x}",
        packets=live.packets,
        bytes=live.bytes,
        duration_s=live.duration,
        feature=live.feature,
        owner=None if live.owner_kind is None else FlowOwner(live.owner_kind, live.owner),
    )
