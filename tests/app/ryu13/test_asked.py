"""What is understood of a filter, and what is refused and how."""

import json
from typing import Any

import pytest

from app.desk import RefusedError
from app.ryu13 import asked
from app.ryu13.asked import FlowFilter, flow_filter

TAGGED = 0x1000


def said(**filters: Any) -> bytes:
    return json.dumps(filters).encode()


def test_nothing_said_is_all_flows() -> None:
    assert flow_filter(b"") == flow_filter(b"{}") == FlowFilter()


@pytest.mark.parametrize(
    ("match", "meant"),
    [
        ({"in_port": "LOCAL"}, {"in_port": 0xFFFFFFFE}),
        ({"in_port": "OFPP_CONTROLLER"}, {"in_port": 0xFFFFFFFD}),
        ({"in_port": "7"}, {"in_port": 7}),
        ({"dl_vlan": 10}, {"vlan_vid": TAGGED | 10}),
        ({"dl_vlan": "010"}, {"vlan_vid": TAGGED | 10}),
        ({"vlan_vid": "0x100a"}, {"vlan_vid": TAGGED | 10}),
        ({"dl_vlan": "0x1000/0x1000"}, {"vlan_vid": (TAGGED, TAGGED)}),
        ({"dl_src": "02:C7:0A:00:00:01"}, {"eth_src": "02:c7:0a:00:00:01"}),
        ({"dl_type": 2048, "nw_src": "10.1.0.0/16"}, {"eth_type": 2048, "ipv4_src": ("10.1.0.0", "255.255.0.0")}),
        ({"dl_type": "0x806", "nw_src": "10.1.0.1"}, {"eth_type": 2054, "arp_spa": "10.1.0.1"}),
        ({"nw_proto": 132, "tp_dst": 9}, {"ip_proto": 132, "sctp_dst": 9}),
        ({"ipv6_dst": "ff02::1/128"}, {"ipv6_dst": ("ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}),
        ({"reg0": "0x64"}, {"reg0": 100}),
        ({"reg0": "100/0xffff"}, {"reg0": (100, 0xFFFF)}),
    ],
)
def test_a_match_is_understood(match: dict[str, Any], meant: dict[str, Any]) -> None:
    assert dict(flow_filter(said(match=match)).match) == meant


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b'{"cookie": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "JSON object"),
        (said(tabel_id=1), "“tabel_id” is no filter"),
        (said(table_id=256), "table_id: “256”"),
        (said(table_id="l2_lookup"), "nor one of ALL"),
        (said(out_port="eth0"), "nor one of ALL, ANY, CONTROLLER"),
        (said(out_port=-1), "out_port: “-1”"),
        (said(out_group="NORMAL"), "nor one of ALL, ANY"),
        (said(cookie=1 << 64), "cookie:"),
        (said(cookie=1.5), "cookie: “1.5”"),
        (said(cookie=True), "cookie: “True”"),
        (said(cookie_mask=None), "cookie_mask: “None”"),
        (said(priority=65536), "priority: “65536”"),
        (said(match=[1]), "match: it is to be a JSON object"),
        (said(match={"dl_scr": "02:00:00:00:00:01"}), "Among those that there are: dl_src"),
        (said(match={"zzzz": 1}), "Among those that there are: dl_dst"),
        (said(match={"in_port": []}), "match.in_port: “[]”"),
        (said(match={"dl_src": "02:00"}), "match.dl_src: “02:00” is not understood"),
        (said(match={"dl_src": 5}), "match.dl_src: “5” is not understood"),
        (said(match={"dl_src": "02:00:00:00:00:01/24"}), "match.dl_src:"),
        (said(match={"dl_type": 65536}), "match.dl_type: “65536”"),
        (said(match={"dl_vlan": 4096}), "match.dl_vlan: “4096”"),
        (said(match={"dl_vlan": "²"}), "match.dl_vlan: “²”"),
        (said(match={"dl_vlan": "9" * 5000}), "match.dl_vlan: “999"),
        (said(match={"dl_vlan": "1/x"}), "match.dl_vlan: “x”"),
        (said(match={"nw_dst": "10.0.0.300"}), "match.nw_dst:"),
        (said(match={"nw_dst": "10.0.0.0/33"}), "match.nw_dst:"),
        (said(match={"ipv6_dst": "fe80::/x"}), "match.ipv6_dst:"),
        (said(match={"tp_dst": 80}), "tp_dst needs nw_proto"),
        (said(match={"tp_dst": 80, "nw_proto": 1}), "tp_dst needs nw_proto"),
        (said(match={"nw_dst": "10.0.0.1", "ipv4_dst": "10.0.0.2"}), "two of its names mean the same field"),
    ],
)
def test_what_is_not_understood_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        flow_filter(body)

    assert refused.value.status == 400
    assert why in refused.value.detail
    assert len(refused.value.detail) < 400


def test_the_other_parts_of_an_entry_are_passed_over() -> None:
    assert flow_filter(said(dpid=1, actions=["OUTPUT:2"], idle_timeout=0, table_id=3)) == FlowFilter(table_id=3)


@pytest.mark.parametrize(("text", "number"), [(None, 99), ("ALL", 99), ("7", 7), ("0x10", 16)])
def test_numbers_in_a_path(text: str | None, number: int) -> None:
    assert asked.item("port", text, 99) == number


@pytest.mark.parametrize("text", ["", "LOCAL", "-1", "1.0", "0x100000000", "007"])
def test_what_is_no_number_in_a_path(text: str) -> None:
    with pytest.raises(RefusedError, match="port: “"):
        asked.item("port", text, 99)
