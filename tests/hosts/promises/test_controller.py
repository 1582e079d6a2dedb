"""A controller that is killed or stopped under a stream, also in the middle of a change."""

import http.client
import shutil
import time
from pathlib import Path

from app.registry import Registry
from app.store.sqlite import SqliteStore
from flows.marker import marker
from flows.model import Tunnel
from flows.pipeline import listing
from scripts.lab import Lab
from scripts.lab.measure import Box
from tests.flows.intents import held
from tests.hosts.people import endpoints, flows, soon
from tests.hosts.promises.watched import begin_change, watched, youngest_s

DELAYS_MS = (0, 3, 6, 8, 10, 12, 15, 20)  # from the call to the kill: a move takes some 12 ms


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


def answered(connection: http.client.HTTPConnection) -> bool:
    """Whether it was answered before the other side died."""
    try:
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def differences(lab: Lab, directory: Path) -> str:
    """How the bridges differ from what is compiled anew from the controller's file, for the step begun last."""
    for part in lab.controller.directory.glob("state.db*"):
        shutil.copy(part, directory)
    step = Registry(SqliteStore(f"{directory}/state.db"), Tunnel(lab.plan.tunnel)).begun()
    contents = {host: held(step, host.name) for host in lab.hosts}
    wanted = {host: f"{listing(has)}\n{marker(has.mark)}\n" for host, has in contents.items()}
    compare = ("ovs-ofctl", "-O", "OpenFlow15", "diff-flows", "br-int", "/dev/stdin")
    compared = [host.exec(*compare, text=flows, check=False) for host, flows in wanted.items()]
    assert {done.returncode for done in compared} <= {0, 2}, compared
    return "".join(done.stdout for done in compared)


def test_a_controller_killed_in_the_middle_of_a_move_loses_nothing_and_ends_in_one_policy(
    lab: Lab, pair: tuple[Box, Box], tmp_path: Path
) -> None:
    vlan, ends = 10, []
    with watched(lab, pair) as stream:
        for delay_ms in DELAYS_MS:
            asked = begin_change(lab, ["web1", "web2"], vlan=30 - vlan)
            time.sleep(delay_ms / 1000)
            lab.controller.kill("controller")
            heard = answered(asked)
            lab.serve()
            found = {known["vlan"] for known in endpoints(lab).values()}
            ends.append((delay_ms, "answered" if heard else "not answered", "new" if found == {30 - vlan} else "old"))
            assert found in ({vlan}, {30 - vlan}), f"between: {found} after {ends}"
            assert found == {30 - vlan} or not heard, f"answered and forgotten: {ends}"
            soon(lambda: not differences(lab, tmp_path), "the flows are those of the policy", 5)
            (vlan,) = found

    assert stream.lost == 0, f"{stream}; killed after so many ms: {ends}"
