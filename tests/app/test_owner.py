"""The owner with everything behind it but the wire: when is a change called applied, and who is waited for."""

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from os_ken.lib import hub

from app.config import Config
from app.desk import Change, RefusedError
from app.openflow.monitor import Drifted, Missed, What
from app.openflow.watch import Listener
from app.owner import Owner
from app.policy import Policy
from app.store.sqlite import SqliteStore
from app.wire import (
    Admitted,
    Ask,
    Coming,
    Done,
    Drift,
    EndpointDown,
    EndpointUp,
    HostUp,
    Outcome,
    ShaperWant,
)
from flows.cookie import Feature, unpack
from flows.flow import Contents
from flows.model import Tunnel
from tests.app.test_registry import host, key, report
from tests.app.test_rollout import Twin


class Switch(Twin):
    """A switch with a dpid."""

    def __init__(self, dpid: int) -> None:
        super().__init__()
        self.dpid = dpid
        self.listeners: list[Listener] = []

    def watch(self, listener: Listener) -> None:
        self.listeners.append(listener)


class Bench:
    """An owner, two hosts whose helpers do at once whatever is wanted, and their switches."""

    def __init__(self) -> None:
        config = Config(state=":memory:", tunnel=Tunnel.VXLAN, settle=60, wsapi_hosts=(), wsapi_port=0)
        self.owner = Owner(config, SqliteStore(":memory:"))
        self.owner.start()
        self.switches = {1: Switch(1), 2: Switch(2)}
        self.wanted: dict[tuple[str, str], object] = {}  # by host and key, as its helper was told last
        self.sessions = {
            "h1": self.owner.host_up("h1", host(1, report(10))).session,
            "h2": self.owner.host_up("h2", host(2, report(11))).session,
        }
        for switch in self.switches.values():
            self.owner.switch_up(switch)  # type: ignore[arg-type]
        for name, session in self.sessions.items():
            hub.spawn(self._help, name, session)
        hub.sleep(0.2)

    def _help(self, name: str, session: int) -> None:
        for want in self.owner.wants(name, session):
            if want is not None:
                self.wanted[name, want.key] = want.body
                self.owner.done(name, session, Done(key=want.key, generation=want.generation))

    def up(self, at: str, number: int, **more: object) -> tuple[str, ...]:
        """An endpoint comes; who is pending."""
        event = EndpointUp(endpoint=report(number, **more))  # type: ignore[arg-type]
        return self.owner.heard(at, self.sessions[at], event).pending

    def come(self, at: str, number: int, **more: object) -> Iterator[Admitted | Outcome]:
        """An endpoint comes at once, if it may; what is said of that."""
        said = report(number, **more)  # type: ignore[arg-type]
        ask = Ask(address=str(said.address), **said.model_dump(include=Ask.model_fields.keys() - {"address"}))
        return self.owner.come(at, self.sessions[at], Coming(ask=ask, ofport=said.ofport))

    def lose(self, dpid: int) -> None:
        """A switch goes away."""
        self.owner.switch_down(self.switches[dpid])  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_change_is_applied_when_all_have_it(bench: Bench) -> None:
    outcome = bench.owner.assign(["web10", "web11"], Change(vlan=20, up="1mbit"))

    assert outcome.pending == ()
    assert {view.vlan for view in bench.owner.endpoints()} == {20}
    assert {view.state for view in bench.owner.endpoints()} == {"up"}


def test_who_is_away_is_named_and_catches_up(bench: Bench) -> None:
    bench.lose(2)

    assert bench.owner.assign(["web10", "web11"], Change(vlan=20)).pending == ("h2",)
    assert bench.owner.assign(["web10", "web11"], Change(vlan=20)).pending == ("h2",), "said again, it is so still"

    bench.owner.switch_up(bench.switches[2])  # type: ignore[arg-type]
    hub.sleep(0.3)
    assert bench.owner.assign(["web10", "web11"], Change(vlan=20)).pending == ()


def test_an_attach_elsewhere_does_not_wait_for_an_old_move(bench: Bench) -> None:
    bench.lose(2)
    bench.owner.assign(["web10", "web11"], Change(vlan=20))

    assert bench.up("h1", 12, vlan=33) == ()


def test_the_address_of_one_that_cannot_leave_stops_no_host(bench: Bench) -> None:
    bench.lose(1)
    bench.owner.assign(["web10"], Change(vlan=20))

    bench.up("h2", 10, container="new", name="new", ofport=30)

    assert all(view.errors == () for view in bench.owner.hosts())


def test_a_host_with_another_bridge_has_not_what_the_old_one_has(bench: Bench) -> None:
    said = HostUp(dpid=99, vtep=IPv4Address(1), underlay_mtu=1500, endpoints=(report(10),))
    bench.sessions["h1"] = bench.owner.host_up("h1", said).session
    hub.spawn(bench._help, "h1", bench.sessions["h1"])

    assert bench.up("h1", 12) == ("h1",)


def test_a_want_that_failed_is_not_applied(bench: Bench) -> None:
    bench.owner._lines["h1"].book.errors["shaper/c10/eth0"] = "no such device"

    assert bench.owner.assign(["web10"], Change(vlan=20)).pending == ("h1",)
    assert bench.owner.hosts()[0].errors == ("no such device",)


def test_what_comes_at_once_has_its_flows_before_it_is_reported(bench: Bench) -> None:
    said = bench.come("h1", 12, down_kbps=1000)
    admitted = next(said)
    hub.sleep(0.2)

    assert isinstance(admitted, Admitted)
    assert admitted.endpoint == report(12, down_kbps=1000)
    owner = bench.owner.intent.endpoints[key(12)].owner
    assert any(unpack(flow.cookie) == (Feature.OUTPUT, owner) for flow in bench.switches[1].contents.flows.values())
    assert ("h1", "shaper/c12/eth0") not in bench.wanted, "it is held to what it was admitted with by itself"

    (outcome,) = said
    assert isinstance(outcome, Outcome)
    assert outcome.pending == ()
    generation = bench.owner.intent.generation
    assert bench.up("h1", 12, down_kbps=1000) == ()
    assert bench.owner.intent.generation == generation, "nothing is new"


def test_a_rate_that_changed_since_it_was_admitted_is_wanted(bench: Bench) -> None:
    tuple(bench.come("h1", 12, down_kbps=1000))

    bench.owner.assign(["web12"], Change(down="2mbit"))

    shaper = bench.wanted["h1", "shaper/c12/eth0"]
    assert isinstance(shaper, ShaperWant)
    assert shaper.down_kbps == 2000


def test_who_may_not_come_comes_not(bench: Bench) -> None:
    before = bench.owner.intent

    with pytest.raises(RefusedError, match="web11"):
        next(bench.come("h1", 11, container="other", name="other"))
    bench.sessions["h1"] -= 1
    with pytest.raises(RefusedError, match="not the newest"):
        next(bench.come("h1", 12))

    assert bench.owner.intent.endpoints == before.endpoints


def test_a_refused_change_changes_nothing(bench: Bench) -> None:
    before = bench.owner.policy

    with pytest.raises(RefusedError, match="web9"):
        bench.owner.assign(["web10", "web9"], Change(vlan=20))

    assert bench.owner.policy == before
    assert {view.vlan for view in bench.owner.endpoints()} == {10}


def test_a_rate_that_nothing_would_hold_is_refused(bench: Bench) -> None:
    bench.up("h1", 12, behind="docker0")
    before = bench.owner.policy

    with pytest.raises(RefusedError, match="behind the Linux bridge docker0"):
        bench.owner.assign(["web10", "web12"], Change(down="1mbit"))

    assert bench.owner.policy == before
    assert bench.owner.assign(["web12"], Change(up="1mbit", down="none")).pending == ()


def test_a_host_that_is_connected_is_not_deleted(bench: Bench) -> None:
    with pytest.raises(RefusedError, match="h1 is connected"):
        bench.owner.forget_host("h1")


def test_a_host_that_is_gone_is_deleted_with_all_it_had(bench: Bench) -> None:
    bench.lose(2)
    bench.owner.host_up("h2", host(2, report(11)))  # its stream is not open
    hub.sleep(0)

    assert bench.owner.forget_host("h2").pending == ()
    assert [view.name for view in bench.owner.hosts()] == ["h1"]
    assert [view.name for view in bench.owner.endpoints()] == ["web10"]


def since_then(bench: Bench, number: int) -> list[tuple[str, str | None, str | None]]:
    """What happened after this: kind, host, endpoint."""
    return [(each.kind.value, each.host, each.endpoint) for each in bench.owner.events(number, None)]


def last(bench: Bench) -> int:
    return bench.owner.events(None, None)[-1].number


def test_who_comes_and_goes_is_told(bench: Bench) -> None:
    assert {(each.kind.value, each.host) for each in bench.owner.events(None, None)} == {
        (kind, host) for kind in ("helper-up", "switch-up") for host in ("h1", "h2")
    }
    start = last(bench)

    bench.up("h1", 12)
    bench.up("h1", 12, ofport=40)  # it only changed
    bench.owner.heard("h1", bench.sessions["h1"], EndpointDown(container="c12", interface="eth0"))
    bench.lose(2)
    bench.owner.switch_up(bench.switches[2])  # type: ignore[arg-type]
    bench.sessions["h2"] = bench.owner.host_up("h2", host(2, report(11))).session

    assert since_then(bench, start) == [
        ("endpoint-up", "h1", "h1:web12:eth0"),
        ("endpoint-down", "h1", "h1:web12:eth0"),
        ("switch-down", "h2", None),
        ("switch-up", "h2", None),
        ("helper-up", "h2", None),
    ]


def test_a_helper_that_goes_is_told(bench: Bench) -> None:
    session = bench.sessions["h1"] = bench.owner.host_up("h1", host(1, report(10))).session
    stream = bench.owner.wants("h1", session)
    next(stream)
    start = last(bench)

    stream.close()  # type: ignore[attr-defined]

    assert since_then(bench, start) == [("helper-down", "h1", None)]


def test_what_people_want_is_told(bench: Bench) -> None:
    start = last(bench)

    bench.owner.assign(["web10"], Change(vlan=20, up="1mbit"))
    bench.owner.assign(["web10", "web11"], Change(vlan=30))
    bench.owner.replace_policy(Policy())

    one, two, all_of_it = bench.owner.events(start, None)
    assert (one.kind.value, one.host, one.endpoint, one.what) == (
        "policy",
        "h1",
        "h1:web10:eth0",
        "h1:web10:eth0: VLAN 20, up 1mbit",
    )
    assert (two.host, two.endpoint, two.what) == (None, None, "h1:web10:eth0, h2:web11:eth0: VLAN 30")
    assert all_of_it.what == "the policy was replaced"


def test_drift_is_put_right_and_told(bench: Bench) -> None:
    switch = bench.switches[1]
    wanted, switch.contents = switch.contents, Contents()
    flow = next(each for each in wanted.flows.values() if each.cookie & 0xFFFF)
    start = last(bench)

    for news in [Drifted(What.REMOVED, True, flow, flow.cookie, "", "deleted")] * 30 + [Missed()]:
        switch.listeners[-1](news)
    hub.sleep(0.3)

    assert switch.contents == wanted
    told = since_then(bench, start)
    assert told[0] == ("drift", "h1", "h1:web10:eth0")
    assert [kind for kind, _, _ in told] == ["drift"] * 20 + ["repaired"], "not each of so many by itself"
    assert "(31 changes and more)" in bench.owner.events(None, None)[-1].what


def test_a_foreign_flow_is_told_and_nothing_is_done(bench: Bench) -> None:
    switch, start = bench.switches[1], last(bench)
    switch.changes.clear()

    for what in (What.ADDED, What.REMOVED):
        switch.listeners[-1](Drifted(what, False, None, 5, "table=0", "added"))
    hub.sleep(0.2)

    assert since_then(bench, start) == [("foreign", "h1", None)]
    assert not switch.changes


def test_drift_in_ovsdb_is_told(bench: Bench) -> None:
    start = last(bench)

    for repaired in (False, True):
        bench.owner.heard("h1", bench.sessions["h1"], Drift(what="port gone", repaired=repaired))

    assert [kind for kind, _, _ in since_then(bench, start)] == ["drift", "drift", "repaired"]


def test_what_a_helper_cannot_do_is_told(bench: Bench) -> None:
    start = last(bench)
    bench.owner.done("h1", bench.sessions["h1"], Done(key="tunnels", generation=0, error="no such device"))

    (told,) = bench.owner.events(start, None)
    assert (told.kind.value, told.host, told.what) == ("refused", "h1", "tunnels: no such device")
