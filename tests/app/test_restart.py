"""The law of the registry: at any moment a controller that starts anew knows and wants what this one does."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given, settings
from hypothesis import strategies as st

from app.desk import RefusedError
from app.policy import Assignment, Match, Policy
from app.registry import Registry
from app.store.sqlite import SqliteStore
from app.wire import EndpointReport, NetworkReport
from flows.model import EndpointKey, Tunnel
from flows.transition import same
from tests.app.test_registry import host, report

Step = Callable[[Registry], object]

reports = st.builds(
    report,
    st.integers(10, 13),
    vlan=st.sampled_from((10, 11)),
    ofport=st.integers(1, 3),
    name=st.sampled_from(("web1", "web2")),
    up_kbps=st.sampled_from((None, 1000)),
)
assignments = st.builds(
    Assignment,
    match=st.builds(Match, name=st.sampled_from(("web1", "web2")), host=st.sampled_from((None, "h1"))),
    vlan=st.sampled_from((None, 10, 11, 12)),
    down=st.sampled_from((None, "1mbit")),
)
networks = st.sampled_from(
    (
        {},
        {"blue": {"vlan": 10, "subnet": "172.15.42.0/24"}},
        {"blue": {"vlan": 10, "vni": 4010}, "green": {"vlan": 11}},
        {"blue": {"vlan": 10, "subnet": "10.0.0.0/24"}},
    )
)
names = st.sampled_from(("h1", "h2"))


def up(name: str, endpoint: EndpointReport, registry: Registry) -> None:
    if name in registry.hosts:
        registry.endpoint_up(EndpointKey(name, endpoint.container, "eth0"), endpoint)


def down(name: str, number: int, registry: Registry) -> None:
    registry.endpoint_down(EndpointKey(name, f"c{number}", "eth0"))


def whole_host(name: str, endpoints: list[EndpointReport], registry: Registry) -> None:
    once = {endpoint.container: endpoint for endpoint in endpoints}
    registry.host_up(name, host(int(name[1:]), *once.values()))


def tunnels(name: str, port: int, registry: Registry) -> None:
    if name in registry.hosts:
        registry.tunnels_up(name, {"h9": port})


def forget(name: str, registry: Registry) -> None:
    if name in registry.hosts:
        registry.forget_host(name)


def policy(nets: dict[str, object], assign: list[Assignment], registry: Registry) -> None:
    registry.replace_policy(Policy.model_validate({"networks": nets, "assign": assign}))


def heads(assign: list[Assignment], registry: Registry) -> None:
    registry.put_first(assign)


def docker(name: str, nets: list[NetworkReport], registry: Registry) -> None:
    if name in registry.hosts:
        registry.networks_up(name, list({net.vlan: net for net in nets}.values()))


declarations = st.builds(
    NetworkReport,
    vlan=st.sampled_from((10, 11)),
    vni=st.sampled_from((None, 4010, 12)),
    subnet=st.sampled_from((IPv4Network("172.15.42.0/24"), IPv4Network("10.0.0.0/24"))),
    gateway=st.sampled_from((None, IPv4Address("172.15.42.10"))),
    name=st.sampled_from((None, "blue", "Proj_net")),
).filter(lambda net: net.gateway is None or net.gateway in net.subnet)


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(partial, st.just(up), names, reports),
    st.builds(partial, st.just(down), names, st.integers(10, 13)),
    st.builds(partial, st.just(whole_host), names, st.lists(reports, max_size=3)),
    st.builds(partial, st.just(tunnels), names, st.integers(1, 2)),
    st.builds(partial, st.just(forget), names),
    st.builds(partial, st.just(policy), networks, st.lists(assignments, max_size=2)),
    st.builds(partial, st.just(docker), names, st.lists(declarations, max_size=2)),
    st.builds(partial, st.just(heads), st.lists(assignments, min_size=1, max_size=2)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=12))
def test_a_restart_at_any_moment_changes_nothing(taken: list[Step]) -> None:
    store = SqliteStore(":memory:")
    registry = Registry(store, Tunnel.VXLAN)

    for step in taken:
        with suppress(RefusedError):
            step(registry)
        told = registry.snapshot()
        again = Registry(store, Tunnel.VXLAN)
        fresh = again.snapshot()

        assert same(fresh, told)
        assert (fresh.members, fresh.local, fresh.generation) == (told.members, told.local, told.generation)
        assert (again.rules.policy, again.rules.networks) == (registry.rules.policy, registry.rules.networks)
        assert list(again.reports.items()) == list(registry.reports.items())
        assert again.arrangement.refused.keys() == registry.arrangement.refused.keys()
        assert again.ids.things == registry.ids.things
