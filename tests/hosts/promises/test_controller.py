"""A controller that is killed or stopped under a stream, also in the middle of a change."""

import http.client
import json
import re
import shutil
import time
from pathlib import Path

from app.registry import Registry
from app.store.sqlite import SqliteStore
from flows.model import Tunnel
from flows.pipeline import compile_bridge
from scripts.lab import Lab, Machine
from scripts.lab.measure import Box
from tests.hosts.people import endpoints, flows, soon
from tests.hosts.promises.watched import flow_count, move, watched

DELAYS_MS = (0, 3, 6, 8, 10, 12, 15, 20)  # from the call to the kill: a move takes some 12 ms
CLOSED_S = 30.0  # for the segment to be closed that nobody sends in any more: it lingers for 15 s


def youngest_s(host: Machine) -> float:
    """How long the newest flow of the host's bridge has been there."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout
    return min(float(age) for age in re.findall(r"duration=([\d.]+)s", said))


def test_a_killed_controller_loses_nothing_and_touches_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    before = [flows(host) for host in lab.hosts]
    with watched(lab, pair) as stream:
        killed = time.monotonic()
        lab.controller.kill("controller")
        time.sleep(0.5)
        lab.serve()
        ages = [youngest_s(host) for host in lab.hosts]
        since = time.monotonic() - killed

    assert stream.lost == 0, stream
    assert [flows(host) for host in lab.hosts] == before
    assert min(ages) > since, f"a flow is younger than the kill: {ages}, {stream}"


def begin_move(lab: Lab, vlan: int) -> http.client.HTTPConnection:
    """Ask for a move of both, and do not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.plan.port, timeout=10)
    body = json.dumps({"names": ["web1", "web2"], "vlan": vlan})
    connection.request("PATCH", "/v1/endpoints", body, {"Content-Type": "application/json"})
    return connection


def answered(connection: http.client.HTTPConnection) -> bool:
    """Whether it was answered before the other side died."""
    try:
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def compiled(lab: Lab, directory: Path) -> dict[str, int]:
    """How many flows each host should have, compiled anew from what the controller keeps."""
    for part in Path(lab.controller.directory).glob("state.db*"):
        shutil.copy(part, directory)
    intent = Registry(SqliteStore(f"{directory}/state.db"), Tunnel(lab.plan.tunnel)).snapshot()
    return {host.name: len(compile_bridge(intent, host.name).flows) + 1 for host in lab.hosts}  # and the marker


def test_a_controller_killed_in_the_middle_of_a_move_loses_nothing_and_ends_in_one_policy(
    lab: Lab, pair: tuple[Box, Box], tmp_path: Path
) -> None:
    vlan, ends = 10, []
    with watched(lab, pair) as stream:
        for delay_ms in DELAYS_MS:
            asked = begin_move(lab, 30 - vlan)
            time.sleep(delay_ms / 1000)
            lab.controller.kill("controller")
            done = answered(asked)
            lab.serve()
            found = {known["vlan"] for known in endpoints(lab).values()}
            assert found in ({vlan}, {30 - vlan}), f"killed after {delay_ms} ms: {found}"
            assert found == {30 - vlan} or not done, f"killed after {delay_ms} ms, and it was answered: {found}"
            ends.append((delay_ms, "answered" if done else "not answered", "new" if found != {vlan} else "old"))
            (vlan,) = found
    print(ends)

    assert stream.lost == 0, f"{stream}; {ends}"
    soon(lambda: {host.name: flow_count(host) for host in lab.hosts} == compiled(lab, tmp_path), "nothing is left", 30)
    move(lab, vlan, "web1")
