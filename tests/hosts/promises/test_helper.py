"""A helper that is killed in the middle of what it does: all agree again once it is back, and nothing is left."""

import http.client
import json
import socket
import time
from typing import Any

from scripts.lab import Lab, Machine
from scripts.lab.command import poll
from scripts.lab.measure import Box, start_box
from scripts.lab.underlay import NIC
from tests.hosts.people import connect, containet, endpoints, has_interface, shaped
from tests.hosts.promises.watched import begin_change, watched

DELAYS_MS = (0, 4, 9, 16)  # from the call to the kill: to connect takes some 20 ms
AGREED_S = 10.0
ADDRESS = "172.15.42.3/24"


def begin(host: Machine, call: str, body: dict[str, Any]) -> http.client.HTTPConnection:
    """Ask the helper of that host, and do not wait for the answer."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(host.directory / "run/containet/helper.sock"))
    connection.request("POST", f"/v1/{call}", json.dumps(body), {"Content-Type": "application/json"})
    return connection


def kill_after(lab: Lab, host: Machine, delay_ms: int) -> None:
    """Kill the helper, and start it again."""
    time.sleep(delay_ms / 1000)
    host.kill("helper")
    lab.start(host.name, "helper")


def views(lab: Lab, box: Box) -> dict[str, list[str]]:
    """What of this host's containers each of them knows: `<id>/<interface>`, and of devices the names."""
    host = box.host
    records = host.exec("ovs-vsctl", "br-get-external-id", "br-int").stdout.splitlines()
    find = ("ovs-vsctl", "--bare", "find", "Port", "external_ids:containet-endpoint!=''")
    links = json.loads(host.exec("ip", "-json", "link", "show", "type", "veth").stdout)
    return {
        "records": sorted(each.partition("=")[0].removeprefix("endpoint/") for each in records if "endpoint/" in each),
        "ports": sorted(host.exec(*find[:2], "--columns=external_ids", *find[2:]).stdout.split()),
        "controller": sorted(
            f"{found['container']}/{found['interface']}"
            for found in endpoints(lab).values()
            if found["host"] == host.name
        ),
        "port devices": sorted(host.exec(*find[:2], "--columns=name", *find[2:]).stdout.split()),
        "devices": sorted(link["ifname"] for link in links if link["ifname"] != NIC),
    }


def disagreement(lab: Lab, box: Box) -> str:
    """What somebody knows that another does not, in words; empty if all agree."""
    seen = views(lab, box)
    ports = sorted(word.removeprefix("containet-endpoint=") for word in seen["ports"] if "containet-endpoint=" in word)
    alike = seen["records"] == ports == seen["controller"] and seen["port devices"] == seen["devices"]
    inside = has_interface(box) == any(known["name"] == box.name for known in endpoints(lab).values())
    busy = [found for found in lab.ask("/v1/hosts")[1] if found["pending"] or found["errors"]]
    return "" if alike and inside and not busy else f"{seen}, {box.name} has eth0: {has_interface(box)}, {busy}"


def agree(lab: Lab, box: Box, after: str) -> None:
    assert poll(lambda: not disagreement(lab, box), AGREED_S), f"after {after}: {disagreement(lab, box)}"


def test_killed_in_the_middle_of_what_it_does_it_leaves_nothing_and_nothing_is_missing(
    lab: Lab, pair: tuple[Box, Box]
) -> None:
    host = lab["h1"]
    box = start_box(host, "web3")
    with watched(lab, pair) as stream:
        for delay_ms in DELAYS_MS:
            asked = begin(host, "connect", {"container": "web3", "address": ADDRESS, "vlan": 10})
            kill_after(lab, host, delay_ms)
            agree(lab, box, f"connect and {delay_ms} ms")
            asked.close()
            connect(box, ADDRESS, "--vlan", "10")

            asked = begin_change(lab, ["web3"], up=f"{10 + delay_ms}mbit")
            kill_after(lab, host, delay_ms)
            agree(lab, box, f"limit and {delay_ms} ms")
            asked.close()
            assert shaped(box) == f"{10 + delay_ms}Mbit"

            asked = begin(host, "disconnect", {"container": "web3"})
            kill_after(lab, host, delay_ms)
            agree(lab, box, f"disconnect and {delay_ms} ms")
            asked.close()
            containet(host, "disconnect", "web3", code=0 if has_interface(box) else 1)

    assert stream.lost == 0, stream
