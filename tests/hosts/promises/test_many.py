"""Many flows are written, read and deleted under a stream, which the userspace datapath carries in the same thread.

The lab's buffers hold two seconds of the stream, so what is in the way for less than that makes it late and loses
nothing: the words of a stream say how late. That it is done in pieces is seen in tests/system/test_switch.py.
"""

from itertools import islice

from flows.cookie import Feature, pack
from flows.fields import ETH_DST, SEGMENT
from flows.table import Priority, Table
from scripts.lab import Lab, Machine
from scripts.lab.command import poll
from scripts.lab.measure import Box
from tests.hosts.promises.watched import flow_count, watched

MORE = 1000
LEFT, PIECE = 100_000, 10_000
WAIT_S = 60.0


def test_a_thousand_endpoints_that_are_declared_at_once_cost_no_packet(lab: Lab, pair: tuple[Box, Box]) -> None:
    """Those of a third host, which is declared and nothing else."""
    endpoints = [
        {
            "container": f"c{number}",
            "interface": "eth0",
            "name": f"more{number}",
            "mac": f"02:c8:00:00:{number >> 8:02x}:{number & 255:02x}",
            "ofport": number,
            "address": f"172.15.{64 + (number >> 8)}.{number & 255}/16",
            "vlan": 10,
        }
        for number in range(1, MORE + 1)
    ]
    vtep = str(lab.plan.subnet.network_address + 200)
    concerned = [box.host for box in pair]
    before = {host.name: flow_count(host) for host in concerned}
    with watched(lab, pair) as stream:
        status, said = lab.ask(
            "/v1/hosts/h9", "PUT", {"dpid": 9, "vtep": vtep, "underlay_mtu": 1500, "endpoints": endpoints}
        )
        assert status == 200, said
        there = poll(lambda: all(flow_count(host) > before[host.name] + MORE for host in concerned), WAIT_S)
        most = {host.name: flow_count(host) for host in concerned}
        assert lab.ask("/v1/hosts/h9", "DELETE")[0] in (200, 202)
        gone = poll(lambda: all(flow_count(host) < before[host.name] + 10 for host in concerned), WAIT_S)

    assert there, most
    assert gone
    assert stream.lost == 0, f"{most}, {stream}"


def leave(host: Machine) -> None:
    """So many flows of ours that nobody wants, in pieces that the switch can take beside its packets."""
    lines = (
        f"table={int(Table.L2_LOOKUP)},cookie={pack(Feature.L2, number):#x},priority={Priority.NORMAL},"
        f"{SEGMENT(99)},{ETH_DST(0x02C9 << 32 | number)},actions=goto_table:{int(Table.OUTPUT)}\n"
        for number in range(1, LEFT + 1)
    )
    while piece := "".join(islice(lines, PIECE)):
        host.exec("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "br-int", "-", text=piece)


def test_a_hundred_thousand_flows_that_are_left_over_are_read_and_deleted_beside_a_stream(
    lab: Lab, pair: tuple[Box, Box]
) -> None:
    host = lab["h1"]
    before = flow_count(host)
    lab.controller.kill("controller")
    leave(host)
    assert flow_count(host) == before + LEFT
    with watched(lab, pair) as stream:
        lab.serve()
        gone = poll(lambda: flow_count(host) == before, WAIT_S)

    assert gone, flow_count(host)
    assert stream.lost == 0, stream
