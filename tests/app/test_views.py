"""Names as people say them, and why a flow is there."""

import pytest

from app.desk import RefusedError
from app.openflow.codec import LiveEntry
from app.policy import Policy
from app.roster import Roster
from app.rules import Rules
from app.views import full_name, is_for, live_flow, resolve, said
from app.wire import EndpointReport
from flows.cookie import PIPELINE, Feature, pack
from flows.marker import marker
from flows.model import EndpointKey


def report(container: str, interface: str, name: str) -> EndpointReport:
    return EndpointReport(container=container, interface=interface, name=name, mac="02:c7:00:00:00:01", ofport=1)


WEB1 = EndpointKey("h1", "aaa", "eth0")
WEB1_SECOND = EndpointKey("h1", "aaa", "eth1")
WEB2 = EndpointKey("h1", "bbb", "eth0")
TWIN = EndpointKey("h2", "ccc", "eth0")
SPACE = EndpointKey("h2", "netns:probe", "eth0")
REPORTS = Roster(
    {
        WEB1: report("aaa", "eth0", "web1"),
        WEB1_SECOND: report("aaa", "eth1", "web1"),
        WEB2: report("bbb", "eth0", "web2"),
        TWIN: report("ccc", "eth0", "web2"),
        SPACE: report("netns:probe", "eth0", "netns:probe"),
    }.items()
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("web1:eth1", WEB1_SECOND),
        ("h1:web1:eth0", WEB1),
        ("h2:web2", TWIN),
        ("ccc", TWIN),
        ("netns:probe", SPACE),
        ("h2:netns:probe:eth0", SPACE),
    ],
)
def test_a_name_that_only_one_has(name: str, key: EndpointKey) -> None:
    assert resolve(name, REPORTS) == key


@pytest.mark.parametrize(
    ("name", "candidates"),
    [("web1", ["h1:web1:eth0", "h1:web1:eth1"]), ("web2", ["h1:web2:eth0", "h2:web2:eth0"])],
)
def test_a_name_that_several_have_is_told_who(name: str, candidates: list[str]) -> None:
    with pytest.raises(RefusedError) as refused:
        resolve(name, REPORTS)

    assert refused.value.status == 409
    assert refused.value.more["candidates"] == candidates


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(RefusedError) as refused:
        resolve("web9", REPORTS)

    assert refused.value.status == 404


def test_what_was_said_of_it_is_what_a_rule_holds() -> None:
    assert said("h1:web1:eth0", WEB1, REPORTS[WEB1]) == {"name": "web1", "host": "h1", "interface": "eth0"}
    assert said("web1:eth0", WEB1, REPORTS[WEB1]) == {"name": "web1", "interface": "eth0"}


@pytest.mark.parametrize(
    ("owner", "kind", "name"),
    [(1, "endpoint", "h1:web1:eth0"), (2, "network", "blue"), (3, "network", "default"), (PIPELINE, "pipeline", None)],
)
def test_why_a_flow_is_there(owner: int, kind: str, name: str | None) -> None:
    owners = {1: ("endpoint", str(WEB1)), 2: ("network", "5010"), 3: ("network", "1")}
    policy = Policy.model_validate({"networks": {"blue": {"vlan": 10, "vni": 5010}}})
    entry = LiveEntry(60, 100, "", "drop", pack(Feature.L2, owner), 0, 0, 0.0, None)

    flow = live_flow("h1", entry, owners, REPORTS, Rules.of(policy))

    assert (flow.feature, flow.owner_kind, flow.owner) == ("l2", kind, name)
    assert is_for(entry.cookie, owner)


def test_a_flow_of_somebody_else_has_no_reason() -> None:
    flow = live_flow("h1", LiveEntry(0, 1, "", "drop", 7, 0, 0, 0.0, None), {}, REPORTS, Rules.of(Policy()))

    assert (flow.feature, flow.owner_kind, flow.owner) == (None, None, None)


def test_the_full_name_of_one_that_is_gone() -> None:
    assert full_name(EndpointKey("h1", "zzz", "eth0"), REPORTS) == "h1:zzz:eth0"


def test_a_marker_is_the_pipelines_whatever_it_says() -> None:
    entry = LiveEntry(120, 0, "", "drop", marker(7).cookie, 0, 0, 0.0, marker(7))

    flow = live_flow("h1", entry, {7: ("endpoint", "h1/c1/eth0")}, REPORTS, Rules.of(Policy()))

    assert (flow.feature, flow.owner_kind, flow.owner) == ("marker", "pipeline", None)
    assert not is_for(entry.cookie, 7)
