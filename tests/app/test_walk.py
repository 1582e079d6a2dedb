"""Registry, rollout and lines to the helpers on a walk: whatever happens in whichever order, all ends as compiled anew.

Switches come and go, helpers report and are forgotten, people move, limit and write policies, controllers restart in
the middle of a step. At the end each switch has what is compiled, each helper what is wanted, and nobody notices if the
controller restarts once more.
"""

from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app import helpers
from app.desk import RefusedError
from app.helpers import Lines
from app.policy import Assignment, Match, Policy
from app.registry import Registry
from app.rollout import Rollout
from app.store.sqlite import SqliteStore
from app.wanted import SETTLE, wants
from app.wire import EndpointReport, GatewayWant, HostUp
from flows.marker import digesting, mark
from flows.model import EndpointKey, Role, Tunnel
from flows.pipeline import compile_bridge
from flows.work import done
from tests.app.test_registry import report
from tests.app.test_rollout import Twin

NAMES = ("h1", "h2", "h3")
POLICIES: tuple[dict[str, object], ...] = (
    {},
    {"networks": {"blue": {"vlan": 10, "subnet": "172.15.42.0/24", "gateway": "172.15.42.254"}}},
    {"networks": {"blue": {"vlan": 10, "vni": 4010}}},
    {"networks": {"green": {"vlan": 11, "subnet": "172.15.42.0/24", "gateway": "172.15.42.253"}}},
)
ENOUGH = 40  # steps until everybody has arrived

hosts, vlans, numbers = st.sampled_from(NAMES), st.sampled_from((10, 11)), st.integers(10, 14)
reports = st.builds(
    lambda number, vlan, ofport, up: report(number, vlan=vlan, ofport=ofport, up_kbps=up),
    numbers, vlans, st.integers(1, 4), st.sampled_from((None, 1000)),
)  # fmt: skip


class Walk(RuleBasedStateMachine):
    """One controller after another over one store, and the three switches."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for waiting in ("LOWER_S", "SETTLE_S"):
            self.patch.setattr(helpers, waiting, 0.0)
        self.store = SqliteStore(":memory:")
        self.switches = {name: Twin() for name in NAMES}
        self.born(sweeping=True)

    def born(self, *, sweeping: bool) -> None:
        self.registry = Registry(self.store, Tunnel.VXLAN)
        self.lines = Lines(lambda: self.registry.mtu)
        self.rollout = Rollout(self.registry.begun(), self.lines, self.registry.keep_step, 0.0)
        self.aim()
        if sweeping:
            self.rollout.sweep()

    def aim(self) -> None:
        self.rollout.aim(self.registry.snapshot())

    def hears(self, host: str, said: HostUp) -> None:
        self.registry.host_up(host, said)
        self.lines.begin(host)
        self.aim()
        self.rollout.connected(host, self.switches[host])

    def hears_again(self, host: str) -> None:
        if host in self.registry.hosts:
            known = tuple(self.registry.reports[key] for key in self.registry.reports.of_host(host))
            self.hears(host, self.registry.hosts[host].model_copy(update={"endpoints": known}))

    @rule(host=hosts, found=st.lists(reports, max_size=3, unique_by=lambda each: each.container), near=st.sets(hosts),
          mtu=st.sampled_from((1400, 1500)), moved=st.booleans())  # fmt: skip
    def a_helper_reports(self, host: str, found: list[EndpointReport], near: set[str], mtu: int, moved: bool) -> None:
        number = NAMES.index(host) + 1
        with suppress(RefusedError):
            self.hears(
                host,
                HostUp(
                    dpid=number,
                    vtep=IPv4Address(number + 100 * moved),
                    underlay_mtu=mtu,
                    tunnels={peer: 100 + NAMES.index(peer) for peer in sorted(near - {host})},
                    endpoints=tuple(found),
                ),
            )

    @rule(host=hosts)
    def a_helper_reports_the_same(self, host: str) -> None:
        self.hears_again(host)

    @rule(host=hosts)
    def a_host_is_forgotten(self, host: str) -> None:
        if host in self.registry.hosts:
            self.registry.forget_host(host)
            self.lines.forget(host)
            self.rollout.disconnected(host, self.switches[host])
            self.switches[host] = Twin()
            self.aim()

    @rule(host=hosts, said=reports)
    def an_endpoint_comes(self, host: str, said: EndpointReport) -> None:
        if host in self.registry.hosts:
            with suppress(RefusedError):
                self.registry.endpoint_up(EndpointKey(host, said.container, "eth0"), said)
            self.aim()

    @rule(host=hosts, number=numbers)
    def an_endpoint_goes(self, host: str, number: int) -> None:
        self.registry.endpoint_down(EndpointKey(host, f"c{number}", "eth0"))
        self.aim()

    @rule(host=hosts, vlan=vlans, there=st.booleans())
    def a_gateway_comes_or_goes(self, host: str, vlan: int, there: bool) -> None:
        key = EndpointKey(host, f"gateway:{vlan}", f"gw{vlan}")
        more = {"container": key.container, "interface": key.interface, "role": Role.GATEWAY, "ofport": 50 + vlan}
        with suppress(RefusedError):
            if not there:
                self.registry.endpoint_down(key)
            elif host in self.registry.hosts:
                self.registry.endpoint_up(key, report(254, vlan=vlan, **more))
        self.aim()

    @rule(number=numbers, vlan=st.sampled_from((10, 11, 12)), down=st.sampled_from((None, "1mbit")))
    def somebody_is_moved(self, number: int, vlan: int, down: str | None) -> None:
        with suppress(RefusedError):
            self.registry.put_first([Assignment(match=Match(name=f"web{number}"), vlan=vlan, down=down)])
        self.aim()

    @rule(policy=st.sampled_from(POLICIES))
    def the_policy_is_another(self, policy: dict[str, object]) -> None:
        with suppress(RefusedError):
            self.registry.replace_policy(Policy.model_validate(policy))
        self.aim()

    @rule(host=hosts)
    def a_switch_connects_again(self, host: str) -> None:
        if host in self.registry.hosts:
            self.rollout.disconnected(host, self.switches[host])
            self.rollout.connected(host, self.switches[host])

    @rule(steps=st.sampled_from((1, 2, 30)))
    def time_goes_by(self, steps: int) -> None:
        for _ in range(steps):
            self.rollout.advance()

    @rule(sweeping=st.booleans(), heard=st.sets(hosts))
    def the_controller_restarts(self, sweeping: bool, heard: set[str]) -> None:
        self.born(sweeping=sweeping)
        for host in sorted(heard):
            self.hears_again(host)
        self.rollout.sweep()

    def teardown(self) -> None:
        try:
            self.arrive()
            for host in self.registry.hosts:
                self.holds(host)
            self.is_not_noticed()
        finally:
            self.patch.undo()
            self.store.close()

    def arrive(self) -> None:
        for host in self.registry.hosts:
            if self.rollout.bridge(host) is None:
                self.rollout.connected(host, self.switches[host])
        for _ in range(ENOUGH):
            self.rollout.advance()
        assert self.rollout.current is self.rollout.target

    def holds(self, host: str) -> None:
        """The switch has what is compiled, and the helper is told what is wanted, and no more."""
        intent = self.registry.snapshot()
        compiled = compile_bridge(intent, host)
        marked = mark(done(digesting(intent, host)), len(compiled.flows) + 1)
        assert self.switches[host].contents == replace(compiled, mark=marked)
        assert self.rollout.stands(host, self.registry.generation), self.rollout.error(host)
        wanted = wants(intent, host, self.registry.mtu)
        told = {key: want.body for key, want in self.lines[host].book.standing.items() if key != SETTLE}
        leaving = {key for key, body in told.items() if isinstance(body, GatewayWant) and not body.present}
        assert {key: body for key, body in told.items() if key not in leaving - wanted.keys()} == wanted

    def is_not_noticed(self) -> None:
        """A controller that restarts when all is done changes nothing."""
        for switch in self.switches.values():
            switch.changes.clear()
        self.born(sweeping=False)
        for host in self.registry.hosts:
            self.rollout.connected(host, self.switches[host])
            self.hears_again(host)
        for _ in range(ENOUGH):
            self.rollout.advance()
        assert [switch.changes for switch in self.switches.values()] == [[], [], []]


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
