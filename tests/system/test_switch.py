"""Our connection to a real bridge: what is written is what is read, and a change is made whole or not at all."""

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from os_ken.lib import hub

from app.openflow import messages, pieces, shapes
from app.openflow import switch as room
from app.openflow.switch import RefusedFlowsError, Switch
from flows.cookie import Feature, pack
from flows.diff import Parts, Plan, plan
from flows.fields import (
    ARP_OP,
    ETH_DST,
    ETH_IPV4,
    ETH_IPV6,
    ETH_SRC,
    ICMPV6_TYPE,
    IN_PORT,
    IPV4_SRC,
    IPV6_DST,
    IPV6_SRC,
    ND_OPTIONS_TYPE,
    ND_RESERVED,
    ND_SLL,
    ND_TARGET,
    ND_TLL,
    ORIGIN,
    OUT,
    SEGMENT,
    SENDER,
    TUN_ID,
)
from flows.flow import (
    IN_PORT_NUMBER,
    Action,
    Contents,
    Flow,
    Goto,
    Meter,
    MeterEntry,
    Move,
    Output,
    OutputBy,
    Set,
    flow,
)
from flows.pipeline import FlowConflictError
from flows.table import Priority, Table
from tests.system.conftest import Sandbox
from tests.system.strategies import ADVERTISEMENT, METERS, SOLICITATION, flows, parted

COOKIE = pack(Feature.L2, 7)


def contents(*flows: Flow, meters: tuple[MeterEntry, ...] = ()) -> Contents:
    return Contents({each.key: each for each in flows}, {each.meter: each for each in meters})


def lookup(owner: int, *actions: Action, segment: int = 10) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.NORMAL,
        (SEGMENT(segment), ETH_DST(0x02C7 << 32 | owner)),
        actions or (Set(OUT, 1), Goto(Table.OUTPUT)),
        pack(Feature.L2, owner),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(flows(), max_size=30, unique_by=lambda each: each.key))
def test_what_is_written_is_read(switch: Switch, wanted: list[Flow]) -> None:
    desired = contents(*wanted, meters=METERS)

    switch.apply(plan(switch.read(), desired))

    assert switch.read() == desired
    assert switch.foreign == 0


EXPLICIT = (
    flow(Table.CLASSIFY, 100, (IN_PORT(1), ETH_SRC(2 << 40)), (Set(SEGMENT, 10), Goto(Table.SPOOF_GUARD)), COOKIE),
    flow(Table.CLASSIFY, 100, (IN_PORT(9),), (Move(TUN_ID, SEGMENT, 32), Goto(Table.L2_LOOKUP)), COOKIE),
    flow(Table.SPOOF_GUARD, 100, (ETH_IPV4, IPV4_SRC(IPv4Address("172.15.42.1"))), (Goto(Table.RATE_LIMIT),), COOKIE),
    flow(Table.SPOOF_GUARD, 100, (ETH_IPV6, IPV6_SRC(IPv6Address("fe80::"), (0x3FF << 118))), (), COOKIE),
    flow(Table.RATE_LIMIT, 100, (SENDER(0xFFFFFFFF),), (Meter(1), Goto(Table.ARP_RESPONDER)), COOKIE),
    flow(
        Table.ARP_RESPONDER,
        100,
        (*SOLICITATION, ND_TARGET(5 << 120 | 1), ND_SLL(2 << 40)),
        (Set(ICMPV6_TYPE, 136), Set(ND_RESERVED, 0x60000000), Move(IPV6_SRC, IPV6_DST, 128), Goto(Table.ADVERTISE)),
        COOKIE,
    ),
    flow(Table.ADVERTISE, 100, ADVERTISEMENT, (Set(ND_OPTIONS_TYPE, 2), Move(ETH_SRC, ND_TLL, 48), Output(1)), COOKIE),
    flow(Table.L2_LOOKUP, 0, (), (), COOKIE),
    flow(Table.FLOOD, 1, (SEGMENT(1), ORIGIN(1)), (Set(TUN_ID, 1 << 63), Output(1), Output(IN_PORT_NUMBER)), COOKIE),
    flow(Table.FLOOD, 1, (SEGMENT(0, 0xFFFF0000), SENDER(1, 1)), (OutputBy(ORIGIN),), COOKIE),
    flow(Table.OUTPUT, 0, (), (Meter(2), OutputBy(OUT)), COOKIE),
    flow(Table.OUTPUT, 65535, (ETH_DST(1 << 40, 1 << 40),), (Set(ETH_DST, (1 << 48) - 1), OutputBy(OUT)), COOKIE),
)  # fmt: skip


def test_the_flows_that_we_make(switch: Switch, sandbox: Sandbox) -> None:
    switch.apply(plan(Contents(), contents(*EXPLICIT, meters=METERS)))

    assert switch.read() == contents(*EXPLICIT, meters=METERS)
    ours = sandbox.flows()
    sandbox.install("br-int", "\n".join(map(str, EXPLICIT)))
    assert sandbox.flows() == ours, "ovs-ofctl reads our listing as the flows that we wrote"


def test_the_second_plan_is_empty(switch: Switch) -> None:
    desired = contents(*EXPLICIT, meters=METERS)
    switch.apply(plan(switch.read(), desired))

    assert not plan(switch.read(), desired)


def test_a_changed_flow_keeps_its_counters(switch: Switch, sandbox: Sandbox) -> None:
    before = flow(Table.CLASSIFY, 1, (IN_PORT(1),), (Output(2),), pack(Feature.CLASSIFY, 1))
    after = flow(Table.CLASSIFY, 1, (IN_PORT(1),), (Output(3),), pack(Feature.CLASSIFY, 2))
    switch.apply(Plan(add=(before,)))
    sandbox.appctl("netdev-dummy/receive", "p1", "in_port(1),eth(src=02:c7:00:00:00:01,dst=02:c7:00:00:00:02)")
    deadline = time.monotonic() + 10
    while switch.live(Table.CLASSIFY)[0].packets == 0:
        assert time.monotonic() < deadline, "the packet is never counted"
        hub.sleep(0.05)

    switch.apply(Plan(add=(after,)))

    (entry,) = switch.live(None)
    assert (entry.flow, entry.packets) == (after, 1)
    assert entry.bytes > 0


def test_live_flows_read_as_people_write_them(switch: Switch, sandbox: Sandbox) -> None:
    switch.apply(Plan(add=(lookup(0xAC0F2A01),)))
    sandbox.ofctl("add-flow", "br-int", "table=5,tcp,tcp_dst=80,actions=dec_ttl,output:2,goto_table:70")

    other, ours = sorted(switch.live(None), key=lambda entry: entry.table)

    assert (ours.match, ours.actions) == (
        "eth_dst=02:c7:ac:0f:2a:01,reg0=0xa",
        "set_field:0x1->reg3,goto_table:output",
    )
    assert other.flow is None
    assert other.match == "eth_type=2048,ip_proto=6,tcp_dst=80"
    assert other.actions == "decnwttl,output(port=2),gototable(table_id=70)"
    assert [entry.table for entry in switch.live(60)] == [60]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (flow(Table.CLASSIFY, 1, (ARP_OP(1),), (), COOKIE), "bad match: bad prereq"),  # said while it is filled
        (lookup(99, Meter(77)), "meter mod failed: invalid meter"),  # said when it is committed
    ],
)
def test_a_refused_flow_leaves_the_old_ones(switch: Switch, bad: Flow, why: str) -> None:
    old = contents(*(lookup(owner) for owner in range(5)))
    switch.apply(plan(Contents(), old))
    change = Plan(add_meters=METERS, add=(lookup(1, Output(4)), bad, lookup(6)), delete=(lookup(0),))

    with pytest.raises(RefusedFlowsError, match=why) as caught:
        switch.apply(change)

    assert caught.value.refusals == [(bad, why)]
    assert switch.read() == old
    switch.apply(Plan(add_meters=METERS, add=(lookup(6),)))
    assert len(switch.read().flows) == 6


def test_a_flow_that_fits_into_no_message_is_refused_in_words(switch: Switch) -> None:
    before = contents(lookup(1))
    switch.apply(plan(Contents(), before))
    flood = flow(Table.FLOOD, Priority.NORMAL, (SEGMENT(10),), tuple(map(Output, range(1, 5000))), COOKIE)

    with pytest.raises(RefusedFlowsError, match="too many endpoints of one network"):
        switch.apply(plan(before, contents(lookup(2), flood)))

    assert switch.read() == before


def test_a_refused_meter_leaves_everything(switch: Switch) -> None:
    old = contents(lookup(1, Meter(1), Output(2)), meters=METERS)
    switch.apply(plan(Contents(), old))
    change = Plan(add_meters=(MeterEntry(3, 1000, 600), METERS[0]), add=(lookup(2),))

    with pytest.raises(RefusedFlowsError, match="meter exists") as caught:
        switch.apply(change)

    assert [what for what, _ in caught.value.refusals] == [METERS[0]]
    assert switch.read() == old


def test_meters_change_and_go(switch: Switch) -> None:
    switch.apply(plan(Contents(), contents(lookup(1, Meter(1), Output(2)), meters=METERS)))
    faster = MeterEntry(1, 2_000_000, 200_000)

    switch.apply(Plan(change_meters=(faster,), delete_meters=(2,)))

    assert switch.read() == contents(lookup(1, Meter(1), Output(2)), meters=(faster,))


def test_what_others_did_is_told_apart(switch: Switch, sandbox: Sandbox) -> None:
    desired = contents(lookup(1), lookup(2))
    switch.apply(plan(Contents(), desired))
    cookie = pack(Feature.L2, 1)
    sandbox.ofctl("add-flow", "br-int", "table=7,priority=9,actions=output:1")
    sandbox.ofctl("add-flow", "br-int", f"cookie={cookie},table=60,priority=5,ip,actions=dec_ttl,output:1")
    sandbox.ofctl("add-flow", "br-int", f"cookie={cookie},table=60,priority=6,idle_timeout=60,actions=output:1")

    installed = switch.read()
    switch.apply(plan(installed, desired))

    assert switch.foreign == 1
    assert {each.cookie for key, each in installed.flows.items() if key not in desired.flows} == {0}
    assert switch.read() == desired
    assert len(sandbox.flows()) == 3


def test_flows_of_another_version_are_found_and_go(switch: Switch, sandbox: Sandbox) -> None:
    desired = contents(lookup(1))
    switch.apply(plan(Contents(), desired))
    kept = sandbox.flows()
    cookie = f"cookie={COOKIE:#x}"
    sandbox.ofctl("add-flow", "br-int", "table=60,priority=9,cookie=0x12,tcp,tcp_dst=80,actions=drop")
    others = sorted({*sandbox.flows()} - {*kept})
    for stray in (
        f"table=60,priority=9,{cookie},udp,udp_dst=53,reg0=7,reg14=3,actions=drop",
        f"table=61,priority=0,{cookie},actions=output:2",
        f"table=0,{cookie},ipv6,ipv6_dst=fe80::/10,metadata=0x5/0xf,actions=ct(table=61)",
    ):
        sandbox.ofctl("add-flow", "br-int", stray)

    assert switch.read() == desired
    assert (len(switch.strays), switch.foreign) == (3, 1)
    switch.drop_strays()

    assert sandbox.flows() == sorted(kept + others)
    assert switch.read() == desired
    assert not switch.strays


def test_many_flows_are_written_and_read_in_pieces(switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PIECE", 100)
    desired = contents(*(lookup(owner, segment=owner % 7) for owner in range(1000)), EXPLICIT[-1])

    switch.apply(plan(Contents(), desired))
    assert switch.read() == desired
    assert len(switch.live(None)) == 1001

    switch.apply(plan(desired, Contents()))
    assert switch.read() == Contents()


def test_many_flows_hide_none_in_a_table_that_we_do_not_have(
    switch: Switch, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PIECE", 10)
    desired = contents(*(lookup(owner) for owner in range(50)))
    switch.apply(plan(Contents(), desired))
    sandbox.ofctl("add-flow", "br-int", f"cookie={COOKIE},table=5,actions=output:1")

    assert switch.read() == desired
    assert [stray.table for stray in switch.strays] == [5]


BAD = [
    (flow(Table.L2_LOOKUP, 1, (ARP_OP(1),), (), COOKIE), "bad match: bad prereq"),  # said while it is filled
    (lookup(99, Meter(77)), "meter mod failed: invalid meter"),  # said when it is committed
]


@pytest.mark.parametrize("number", [5, 15, 25, 45])
@pytest.mark.parametrize(("bad", "why"), BAD)
def test_of_many_flows_those_before_the_refused_bundle_stand(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, number: int, bad: Flow, why: str
) -> None:
    monkeypatch.setattr(room, "PIECE", 10)
    good = tuple(lookup(owner) for owner in range(49))
    stand = number // 10 * 10

    with pytest.raises(RefusedFlowsError, match=why) as caught:
        switch.apply(Plan(add_meters=METERS, add=(*good[:number], bad, *good[number:])))

    assert caught.value.refusals == [(bad, why)]
    assert caught.value.partly == (stand > 0)
    assert switch.read() == contents(*good[:stand], meters=METERS if stand else ())


@pytest.mark.parametrize("number", [0, 5, 98, 99, 100, 101, 200, 1000])
def test_a_change_that_is_made_out_meanwhile_is_there_whole(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(room, "PIECE", 100)
    wanted = contents(*(lookup(owner, Meter(1), Output(2)) for owner in range(number)), meters=METERS)
    marked = replace(wanted, mark=7 if number else 0)

    assert switch.fill(parted(replace(plan(Contents(), wanted), mark=marked.mark or None))) == "made out"
    assert switch.read() == marked

    assert switch.fill(parted(replace(plan(wanted, Contents()), mark=0 if number else None))) == "made out"
    assert switch.read() == Contents()


@pytest.mark.parametrize("number", [5, 15, 25, 45])
@pytest.mark.parametrize(("bad", "why"), BAD)
def test_of_a_change_that_is_made_out_meanwhile_those_before_the_refused_bundle_stand(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, number: int, bad: Flow, why: str
) -> None:
    monkeypatch.setattr(room, "PIECE", 10)
    good = tuple(lookup(owner) for owner in range(49))
    stand = (number + 1) // 10 * 10 - 1 if number >= 9 else 0  # the first of all takes the marker away

    with pytest.raises(RefusedFlowsError, match=why) as caught:
        switch.fill(parted(Plan(add_meters=METERS, add=(*good[:number], bad, *good[number:]), mark=7)))

    assert caught.value.refusals == [(bad, why)]
    assert caught.value.partly == (stand > 0)
    assert switch.read() == contents(*good[:stand], meters=METERS if stand else ())


def noting(numbers: list[int], make: Callable[..., bytes]) -> Callable[..., bytes]:
    """The same, but the first argument of each call is noted."""

    def noted(number: int, *rest: Any) -> bytes:
        numbers.append(number)
        return make(number, *rest)

    return noted


@pytest.mark.parametrize(("number", "stand"), [(0, 0), (9, 0), (12, 0), (21, 9), (30, 19), (48, 29)])
def test_a_change_that_cannot_be_made_out_leaves_no_bundle_open(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, number: int, stand: int
) -> None:
    monkeypatch.setattr(room, "PIECE", 10)
    old = contents(lookup(99))
    switch.apply(replace(plan(Contents(), old), mark=5))
    opened: list[int] = []
    ended: list[int] = []
    for at, name, numbers in ((shapes, "bundle_add", opened), (messages, "bundle_control", ended)):
        monkeypatch.setattr(at, name, noting(numbers, getattr(at, name)))
    good = tuple(lookup(owner) for owner in range(49))

    with pytest.raises(FlowConflictError):
        switch.fill(parted(Plan(add_meters=METERS, add=good, mark=7), breaks_at=number))

    left = contents(*good[:stand], lookup(99), meters=METERS if stand else ())
    assert switch.read() == replace(left, mark=0 if stand else 5)
    assert sorted(set(opened)) == sorted(ended)
    switch.apply(plan(switch.read(), contents(*good)))
    assert switch.read().flows == contents(*good).flows


@pytest.mark.parametrize(("number", "stand"), [(5, 0), (12, 0), (25, 9), (45, 29)])
def test_a_flow_that_fits_into_no_message_may_come_late(
    switch: Switch, monkeypatch: pytest.MonkeyPatch, number: int, stand: int
) -> None:
    monkeypatch.setattr(room, "PIECE", 10)
    flood = flow(Table.FLOOD, Priority.NORMAL, (SEGMENT(10),), tuple(map(Output, range(1, 5000))), COOKIE)
    good = tuple(lookup(owner) for owner in range(49))
    change = Plan(add_meters=METERS, add=(*good[:number], flood, *good[number:]), mark=7)

    with pytest.raises(RefusedFlowsError, match="too many endpoints of one network") as caught:
        switch.fill(parted(change))
    assert caught.value.partly == (stand > 0)
    assert switch.read() == contents(*good[:stand], meters=METERS if stand else ())

    with pytest.raises(RefusedFlowsError, match="so none was made"):
        switch.apply(replace(change, add_meters=()))
    assert switch.read() == contents(*good[:stand], meters=METERS if stand else ())


def test_what_fills_bundles_does_not_wait_for_the_rest(
    switch: Switch, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open vSwitch drops a bundle for which nothing comes: they go on while what differs in nothing is made out."""
    monkeypatch.setattr(room, "PIECE", 10)
    good = tuple(lookup(owner) for owner in range(30))
    stood: list[int] = []

    def slowly() -> Parts[None]:
        yield Plan(add=good[:20])
        for _ in range(5):
            for _ in range(pieces.AT_A_STRETCH):
                yield None
            stood.append(len(sandbox.flows()))
        yield Plan(add=good[20:])

    switch.fill(slowly())

    assert stood[-1] == 19
    assert switch.read() == contents(*good)
