"""What others change in a real bridge is told, each thing; what we change is not."""

from collections.abc import Iterator
from typing import Any

import pytest
from os_ken.lib import hub

from app.openflow import watch as room
from app.openflow.monitor import Drifted, Missed, News, What
from app.openflow.switch import Switch
from flows.cookie import Feature, pack
from flows.diff import Plan, plan
from flows.fields import ETH_DST, SEGMENT
from flows.flow import Contents, Flow, Goto, Meter, MeterEntry, Output, Set, flow
from flows.table import Priority, Table
from tests.system.conftest import Sandbox

HEARD_S = 5
METER = MeterEntry(1, 1000, 600)


def lookup(owner: int, *actions: Any) -> Flow:
    match = (SEGMENT(10), ETH_DST(0x02C7 << 32 | owner))
    return flow(Table.L2_LOOKUP, Priority.NORMAL, match, actions or (Output(1),), pack(Feature.L2, owner))


KEPT, METERED = lookup(1), lookup(2, Meter(1), Output(2))
DESIRED = Contents({each.key: each for each in (KEPT, METERED)}, {1: METER})


class Heard:
    """What a listener was told, in its order."""

    def __init__(self) -> None:
        self.news: Any = hub.Queue()

    def next(self) -> News:
        found: News = self.news.get(timeout=HEARD_S)
        return found

    def drift(self) -> Drifted:
        found = self.next()
        assert isinstance(found, Drifted)
        return found


@pytest.fixture
def heard(switch: Switch) -> Iterator[Heard]:
    """The bridge has two flows of ours and a meter, and somebody listens; who takes all that was told."""
    made = Heard()
    switch.watch(made.news.put)
    switch.apply(plan(switch.read(), DESIRED))
    yield made
    assert made.news.empty(), "somebody was told of more than there was"


def match(one: Flow) -> str:
    """Its table and match, as `ovs-ofctl --strict del-flows` reads them."""
    return f"table={int(one.table)},priority={one.priority}," + ",".join(map(str, one.match))


def test_a_deleted_flow(switch: Switch, sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("--strict", "del-flows", "br-int", match(KEPT))

    drift = heard.drift()
    assert (drift.what, drift.ours, drift.flow) == (What.REMOVED, True, KEPT)
    assert drift.words == f"a flow was deleted by somebody else: {KEPT}"
    switch.apply(plan(switch.read(), DESIRED))
    assert switch.read() == DESIRED


def test_an_altered_flow(switch: Switch, sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("--strict", "mod-flows", "br-int", f"{match(KEPT)},actions=output:3")

    drift = heard.drift()
    assert (drift.what, drift.flow) == (What.MODIFIED, lookup(1, Output(3)))
    assert drift.flow in switch.read().flows.values()

    sandbox.ofctl("--strict", "mod-flows", "br-int", f"{match(KEPT)},actions=push_vlan:0x8100,output:3")
    drift = heard.drift()
    assert (drift.what, drift.ours, drift.flow) == (What.MODIFIED, True, switch.read().flows[KEPT.key])


def test_an_added_flow_with_our_cookie(sandbox: Sandbox, heard: Heard) -> None:
    added = lookup(3, Set(ETH_DST, 5), Goto(Table.OUTPUT))

    sandbox.ofctl("add-flow", "br-int", str(added))

    drift = heard.drift()
    assert (drift.what, drift.ours, drift.flow, drift.cookie) == (What.ADDED, True, added, added.cookie)


def test_a_flow_with_our_cookie_that_this_version_does_not_make(sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("add-flow", "br-int", f"table=60,cookie={KEPT.cookie:#x},tcp,tcp_dst=80,actions=drop")

    drift = heard.drift()
    assert (drift.what, drift.ours, drift.flow) == (What.ADDED, True, None)
    assert drift.words.endswith(f"table=60,cookie={KEPT.cookie:#x},priority=32768")


def test_a_foreign_flow(sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("add-flow", "br-int", "table=5,cookie=0x12,priority=7,ip,actions=dec_ttl,output:2")
    sandbox.ofctl("del-flows", "br-int", "table=5")

    came, went = heard.drift(), heard.drift()
    assert (came.what, came.ours, came.cookie) == (What.ADDED, False, 0x12)
    assert came.words == "a flow that is not Containet's was added: table=5,cookie=0x12,priority=7"
    assert (went.what, went.ours) == (What.REMOVED, False)


def test_a_deleted_meter_and_its_flows(switch: Switch, sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("del-meter", "br-int", "meter=1")

    drifts = sorted((heard.drift(), heard.drift()), key=lambda each: each.what)
    assert [(each.what, each.flow) for each in drifts] == [(What.METER, None), (What.REMOVED, METERED)]
    assert drifts[0].words == "meter 1 was deleted by somebody else"
    switch.apply(plan(switch.read(), DESIRED))
    assert switch.read() == DESIRED


def test_a_meters_rate(sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("mod-meter", "br-int", "meter=1,kbps,burst,stats,bands=type=drop,rate=5,burst_size=9")

    assert heard.drift().words == "meter 1 was changed by somebody else"


def test_a_group(sandbox: Sandbox, heard: Heard) -> None:
    sandbox.ofctl("add-group", "br-int", "group_id=4,type=all,bucket=output:1")

    drift = heard.drift()
    assert (drift.what, drift.ours, drift.words) == (What.GROUP, False, "group 4 was added by somebody else")


def test_what_we_change_is_not_told(switch: Switch, heard: Heard) -> None:
    faster = MeterEntry(1, 2000, 900)

    switch.apply(Plan(change_meters=(faster,), add=(lookup(1, Output(4)), *map(lookup, range(10, 2000)))))
    switch.apply(plan(switch.read(), Contents()))

    assert switch.read() == Contents()
    assert heard.news.empty()


def test_too_much_is_told_as_too_much(
    switch: Switch, sandbox: Sandbox, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.apply(Plan(add=tuple(map(lookup, range(100, 4000)))))
    monkeypatch.setattr(room, "MOST_NEWS", 50)

    sandbox.ofctl("del-flows", "br-int")

    told = [heard.next()]
    while told[-1] != Missed():
        told.append(heard.next())
    assert switch.read().flows == {}
    while not heard.news.empty():
        heard.next()
