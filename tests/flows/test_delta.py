"""The short way gives what the long way gives: what differs, who is where, and the part of a bridge that changed."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.delta import delta
from flows.diff import Plan, plan
from flows.intent import Intent
from flows.model import Company, Mac
from flows.pipeline import compile_bridge, compile_change
from flows.transition import next_step, touched
from tests.flows.intents import NAMES, endpoint, hosts, intent, keeping


def successor(before: Intent, after: Intent) -> Intent:
    """The second, made from the first."""
    keys = before.endpoints.keys() | after.endpoints.keys()
    return before.changed(
        {key: after.endpoints.get(key) for key in keys if before.endpoints.get(key) != after.endpoints.get(key)},
        hosts=after.hosts,
        networks=after.networks,
        links=after.links,
        kept=after.kept,
        companies=after.companies,
    )


def unordered(change: Plan) -> Plan:
    return replace(change, add=tuple(sorted(change.add, key=str)), delete=tuple(sorted(change.delete, key=str)))


def check_change(before: Intent, after: Intent, alone: Intent) -> None:
    """`after` was made from `before`, `alone` says the same and was not."""
    for name in before.hosts.keys() & after.hosts.keys():
        part = unordered(plan(*compile_change(before, after, name)))
        whole = unordered(plan(compile_bridge(before, name), compile_bridge(alone, name)))
        assert part == whole
        assert not part or name in touched(before, after)


@settings(max_examples=200, deadline=None)
@given(keeping(), keeping())
def test_a_successor_says_the_same_as_one_made_anew(before: Intent, alone: Intent) -> None:
    _ = before.members, before.local  # known before, so carried over

    after = successor(before, alone)

    assert after.endpoints == alone.endpoints
    assert after.members == alone.members
    assert after.local == alone.local
    assert delta(before, after) == delta(before, alone)
    check_change(before, after, alone)


@settings(max_examples=100, deadline=None)
@given(keeping(), keeping(), keeping())
def test_cousins_differ_by_what_both_changed(root: Intent, one: Intent, other: Intent) -> None:
    left, right = successor(root, one), successor(successor(root, one), other)

    assert delta(left, right) == delta(one, other)
    assert delta(successor(root, one), successor(root, other)) == delta(one, other)


@settings(max_examples=100, deadline=None)
@given(keeping(), keeping())
def test_every_step_of_a_transition_is_compiled_alike_both_ways(before: Intent, target: Intent) -> None:
    current, target = before, successor(before, target)
    for _ in range(40):
        step = next_step(current, target)
        check_change(current, step, replace(step))
        current = step
    assert current is target


@st.composite
def elsewhere(draw: st.DrawFn) -> Intent:
    """An intent whose hosts have some of the tunnels, other ports, other owner ids; or are not there."""
    made = draw(keeping())
    known = {}
    for name, host in made.hosts.items():
        if name == "h1" or any(end.key.host == name for end in made.endpoints.values()) or draw(st.booleans()):
            tunnels = {peer: draw(st.sampled_from((port, port + 50))) for peer, port in host.tunnels.items()}
            some = {peer: port for peer, port in tunnels.items() if draw(st.booleans())}
            known[name] = replace(host, tunnels=some, owner=host.owner + draw(st.sampled_from((0, 10))))
    return replace(made, hosts=known)


@settings(max_examples=200, deadline=None)
@given(elsewhere(), elsewhere())
def test_hosts_that_come_go_and_change_are_compiled_alike_both_ways(before: Intent, alone: Intent) -> None:
    check_change(before, successor(before, alone), alone)


def test_what_a_company_hears_changes_with_its_members_and_with_others_behind_their_ports() -> None:
    mover, far = endpoint("h1", 1, 10, ofport=7, behind=True), endpoint("h2", 2, 10)
    company = {1: Company(frozenset({10, 20}), (mover.key, far.key))}
    before = replace(intent(mover, far, endpoint("h1", 4, 30), endpoint("h2", 5, 20)), companies=company)

    for changed in (
        replace(mover, ofport=8),
        replace(far, mac=Mac(9)),
        endpoint("h1", 3, 20, ofport=7, behind=True),
        endpoint("h1", 4, 20, ofport=7, behind=True),
    ):
        after = before.changed({changed.key: changed})
        check_change(before, after, replace(after))


def test_without_a_common_origin_all_is_compared() -> None:
    one, other = intent(endpoint("h1", 1, 10)), intent(endpoint("h1", 1, 20))

    assert delta(one, other).endpoints == one.endpoints.keys()
    assert delta(one, other).networks == {10, 20}


def test_a_tunnel_that_comes_changes_what_its_host_has() -> None:
    after = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10))
    h1 = replace(after.hosts["h1"], tunnels={})
    before = after.changed({}, hosts={**after.hosts, "h1": h1})

    assert delta(before, after).hosts == {"h1"}
    check_change(before, after, replace(after))


def test_a_host_that_comes_changes_what_its_peers_have() -> None:
    before = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10), names=NAMES[:2])
    after = before.changed({}, hosts=hosts(*NAMES))

    assert delta(before, after).peers == {"h3"}
    check_change(before, after, replace(after))
