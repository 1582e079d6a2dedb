"""Flows <-> bytes, for many at once: by shape.

Flows of one shape differ in numbers only: cookie, xid, the values of terms and of `Set`s, ports and meters. So the
first of a shape goes part by part through `messages` and `codec`, which also say where those numbers stand; every other
is the same bytes with other numbers in their places.

    06 22 00 98  .. .. .. ..  .. .. .. ..  00 00 00 03  06 0e 00 88 ...  80 00 06 06  .. .. .. .. .. ..  00 04 00 20 ...
                     xid        bundle                                    header of     its value
                                                                           eth_dst

Both ways give the same, byte for byte: a law in the tests.

To find the shape of a flow that is to be written takes most of the time, so nothing of it is done part by part: all
that the change holds is laid in a row, and the kinds of its parts say which places of the row hold numbers.

    xid, bundle, cookie | row, ADD, L2_LOOKUP, 100 | reg0, 5, None | eth_dst, 0x02c7ac0f2a64, None | reg3, 7 | ...
    ^^^  ^^^^^^  ^^^^^^                                    ^                  ^^^^^^^^^^^^^^               ^
"""

import struct
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from app.openflow import codec, messages
from app.openflow.codec import OURS, Command
from flows.fields import Term
from flows.flow import Action, Flow, Meter, Output, Set

MOST_SHAPES = 1 << 12  # remembered: a pipeline has a score, and some for each number of ports to flood
MOST_ALIKE = 16  # shapes that only masks tell apart

_NUMBER = {Term: 1, Set: 1, Output: 0, Meter: 0}  # which of their values is a number
_BARE_BITS = 32
_WIDE_BITS = 128  # of a number that a struct has as bytes
_WIDE_BYTES = _WIDE_BITS // 8
_CODES = {8: "B", 16: "H", 32: "I", 48: "Q", 64: "Q", _WIDE_BITS: f"{_WIDE_BYTES}s"}

Place = tuple[int, int]  # offset of a number, and its bits
Values = tuple[Any, ...]
K = TypeVar("K")
V = TypeVar("V")

_DELETE = Command.DELETE

# In a row, as it is shown above: what `_OF_MESSAGE` has places for, what shapes have beside their parts, the parts.
_NUMBERS, _SHAPE, _PARTS = (0, 1, 0, 2), (3, 4, 5, 6), 7
# In a part of a bundle, with the flow mod in it:
_OF_MESSAGE: tuple[Place, ...] = ((4, 32), (8, 32), (20, 32), (24, 64))  # xid, bundle, xid again, cookie
_MATCH = 64
# In an ofp_flow_desc:
_DESC_COOKIE: Place = (16, 64)
_DESC_MATCH = 24
_DESC_HEAD = 18  # bytes that all of a shape have, among them magic and feature of the cookie


def bundle_add(bundle: int, flow: Flow, command: Command, xid: int) -> bytes:
    """What `messages.bundle_add` gives."""
    table, priority, match, actions, cookie = flow
    if command is _DELETE:
        actions, cookie = (), OURS
    parts: tuple[Any, ...] = match + actions
    kinds = tuple(map(type, parts))
    row = _rows.get(kinds) or _remember(_rows, kinds, _Row(kinds))
    values = (xid, bundle, cookie, row, command, table, priority, *chain(*parts))
    shape = row.shape(values)
    writer = _writers.get(shape) or _remember(_writers, shape, _Writer(flow, command))
    numbers = row.numbers(values)
    try:
        packed = writer.pack(*(_widened(numbers, writer.wide) if writer.wide else numbers))
    except struct.error:  # a number has more bits than the struct has room for
        return messages.bundle_add(bundle, flow, command, xid)
    said = int.from_bytes(packed, "big")
    if said & writer.fixed:  # one of 48 bits has more
        return messages.bundle_add(bundle, flow, command, xid)
    return (said | writer.template).to_bytes(writer.size, "big")


def flow_from(entry: bytes) -> Flow | None:
    """What `codec.flow_from` gives."""
    head, number = entry[:_DESC_HEAD], int.from_bytes(entry, "big")
    readers = _readers.get(head, ())
    for reader in readers:
        if number & reader.fixed == reader.template:
            return reader.read(entry)
    flow = codec.flow_from(entry)
    if flow is not None and flow.cookie and len(readers) < MOST_ALIKE:
        _remember(_readers, head, (*readers, _Reader(entry, flow)))
    return flow


class _Row:
    """A row with parts of these kinds: picks its numbers, and the others, which make its shape."""

    def __init__(self, kinds: tuple[Any, ...]) -> None:
        inside = [at == _NUMBER.get(kind) for kind in kinds for at in range(len(kind._fields))]
        parts = list(enumerate(inside, _PARTS))
        self.numbers: Callable[[Values], Values] = itemgetter(*_NUMBERS, *(at for at, number in parts if number))
        self.shape: Callable[[Values], Values] = itemgetter(*_SHAPE, *(at for at, number in parts if not number))


class _Writer:
    """A shape as it is written: one of it with 0 for each number, and how the numbers are packed."""

    def __init__(self, flow: Flow, command: Command) -> None:
        message = messages.bundle_add(0, flow, command, 0)
        self.size = len(message)
        terms, instructions = codec.match_at(message, _MATCH)
        parts = [*terms, *codec.actions_at(message, instructions)]
        places = [*_OF_MESSAGE, *((at, _bits(part)) for part, at in parts if type(part) in _NUMBER)]
        self.wide = _wide(places)
        self.pack = _struct(self.size, places).pack
        self.fixed = (1 << 8 * self.size) - 1 & ~_mask(self.size, places)
        self.template = int.from_bytes(message, "big") & self.fixed


class _Reader:
    """A shape as it is read: the bits that all of it have, and what is made of the numbers in the others."""

    def __init__(self, entry: bytes, flow: Flow) -> None:
        terms, counters = codec.match_at(entry, _DESC_MATCH)
        instructions = codec.after(entry, counters)
        actions = codec.actions_at(entry, instructions)
        # Terms come in the switch's order, which is not ours.
        parts: list[tuple[int, Term | Action, int]] = [(flow.match.index(term), term, at) for term, at in terms]
        parts += [(index, act, at) for index, (act, at) in enumerate(actions, len(terms))]
        numbers = [(index, at, n) for index, part, at in parts if (n := _number(part))]
        places = [_DESC_COOKIE, *((at, number.bits) for _, at, number in numbers)]
        free = (1 << 8 * (instructions - counters)) - 1 << 8 * (len(entry) - instructions)
        self.fixed = (1 << 8 * len(entry)) - 1 & ~free & ~_mask(len(entry), places)
        self.template = int.from_bytes(entry, "big") & self.fixed
        self._unpack = _struct(len(entry), places).unpack
        self._wide = _wide((at, number.bits) for _, at, number in numbers)
        self._numbers = [(index, number.make, (1 << number.bits) - 1) for index, _, number in numbers]
        self._parts: list[Any] = [*flow.match, *flow.actions]
        self._terms = len(flow.match)
        self._table, self._priority = flow.table, flow.priority

    def read(self, entry: bytes) -> Flow:
        cookie, *numbers = self._unpack(entry)
        for index in self._wide:
            numbers[index] = int.from_bytes(numbers[index], "big")
        parts = self._parts.copy()
        for (index, make, mask), number in zip(self._numbers, numbers, strict=True):
            parts[index] = make(number & mask)
        terms = self._terms
        return Flow(self._table, self._priority, tuple(parts[:terms]), tuple(parts[terms:]), cookie)


class _Number(NamedTuple):
    """A number in a flow: its bits, and the part of the flow that is made of it."""

    bits: int
    make: Callable[[int], Term | Action]


def _number(part: Term | Action) -> _Number | None:
    match part:
        case Term(field, _, None):
            return _Number(_bits(part), partial(Term, field))
        case Set(field, _):
            return _Number(_bits(part), partial(Set, field))
        case Output() | Meter():
            return _Number(_bits(part), type(part))
    return None


def _bits(part: Term | Action) -> int:
    """Of the number in it."""
    return part.field.bits if isinstance(part, Term | Set) else _BARE_BITS


def _struct(size: int, places: Iterable[Place]) -> struct.Struct:
    """So many bytes with numbers at these places. One of 48 bits begins 16 bits early, in what is before it."""
    layout, at = "!", 0
    for start, bits in places:
        code = _CODES[bits]
        end = start + bits // 8
        layout += f"{end - struct.calcsize(f'!{code}') - at}x{code}"
        at = end
    return struct.Struct(f"{layout}{size - at}x")


def _wide(numbers: Iterable[Place]) -> tuple[int, ...]:
    """Which of these a struct has as bytes."""
    return tuple(index for index, (_, bits) in enumerate(numbers) if bits == _WIDE_BITS)


def _widened(numbers: Iterable[int], wide: Iterable[int]) -> Values:
    """Those as bytes that a struct has so."""
    said: list[Any] = [*numbers]
    for index in wide:
        said[index] = said[index].to_bytes(_WIDE_BYTES, "big")
    return tuple(said)


def _mask(size: int, places: Iterable[Place]) -> int:
    """The bits of these places."""
    return sum((1 << bits) - 1 << 8 * (size - start) - bits for start, bits in places)


_rows: dict[tuple[type, ...], _Row] = {}
_writers: dict[Values, _Writer] = {}
_readers: dict[bytes, tuple[_Reader, ...]] = {}


def _remember(shapes: dict[K, V], key: K, made: V) -> V:
    if len(shapes) >= MOST_SHAPES:
        shapes.clear()
    shapes[key] = made
    return made
