"""A flow entry, a meter, and what a bridge holds: plain values with a key.

Instructions and actions are one tuple in the order of execution (OpenFlow 1.5, 5.8): `Meter` first, `Goto` last.

A bridge may have 100,000 flows, so all of these are tuples: made, compared and hashed with no code of ours. Tuples are
equal if what they hold is, so the actions that hold but a number hold their verb beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from flows.fields import Field, Term
from flows.table import Table

IN_PORT_NUMBER = 0xFFFFFFF8  # OFPP_IN_PORT: back to where the packet came from


class Set(NamedTuple):
    """The field gets this value."""

    field: Field
    value: int

    def __str__(self) -> str:
        return f"set_field:{self.field.show(self.value)}->{self.field.name}"


class Move(NamedTuple):
    """The first field's low bits are copied over the second's; `bits` of them."""

    source: Field
    target: Field
    bits: int

    def __str__(self) -> str:
        return f"move:{_part(self.source, self.bits)}->{_part(self.target, self.bits)}"


class Output(NamedTuple):
    """The packet leaves by this port."""

    port: int
    verb: Literal["output"] = "output"

    def __str__(self) -> str:
        return "IN_PORT" if self.port == IN_PORT_NUMBER else f"{self.verb}:{self.port}"


class OutputBy(NamedTuple):
    """The packet leaves by the port whose number is in the register (all 32 bits)."""

    register: Field

    def __str__(self) -> str:
        return f"output:{_part(self.register, 32)}"


class Meter(NamedTuple):
    """The packet counts against this meter, which may drop it."""

    meter: int
    verb: Literal["meter"] = "meter"

    def __str__(self) -> str:
        return f"{self.verb}:{self.meter}"


class Goto(NamedTuple):
    """The packet goes on in this table."""

    table: Table
    verb: Literal["goto_table"] = "goto_table"

    def __str__(self) -> str:
        return f"{self.verb}:{int(self.table)}"


Action = Set | Move | Output | OutputBy | Meter | Goto
Key = tuple[Table, int, tuple[Term, ...]]


class Flow(NamedTuple):
    """One flow entry. Two flows with one `key` cannot both be installed. No actions: drop."""

    table: Table
    priority: int
    match: tuple[Term, ...]  # in order, so that equal matches are equal values: use `flow()`
    actions: tuple[Action, ...]
    cookie: int

    @property
    def key(self) -> Key:
        """What the switch tells entries apart by."""
        return self[:3]

    def __str__(self) -> str:
        """As `ovs-ofctl add-flow` reads it."""
        match = "".join(f",{term}" for term in self.match)
        actions = ",".join(map(str, self.actions)) or "drop"
        return f"table={int(self.table)},cookie={self.cookie:#018x},priority={self.priority}{match} actions={actions}"


class MeterEntry(NamedTuple):
    """One meter: drops what comes faster. Rate in kilobits per second, burst in kilobits."""

    meter: int
    rate_kbps: int
    burst_kbits: int


@dataclass(frozen=True)
class Contents:
    """What a bridge holds, or should: flows by key, meters by id; and the mark of its marker (flows.marker)."""

    flows: Mapping[Key, Flow] = field(default_factory=dict)  # but for the marker
    meters: Mapping[int, MeterEntry] = field(default_factory=dict)
    mark: int = 0  # 0: it has none


_made = tuple.__new__  # what Flow(...) does, at half the price


def flow(table: Table, priority: int, match: Iterable[Term], actions: Iterable[Action], cookie: int) -> Flow:
    """A flow with its match in the one order that all matches have: that of the fields."""
    return _made(Flow, (table, priority, tuple(sorted(match)), tuple(actions), cookie))


def _part(field: Field, bits: int) -> str:
    return f"{field.name}[]" if bits == field.bits else f"{field.name}[0..{bits - 1}]"
