"""However a lab goes, it leaves nothing on the machine. That is seen where nobody else makes anything there."""

import socket
import subprocess

import pytest

from scripts.lab import LabError, down, up
from scripts.lab.command import poll
from scripts.lab.plan import BIN, LABS
from scripts.lab.process import Process
from tests.hosts.conftest import OWN, free_port, small
from tests.hosts.promises.traces import belongings, inhabitants

CONTAINET = f"{BIN}/containet"


def nothing_left(before: set[str]) -> None:
    """The kernel takes a namespace apart a moment after its last process has gone."""
    assert poll(lambda: belongings(OWN) <= before, 20), belongings(OWN) - before


def test_down_leaves_nothing() -> None:
    before = belongings(OWN)
    lab = small(OWN, hosts=2)
    for host in lab.hosts:
        host.exec("docker", "run", "--detach", "--net=none", "lab", "sleep", "1000")
        host.exec("ip", "netns", "add", "left-behind")
    lab["h1"].exec("docker", "run", "--detach", "--net=none", "--name", "web1", "lab", "sleep", "1000")
    lab["h1"].exec("docker", "pause", "web1")
    ran = [Process.of(pid) for pid in inhabitants(lab.plan.directory)]
    assert len(ran) >= 20  # 5 keepers, 5 roles on each host, the controller, 2 containers and their shims
    assert belongings(OWN) - before

    down(OWN)

    nothing_left(before)
    assert not [process for process in ran if process and process.alive]


@pytest.mark.parametrize("stage", ["underlay/keeper.pid", "h1/keeper.pid", "h1/dockerd.pid", "h1/run/docker.sock"])
def test_down_takes_away_what_a_killed_up_left(stage: str, own: str) -> None:
    before = belongings(OWN)
    ports = f"--port={free_port()}", f"--ofp-port={free_port()}"
    with subprocess.Popen((CONTAINET, "lab", "up", "--name", own, *ports), stderr=subprocess.DEVNULL) as begun:
        assert poll((LABS / own / stage).exists, 20)
        begun.kill()

    down(own)

    nothing_left(before)


def test_a_failed_up_undoes_itself_and_says_why(own: str) -> None:
    before = belongings(OWN)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        with pytest.raises(LabError, match="is in use on this machine: choose another with --port"):
            up(own, 1, port=other.getsockname()[1], ofp_port=free_port())

    nothing_left(before)
