"""Endpoints: what is attached, and the changes that people make while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.api.operation import Operation, operation
from app.desk import Change, Desk, EndpointView, RefusedError
from app.policy import RateText
from app.wire import Outcome, Vlan

EndpointName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="NAME, HOST:NAME, NAME:INTERFACE or HOST:NAME:INTERFACE; 409 if more than one endpoint is meant.",
    ),
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's interface on a network. `up` and `down` are rates as people write them."""

    host: str
    name: str
    container: str
    interface: str
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
    state: str
    why: str
    labels: Mapping[str, str]
    ports: tuple[str, ...]


def _said(value: Any) -> Any:
    if value is None:
        raise ValueError("null says nothing: leave it out to keep what is; for a rate without limit say “none”")
    return value


def _without_null(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        if "anyOf" in field:
            del field["default"]
            field |= field.pop("anyOf")[0]


class EndpointChange(BaseModel):
    """What an endpoint is to get; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_without_null)

    vlan: Annotated[Vlan | None, BeforeValidator(_said)] = None
    up: Annotated[RateText | None, BeforeValidator(_said)] = None
    down: Annotated[RateText | None, BeforeValidator(_said)] = None

    @model_validator(mode="after")
    def _says_something(self) -> "EndpointChange":
        if not self.model_fields_set & {"vlan", "up", "down"}:
            raise ValueError("nothing is to change: say vlan, up or down")
        return self

    @property
    def change(self) -> Change:
        """As the Desk takes it."""
        return Change(vlan=self.vlan, up=self.up, down=self.down)


class EndpointsChange(EndpointChange):
    """One change for several endpoints together."""

    names: Annotated[list[EndpointName], Field(min_length=1, max_length=1000)]

    @field_validator("names")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise ValueError(f"“{name[:40]}” is named twice")
            seen.add(name)
        return names


def full_name(view: EndpointView) -> str:
    """The name that is always its own: HOST:NAME:INTERFACE."""
    return f"{view.key.host}:{view.name}:{view.key.interface}"


def operations(desk: Desk) -> list[Operation]:
    """What is asked about endpoints, and done to them."""

    def list_endpoints() -> list[Endpoint]:
        """All endpoints of all hosts."""
        return [_shape(view) for view in desk.endpoints()]

    def get_endpoint(name: EndpointName) -> Endpoint:
        """One endpoint."""
        key = desk.resolve(name)
        for view in desk.endpoints():
            if view.key == key:
                return _shape(view)
        raise RefusedError(404, "unknown-endpoint", f"“{name}” has just gone.")

    def change_endpoint(name: EndpointName, body: EndpointChange) -> Outcome:
        """Change the vlan or the rates of an endpoint while it runs: an assignment by name at the policy's head."""
        return desk.assign([name], body.change)

    def change_endpoints(body: EndpointsChange) -> Outcome:
        """Change several endpoints as one: packets between them are never lost for being half-way."""
        return desk.assign(body.names, body.change)

    return [
        operation("GET", "/v1/endpoints", list_endpoints),
        operation("PATCH", "/v1/endpoints", change_endpoints, limit=512 << 10),  # 1000 names of 300 characters
        operation("GET", "/v1/endpoints/{name}", get_endpoint),
        operation("PATCH", "/v1/endpoints/{name}", change_endpoint),
    ]


def _shape(view: EndpointView) -> Endpoint:
    return Endpoint(
        host=view.key.host,
        name=view.name,
        container=view.key.container,
        interface=view.key.interface,
        mac=view.mac,
        address=view.address,
        address6=view.address6,
        network=view.network,
        vlan=view.vlan,
        up=view.up,
        down=view.down,
        ofport=view.ofport,
        role=view.role,
        behind=view.behind,
        state=view.state,
        why=view.why,
        labels=dict(view.labels),
        ports=view.ports,
    )
