"""`/stats` of a real bridge, asked in OpenFlow 1.5, beside Ryu's own words for it, asked in 1.3 at the same time."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from falcon import testing
from os_ken.lib import ofctl_v1_3
from os_ken.ofproto import ofproto_v1_3, ofproto_v1_5
from os_ken.ofproto import ofproto_v1_3_parser as parser13

from app.api import problems, stats
from tests.system.conftest import Sandbox
from tests.system.openflow import Connection
from tests.system.stats_bridge import FLOWS, GROUPS, METERS, WORDLESS

DPID = 0x1234
GOLDEN = Path(__file__).parents[1] / "flows" / "golden"
SUBTYPE_BYTES = 2
CLOCKS = {"duration_sec", "duration_nsec"}
LLDP_FRAME = "0180c200000e02000000000188cc" + "00" * 46
PATHS: dict[str, Callable[..., Any]] = {  # our path, and what Ryu calls for it
    "desc": ofctl_v1_3.get_desc_stats,
    "table": ofctl_v1_3.get_table_stats,
    "tablefeatures": ofctl_v1_3.get_table_features,
    "port": ofctl_v1_3.get_port_stats,
    "portdesc": ofctl_v1_3.get_port_desc,
    "queue": ofctl_v1_3.get_queue_stats,
    "queueconfig": ofctl_v1_3.get_queue_config,
    "meter": ofctl_v1_3.get_meter_stats,
    "meterconfig": ofctl_v1_3.get_meter_config,
    "meterfeatures": ofctl_v1_3.get_meter_features,
    "group": ofctl_v1_3.get_group_stats,
    "groupdesc": ofctl_v1_3.get_group_desc,
    "groupfeatures": ofctl_v1_3.get_group_features,
    "role": ofctl_v1_3.get_role,
}
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"table_id": 10},
    {"table_id": "ALL", "out_port": "CONTROLLER"},
    {"out_port": 2},
    {"out_group": "1"},
    {"cookie": "0xc0ffee", "cookie_mask": "0xffffff"},
    {"cookie": 12648430, "cookie_mask": 0xFF},
    {"priority": 1},
    {"priority": -1, "table_id": "0x14"},
    {"match": {"in_port": "LOCAL"}},
    {"match": {"in_port": 1, "dl_vlan": 5}},
    {"match": {"dl_vlan": "0x1000/0x1000"}},
    {"match": {"dl_vlan": "0x0000"}},
    {"match": {"dl_type": 2048, "nw_dst": "10.1.1.0/24"}},
    {"match": {"dl_type": "0x800", "nw_src": "10.1.2.3/255.0.0.0"}},
    {"match": {"eth_type": 2048, "ip_proto": 6, "tp_src": "80"}},
    {"match": {"dl_type": 2048, "nw_proto": 17, "tp_dst": 53}},
    {"match": {"dl_type": 2054, "nw_src": "1.1.1.1"}},
    {"match": {"dl_type": 34525, "ipv6_src": "fe80::/64"}},
    {"match": {"dl_dst": "01:00:00:00:00:00/01:00:00:00:00:00"}},
    {"match": {"metadata": "0x5/0xff"}},
    {"match": {"tunnel_id": 100}},
)


@pytest.fixture(scope="module")
def switch() -> Iterator[Sandbox]:
    """One for all tests here: only what they add to its flows do they take away again."""
    made = Sandbox()
    try:
        made.start()
        made.bridge(dpid=DPID, ports=2)
        for meter in METERS:
            made.ofctl("add-meter", "br-int", meter)
        for group in GROUPS:
            made.ofctl("add-group", "br-int", group)
        yield made
    finally:
        made.stop()


@pytest.fixture
def ryu(switch: Sandbox) -> Iterator[Connection]:
    connection = Connection(switch.run / "br-int.mgmt", ofproto_v1_3.OFP_VERSION)
    yield connection
    connection.close()


@pytest.fixture
def ours(switch: Sandbox) -> Iterator[Connection]:
    connection = Connection(switch.run / "br-int.mgmt", ofproto_v1_5.OFP_VERSION)
    yield connection
    connection.close()


@pytest.fixture
def client(ours: Connection) -> testing.TestClient:
    app = problems.App()
    problems.install(app, ())
    stats.add_routes(app, lambda: {DPID: ours})
    return testing.TestClient(app)


@pytest.fixture
def flows(switch: Sandbox) -> None:
    switch.ofctl("add-flows", "br-int", "-", stdin="\n".join(FLOWS))


@pytest.fixture(autouse=True)
def flows_removed(switch: Sandbox) -> Iterator[None]:
    yield
    switch.ofctl("del-flows", "br-int")


@pytest.fixture
def ryu_keeps_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ryu wants to show the bytes of an action that it has no words for, but has thrown them away: let it have them."""
    parse = parser13.NXAction.parse

    def keep(buf: bytes) -> Any:
        action = parse(buf)
        action.data = buf[SUBTYPE_BYTES:]
        return action

    monkeypatch.setattr(parser13.NXAction, "parse", staticmethod(keep))


def timeless(value: Any) -> Any:
    """Without what counts the time, which goes on between two questions."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in CLOCKS}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def keys(value: Any) -> Any:
    """The names and kinds of everything, clocks too."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return [keys(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def same(got: Any, wanted: Any) -> None:
    assert timeless(got) == timeless(wanted)
    assert keys(got) == keys(wanted)


@pytest.mark.parametrize("path", PATHS)
def test_whole_lists_are_ryus(path: str, client: testing.TestClient, ryu: Connection) -> None:
    answer = client.simulate_get(f"/stats/{path}/{DPID}")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json[str(DPID)]
    same(answer.json, PATHS[path](ryu, ryu.waiters))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        *[("port", said) for said in ("1", "0x2", "ALL", "9")],
        *[("queue", said) for said in ("1", "ALL/0", "1/0", "ALL/ALL", "1/7", "9")],
        *[("queueconfig", said) for said in ("1", "ALL")],
        *[("meter", said) for said in ("2", "ALL", "9")],
        *[("meterconfig", said) for said in ("1", "ALL", "9")],
        *[("group", said) for said in ("3", "ALL", "9")],
    ],
)
def test_parts_of_lists_are_ryus(path: str, asked: str, client: testing.TestClient, ryu: Connection) -> None:
    ids = [None if part == "ALL" else part for part in asked.split("/")]

    same(client.simulate_get(f"/stats/{path}/{DPID}/{asked}").json, PATHS[path](ryu, ryu.waiters, *ids))


@pytest.mark.parametrize("path", ["portdesc", "groupdesc"])
def test_what_1_3_cannot_ask_singly_is_the_whole_list(path: str, client: testing.TestClient, ryu: Connection) -> None:
    same(client.simulate_get(f"/stats/{path}/{DPID}/1").json, PATHS[path](ryu, ryu.waiters))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_reads_as_in_ryu(flow: str, switch: Sandbox, client: testing.TestClient, ryu: Connection) -> None:
    switch.ofctl("add-flow", "br-int", flow)

    got = client.simulate_get(f"/stats/flow/{DPID}").json
    assert len(got[str(DPID)]) == 1
    same(got, ofctl_v1_3.get_flow_stats(ryu, ryu.waiters))


@pytest.mark.usefixtures("ryu_keeps_bytes")
@pytest.mark.parametrize("listing", sorted(GOLDEN.glob("*.flows")), ids=lambda path: path.name)
def test_the_pipeline_reads_as_in_ryu(
    listing: Path, switch: Sandbox, client: testing.TestClient, ryu: Connection
) -> None:
    switch.install("br-int", listing.read_text())

    got = client.simulate_get(f"/stats/flow/{DPID}").json
    assert got[str(DPID)]
    same(got, ofctl_v1_3.get_flow_stats(ryu, ryu.waiters))


@pytest.mark.usefixtures("ryu_keeps_bytes")
@pytest.mark.parametrize("flow", WORDLESS)
def test_what_ryu_fails_on_is_shown_as_bytes(
    flow: str, switch: Sandbox, client: testing.TestClient, ryu: Connection
) -> None:
    switch.ofctl("add-flow", "br-int", flow)

    got = client.simulate_get(f"/stats/flow/{DPID}").json
    assert got[str(DPID)][0]["actions"][0].startswith(("NX_UNKNOWN: {subtype: ", "EXPERIMENTER: {experimenter:8992, "))
    same(got, ofctl_v1_3.get_flow_stats(ryu, ryu.waiters))


@pytest.mark.usefixtures("flows")
def test_flowdesc_is_flow(client: testing.TestClient) -> None:
    asked = {"json": {"table_id": 10}}
    flow = client.simulate_post(f"/stats/flow/{DPID}", **asked).json

    assert timeless(client.simulate_post(f"/stats/flowdesc/{DPID}", **asked).json) == timeless(flow)


@pytest.mark.usefixtures("flows")
@pytest.mark.parametrize("asked", FILTERS, ids=str)
def test_filters_find_what_ryus_find(asked: dict[str, Any], client: testing.TestClient, ryu: Connection) -> None:
    for path, ryus in (
        ("flow", ofctl_v1_3.get_flow_stats),
        ("aggregateflow", ofctl_v1_3.get_aggregate_flow_stats),
    ):
        got = client.simulate_post(f"/stats/{path}/{DPID}", json=asked).json
        assert got[str(DPID)]
        same(got, ryus(ryu, ryu.waiters, dict(asked, match=dict(asked.get("match", {})))))


@pytest.mark.usefixtures("flows")
def test_a_match_as_it_is_shown_can_be_asked_for(client: testing.TestClient) -> None:
    shown = client.simulate_get(f"/stats/flow/{DPID}").json[str(DPID)]
    for flow in shown:
        asked = {"table_id": flow["table_id"], "priority": flow["priority"], "match": flow["match"]}
        answer = client.simulate_post(f"/stats/flow/{DPID}", json=asked)
        assert answer.status_code == 200, (asked, answer.text)
        assert flow["match"] in [found["match"] for found in answer.json[str(DPID)]]


def test_packets_are_counted(switch: Sandbox, client: testing.TestClient, ryu: Connection) -> None:
    switch.ofctl("add-flow", "br-int", "table=0,in_port=1 actions=meter:1,goto_table:10")
    switch.ofctl("add-flow", "br-int", "table=10,in_port=1 actions=group:3")
    for _ in range(5):
        switch.appctl("netdev-dummy/receive", "p1", LLDP_FRAME)
    switch.appctl("revalidator/purge")  # pushes the counts of cached flows to their entries

    aggregate = client.simulate_get(f"/stats/aggregateflow/{DPID}").json
    assert aggregate == {str(DPID): [{"packet_count": 10, "byte_count": 600, "flow_count": 2}]}
    same(aggregate, ofctl_v1_3.get_aggregate_flow_stats(ryu, ryu.waiters))
    same(client.simulate_get(f"/stats/flow/{DPID}").json, ofctl_v1_3.get_flow_stats(ryu, ryu.waiters))
    for path in ("table", "port", "group", "meter"):
        same(client.simulate_get(f"/stats/{path}/{DPID}").json, PATHS[path](ryu, ryu.waiters))


@pytest.mark.usefixtures("flows")
def test_a_list_read_in_pieces_is_the_same_list(client: testing.TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> list[Any]:
        return sorted(timeless(client.simulate_get(f"/stats/flow/{DPID}").json[str(DPID)]), key=str)

    whole = read()
    assert len(whole) == len(FLOWS)
    monkeypatch.setattr(stats, "PIECE", len(FLOWS) - 1)
    assert read() == whole


def test_the_bridges_are_listed(client: testing.TestClient) -> None:
    assert client.simulate_get("/stats/switches").json == [DPID]


def test_a_match_that_the_bridge_refuses_is_the_callers_error(client: testing.TestClient) -> None:
    answer = client.simulate_post(f"/stats/flow/{DPID}", json={"match": {"nw_dst": "10.0.0.1"}})

    assert answer.status_code == 400
    assert "OFPBMC_BAD_PREREQ" in answer.json["detail"]


def test_a_silent_bridge_is_a_504(switch: Sandbox, client: testing.TestClient, ours: Connection) -> None:
    pid = int((switch.run / "ovs-vswitchd.pid").read_text())
    ours.wait_at_most(0.2)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = client.simulate_get(f"/stats/desc/{DPID}")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert answer.status_code == 504
    assert answer.json["type"] == "urn:containet:problem:bridge-silent"
