"""Our connection to a real bridge: what is written is what is read, and a change is made whole or not at all."""

import os
import signal
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from os_ken.lib import hub

from app import switch as room
from app.switch import RefusedFlowsError, Switch, SwitchGoneError
from flows.cookie import Feature, pack
from flows.diff import Plan, plan
from flows.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_ARP,
    ETH_DST,
    ETH_IPV4,
    ETH_IPV6,
    ETH_SRC,
    ETH_TYPE,
    IN_PORT,
    IPV4_SRC,
    IPV6_SRC,
    ORIGIN,
    OUT,
    SEGMENT,
    SENDER,
    TUN_ID,
    Field,
    Term,
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
from flows.table import Priority, Table
from tests.system.conftest import Sandbox
from tests.system.controller import Controller

METERS = (MeterEntry(1, 1000, 600), MeterEntry(2, 10_000, 1000))
COOKIE = pack(Feature.L2, 7)


@pytest.fixture(scope="module")
def controller() -> Iterator[Controller]:
    made = Controller()
    yield made
    made.stop()


@pytest.fixture
def switch(sandbox: Sandbox, controller: Controller) -> Iterator[Switch]:
    """A bridge with four ports, connected to us."""
    sandbox.bridge(controller=controller.target, ports=4)
    yield controller.switch()
    sandbox.vsctl("del-controller", "br-int")
    controller.gone()
    assert controller.nobody_waits()


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


# Every action and every field, as strategies of what a switch takes.

ANYTHING = (IN_PORT, ETH_SRC, ETH_DST, TUN_ID, SEGMENT, SENDER, ORIGIN, OUT)
OF_TYPE: dict[Term | None, tuple[Field, ...]] = {
    None: (),
    ETH_IPV4: (IPV4_SRC,),
    ETH_IPV6: (IPV6_SRC,),
    ETH_ARP: (ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA),
    ETH_TYPE(0x88CC): (),
}
UNMASKED = (IN_PORT, ARP_OP)  # ovs-fields(7)
SETTABLE = (ETH_SRC, ETH_DST, TUN_ID, SEGMENT, SENDER, ORIGIN, OUT)
REGISTERS = (SEGMENT, SENDER, ORIGIN, OUT)
HIGHEST_OFPORT = 0xFEFF  # of 16 bits, as Open vSwitch has them inside
ARP_SETTABLE = (ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA)


@st.composite
def terms(draw: st.DrawFn, field: Field) -> Term:
    full = (1 << field.bits) - 1
    most = HIGHEST_OFPORT if field == IN_PORT else 0xFF if field == ARP_OP else full
    value = draw(st.integers(1 if field == IN_PORT else 0, most))
    if field in UNMASKED or draw(st.booleans()):
        return field(value)
    mask = draw(st.integers(1, full - 1))
    return field(value & mask, mask)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    table = draw(st.sampled_from(Table))
    kind = draw(st.sampled_from(list(OF_TYPE)))
    fields = draw(st.sets(st.sampled_from(ANYTHING + OF_TYPE[kind])))
    match = [draw(terms(field)) for field in sorted(fields)] + ([kind] if kind else [])
    settable = SETTABLE + (ARP_SETTABLE if kind == ETH_ARP else ())
    actions: list[Action] = [Meter(draw(st.sampled_from(METERS)).meter)] if draw(st.booleans()) else []
    for what in draw(st.lists(st.sampled_from((Set, Move, Output, OutputBy)), max_size=5)):
        if what is Set:
            field = draw(st.sampled_from(settable))
            most = 0xFF if field == ARP_OP else (1 << field.bits) - 1
            actions.append(Set(field, draw(st.integers(0, most))))
        elif what is Move:
            source, target = draw(st.sampled_from(settable)), draw(st.sampled_from(settable))
            actions.append(Move(source, target, draw(st.integers(1, min(source.bits, target.bits)))))
        elif what is Output:
            actions.append(Output(draw(st.sampled_from((1, 2, 3, 4, IN_PORT_NUMBER)))))
        else:
            actions.append(OutputBy(draw(st.sampled_from(REGISTERS))))
    later = [other for other in Table if other > table]
    if later and draw(st.booleans()):
        actions.append(Goto(draw(st.sampled_from(later))))
    cookie = pack(draw(st.sampled_from(Feature)), draw(st.integers(0, (1 << 48) - 1)))
    return flow(table, draw(st.integers(0, 0xFFFF)), match, actions, cookie)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(flows(), max_size=30, unique_by=lambda each: each.key))
def test_what_is_written_is_read(switch: Switch, wanted: list[Flow]) -> None:
    desired = contents(*wanted, meters=METERS)

    switch.apply(plan(switch.read(), desired))

    assert switch.read() == desired
    assert switch.foreign == 0


EXPLICIT = (
    flow(Table.CLASSIFY, 100, (IN_PORT(1), ETH_SRC(0x02C7AC0F2A01)), (Set(SEGMENT, 10), Goto(Table.SPOOF_GUARD)), COOKIE),
    flow(Table.CLASSIFY, 100, (IN_PORT(9),), (Move(TUN_ID, SEGMENT, 32), Goto(Table.L2_LOOKUP)), COOKIE),
    flow(Table.SPOOF_GUARD, 100, (ETH_IPV4, IPV4_SRC(IPv4Address("172.15.42.1"))), (Goto(Table.RATE_LIMIT),), COOKIE),
    flow(Table.SPOOF_GUARD, 100, (ETH_IPV6, IPV6_SRC(IPv6Address("fe80::"), (0x3FF << 118))), (), COOKIE),
    flow(Table.RATE_LIMIT, 100, (SENDER(0xFFFFFFFF),), (Meter(1), Goto(Table.ARP_RESPONDER)), COOKIE),
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


def test_many_flows_are_written_and_read_in_pieces(switch: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PIECE", 100)
    desired = contents(*(lookup(owner, segment=owner % 7) for owner in range(1000)), EXPLICIT[-1])

    switch.apply(plan(Contents(), desired))
    assert switch.read() == desired
    assert len(switch.live(None)) == 1001

    switch.apply(plan(desired, Contents()))
    assert switch.read() == Contents()


def test_a_switch_that_is_silent_is_gone(switch: Switch, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    switch.patience_s = 0.2
    monkeypatch.setattr(room, "PROBE_S", 0.2)
    sandbox.expect("Unreasonably long|context switches")
    pid = int((sandbox.run / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SwitchGoneError, match="did not answer in time"):
            switch.read()
        assert not switch.alive()
    finally:
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while not switch.alive():
        assert time.monotonic() < deadline, "it never comes back"
    assert switch.read() == Contents()


def test_a_lost_connection_is_told(sandbox: Sandbox, controller: Controller) -> None:
    sandbox.bridge(controller=controller.target)
    switch = controller.switch()

    sandbox.vsctl("del-controller", "br-int")

    assert controller.gone() is switch
    with pytest.raises(SwitchGoneError, match="is gone"):
        switch.read()


def test_a_second_bridge_with_the_dpid_is_refused(
    sandbox: Sandbox, controller: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.bridge("br-a", dpid=5, controller=controller.target)
    first = controller.switch()
    sandbox.bridge("br-b", dpid=5, controller=controller.target)
    deadline = time.monotonic() + 10
    while "a second bridge with dpid 0x0000000000000005" not in caplog.text:
        assert time.monotonic() < deadline
        hub.sleep(0.05)

    assert first.alive()
    assert controller.nobody_waits()

    sandbox.vsctl("del-controller", "br-a")
    assert controller.gone() is first
    second = controller.switch()
    assert second.dpid == 5
    assert second.read() == Contents()
    sandbox.vsctl("del-controller", "br-b")
    assert controller.gone() is second
