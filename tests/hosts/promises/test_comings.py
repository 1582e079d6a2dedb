"""Containers that come and go beside a stream: an attach is a change of devices, ports and flows on both hosts."""

from scripts.lab import Lab
from scripts.lab.measure import Box, start_box
from tests.hosts.people import connect, containet
from tests.hosts.promises.watched import watched

TIMES = 5


def test_containers_that_come_and_go_cost_the_others_no_packet(lab: Lab, pair: tuple[Box, Box]) -> None:
    boxes = [start_box(host, f"guest{number}") for number, host in enumerate(lab.hosts, 1)]
    with watched(lab, pair) as stream:
        for _ in range(TIMES):
            for number, box in enumerate(boxes, 1):
                connect(box, f"172.15.42.{10 + number}/24", "--vlan", "10")
                containet(box.host, "disconnect", box.name)

    assert stream.lost == 0, stream
