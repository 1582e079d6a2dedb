"""What somebody else changes on a host, under a stream: within a second it stands again, and the events say so."""

import re
import time

from scripts.lab import Lab, Machine
from scripts.lab.command import poll
from scripts.lab.measure import Box
from scripts.lab.udp import PPS
from tests.hosts.people import containet, database, endpoints, flows, meters
from tests.hosts.promises.watched import watched

REPAIR_S = 1.0
PATIENCE_S = 10.0
ROW = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OFCTL = ("ovs-ofctl", "-O", "OpenFlow15")


def standing(host: Machine) -> tuple[list[str], ...]:
    """What the host's switch has; rows of OVSDB by what they say, not by their names."""
    return flows(host), meters(host), [ROW.sub("row", line) for line in database(host)]


def test_what_others_change_stands_again_within_a_second_and_is_told(lab: Lab, pair: tuple[Box, Box]) -> None:
    host = lab["h1"]
    assert lab.ask("/v1/endpoints/web1", "PATCH", {"up": "50mbit"})[0] == 200
    ofport = endpoints(lab)["web1:eth0"]["ofport"]
    to_h2 = ("--bare", "--columns=name", "find", "Port", "external_ids:containet-peer=h2")
    (tunnel,) = host.exec("ovs-vsctl", *to_h2).stdout.split()
    harms = {
        "a flow was deleted": (*OFCTL, "del-flows", "br-int", f"table=0,in_port={ofport}"),
        "a flow was changed": (*OFCTL, "mod-flows", "br-int", f"table=0,in_port={ofport},actions=drop"),
        "meter": (*OFCTL, "del-meter", "br-int", "meter=1"),
        f"port {tunnel}": ("ovs-vsctl", "del-port", tunnel),
    }
    took_s: dict[str, float] = {}
    told: dict[str, list[tuple[str, str]]] = {}
    with watched(lab, pair) as stream:
        for what, harm in harms.items():
            time.sleep(0.5)
            before = standing(host)
            since = lab.ask("/v1/events")[1][-1]["number"]
            began = time.monotonic()
            host.exec(*harm)
            assert poll(lambda: standing(host) == before, PATIENCE_S), f"{what}: {before} became {standing(host)}"  # noqa: B023
            took_s[what] = time.monotonic() - began
            poll(lambda: lab.ask(f"/v1/events?since={since}")[1][-1]["kind"] == "repaired", REPAIR_S)  # noqa: B023
            told[what] = [(each["kind"], each["what"]) for each in lab.ask(f"/v1/events?since={since}")[1]]
    shown = containet(host, "events")

    assert max(took_s.values()) < REPAIR_S, f"{took_s}, {stream}"
    for what, events in told.items():
        assert any(kind == "drift" and what in text for kind, text in events), events
        assert events[-1][0] == "repaired", events
        assert all(text in shown for _, text in events), shown
    assert 0 < stream.lost < len(harms) * REPAIR_S * PPS, stream
