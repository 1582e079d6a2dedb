"""What is written and read by shape is what os-ken writes, and what is read part by part."""

import struct
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.openflow import codec, messages, shapes
from app.openflow.codec import Command
from flows.cookie import OWNER_MASK, Feature, pack
from flows.fields import ETH_IPV6, ETH_SRC, IPV6_SRC, SEGMENT, TUN_ID, Field, Term
from flows.flow import Action, Flow, Goto, Meter, Output, Set, flow
from flows.intent import Intent
from flows.pipeline import compile_bridge
from flows.table import Table
from tests.app.openflow import osken
from tests.app.openflow.test_codec import COOKIE, GOTO, XREG0_BOTH, XREG0_UPPER, desc
from tests.flows.intents import intents
from tests.flows.test_pipeline import CASES
from tests.system.strategies import flows

BUNDLE, XID = 4, 77
Part = TypeVar("Part", Term, Action)
MATCH = 48  # offset in a flow mod
MATCH_LENGTH = struct.Struct("!H")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Flow, Flow]:
    """Two flows of one shape: the second has other numbers."""

    def other(part: Part) -> Part:
        match part:
            case Term() | Set():
                return part._replace(value=draw(st.integers(0, (1 << part.field.bits) - 1)))
            case Output() | Meter():
                return type(part)(draw(st.integers(0, (1 << 32) - 1)))
        return part

    one = draw(flows())
    cookie = pack(Feature(one.cookie >> 48 & 0xFF), draw(st.integers(0, OWNER_MASK)))
    match, actions = tuple(map(other, one.match)), tuple(map(other, one.actions))
    return one, one._replace(match=match, actions=actions, cookie=cookie)


def entry(each: Flow) -> bytes:
    """The flow as a switch describes it that says the match as we do."""
    mod = codec.flow_mod(each, Command.ADD, 0)
    (length,) = MATCH_LENGTH.unpack_from(mod, MATCH + 2)
    match, instructions = mod[MATCH + 4 : MATCH + length], mod[codec.after(mod, MATCH) :]
    return desc(each.cookie, match, instructions, table=each.table, priority=each.priority)


def by_osken(each: Flow) -> bytes:
    return osken.written(osken.bundle_add(BUNDLE, osken.flow_mod(each)), XID)


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_any_flow_is_written_as_osken_does(pair: tuple[Flow, Flow]) -> None:
    for each in pair:
        assert shapes.bundle_add(BUNDLE, each, Command.ADD, XID) == by_osken(each)


@pytest.mark.parametrize("name", CASES)
def test_every_flow_of_the_listings_is_written_as_osken_does(name: str) -> None:
    for each in compile_bridge(CASES[name], "h1").flows.values():
        assert shapes.bundle_add(BUNDLE, each, Command.ADD, XID) == by_osken(each)


@settings(max_examples=60, deadline=None)
@given(intents())
def test_every_flow_of_any_intent_is_written_as_osken_does(intent: Intent) -> None:
    for host in intent.hosts:
        for each in compile_bridge(intent, host).flows.values():
            assert shapes.bundle_add(BUNDLE, each, Command.ADD, XID) == by_osken(each)


@settings(max_examples=100, deadline=None)
@given(pairs())
def test_deletions_are_written_as_part_by_part(pair: tuple[Flow, Flow]) -> None:
    for each in pair:
        expected = messages.bundle_add(BUNDLE, each, Command.DELETE, XID)
        assert shapes.bundle_add(BUNDLE, each, Command.DELETE, XID) == expected


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_any_flow_is_read_as_it_was_written(pair: tuple[Flow, Flow]) -> None:
    for each in pair:
        assert shapes.flow_from(entry(each)) == codec.flow_from(entry(each)) == each


def test_values_of_more_than_64_bits() -> None:
    sources = (0, 1, 0xFE80 << 112 | 5, (1 << 128) - 1)
    for each in (flow(Table.SPOOF_GUARD, 1, (ETH_IPV6, IPV6_SRC(source)), (), COOKIE) for source in sources):
        assert shapes.bundle_add(BUNDLE, each, Command.ADD, XID) == by_osken(each)
        assert shapes.flow_from(entry(each)) == each


def test_a_flow_that_was_changed_is_no_other_of_its_shape() -> None:
    whole, masked = XREG0_BOTH[:4], XREG0_BOTH[12:]
    first = whole + bytes(8) + masked

    read = [shapes.flow_from(desc(COOKIE, match, GOTO)) for match in (first, XREG0_BOTH, XREG0_UPPER)]

    assert read == [codec.flow_from(desc(COOKIE, match, GOTO)) for match in (first, XREG0_BOTH, XREG0_UPPER)]
    assert len(set(read)) == 3


def test_counters_are_no_part_of_a_shape() -> None:
    one = desc(COOKIE, XREG0_UPPER, GOTO, counters=bytes(8))
    other = desc(COOKIE, XREG0_UPPER, GOTO, counters=bytes(range(8)))

    assert shapes.flow_from(one) == shapes.flow_from(other) == codec.flow_from(other)


@pytest.mark.parametrize("most", [1, 3])
def test_shapes_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(shapes, "MOST_SHAPES", most)
    many = [flow(Table.L2_LOOKUP, ports, (SEGMENT(5),), (Output(1),) * ports, COOKIE) for ports in range(100, 110)]

    for each in many * 2:
        assert shapes.bundle_add(BUNDLE, each, Command.ADD, XID) == by_osken(each)
        assert shapes.flow_from(entry(each)) == each
        assert max(map(len, (shapes._rows, shapes._writers, shapes._readers))) <= most


def test_a_flow_that_cannot_be_written_is_refused_by_shape_too() -> None:
    bad = flow(Table.CLASSIFY, 1, (), (Goto(Table.FLOOD), Output(1)), COOKIE)

    with pytest.raises(ValueError, match="last action"):
        shapes.bundle_add(BUNDLE, bad, Command.ADD, XID)


@pytest.mark.parametrize("field", [ETH_SRC, SEGMENT, TUN_ID])
def test_a_number_too_big_is_refused_by_shape_too(field: Field) -> None:
    good = flow(Table.CLASSIFY, 1, (), (Set(field, 1),), COOKIE)
    assert shapes.bundle_add(BUNDLE, good, Command.ADD, XID) == by_osken(good)

    with pytest.raises(OverflowError):
        shapes.bundle_add(BUNDLE, good._replace(actions=(Set(field, 1 << field.bits),)), Command.ADD, XID)
