"""The lab itself: it stands up, and is a set of hosts for whoever looks from inside."""

import json
import os
import pty
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from signal import Signals

import pytest

from scripts.lab import Lab, LabError, Machine, down, status, up
from scripts.lab.command import poll
from scripts.lab.machine import keepers
from scripts.lab.plan import BIN
from tests.hosts.conftest import small
from tests.hosts.lab.walkthrough import walk

CONTAINET = f"{BIN}/containet"


def test_up_takes_away_what_a_crash_left(own: str) -> None:
    lab = small(own)
    keeper = lab["h1"].keeper
    assert keeper is not None
    keeper.signal(Signals.SIGKILL)
    assert keeper.gone(10)
    assert not status(own)["up"]

    up(own, 1, port=lab.plan.port, ofp_port=lab.plan.ofp_port)

    assert status(own)["up"]


def test_down_of_nothing_is_no_error() -> None:
    words: list[str] = []

    down("never-was", words.append)

    assert words == ["there is no lab “never-was”"]
    assert status("never-was") == {"name": "never-was", "up": False, "hosts": [], "controller": None}
    with pytest.raises(LabError, match="containet lab up"):
        Lab.open("never-was")


def test_up_again_is_no_error_but_another_shape_is(lab: Lab) -> None:
    plan = lab.plan
    keeper = lab["h1"].keeper
    words: list[str] = []

    up(plan.name, plan.hosts, plan.tunnel, plan.port, plan.ofp_port, words.append)
    with pytest.raises(LabError, match="lab down"):
        up(plan.name, plan.hosts + 1, plan.tunnel, plan.port, plan.ofp_port)

    assert f"the lab “{plan.name}” is up already" in words
    assert lab["h1"].keeper == keeper


def test_up_again_starts_what_was_killed(lab: Lab) -> None:
    lab["h2"].kill("ovs-vswitchd")
    lab["h2"].kill("helper")
    lab.controller.kill("controller")
    assert not status(lab.plan.name)["up"]

    up(lab.plan.name, lab.plan.hosts, lab.plan.tunnel, lab.plan.port, lab.plan.ofp_port)

    assert status(lab.plan.name)["up"]


def test_two_labs_stand_side_by_side(lab: Lab, own: str) -> None:
    other = small(own)

    assert other.plan.subnet != lab.plan.subnet
    assert [host["name"] for host in other.ask("/v1/hosts")[1]] == ["h1"]
    down(own)
    assert lab.ask("/v1/healthz")[0] == 200


def test_rest_is_on_this_machine(lab: Lab) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.plan.port}/v1/endpoints", timeout=5) as answer:
        assert json.load(answer) == []


def test_hosts_see_each_other_the_controller_and_the_world(lab: Lab) -> None:
    for host in lab.hosts:
        for other in (*lab.plan.host_names, "controller", "outside", "203.0.113.1"):
            host.exec("ping", "-c", "1", "-W", "2", other)


def test_the_kernel_does_not_answer_for_the_switch(lab: Lab) -> None:
    """ARP at br-phy's NIC is the switch's to answer: the kernel's answer would name a MAC that leads nowhere."""
    answers = lab["outside"].exec("busybox", "arping", "-c", "3", "-I", "eth0", str(lab.plan.address("h1"))).stdout
    bridge = json.loads(lab["h1"].exec("ip", "-json", "link", "show", "br-phy").stdout)[0]["address"]

    assert set(re.findall(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", answers.lower())) == {bridge}


def test_a_host_is_a_host_for_who_looks_from_inside(lab: Lab) -> None:
    h1, h2 = lab["h1"], lab["h2"]
    h1.exec("docker", "run", "--detach", "--net=none", "--name", "only-h1", "lab", "sleep", "1000")
    Path(f"{h1.root}/etc/containet/mine").touch()

    assert h1.exec("hostname").stdout == "h1\n"
    assert h1.exec("docker", "ps", "--format", "{{.Names}}").stdout == "only-h1\n"
    assert h2.exec("docker", "ps", "--format", "{{.Names}}").stdout == ""
    assert "br-phy" in h1.exec("ovs-vsctl", "list-br").stdout.split()
    assert set(h1.exec("ls", "/sys/class/net").stdout.split()) >= {"lo", "eth0", "br-phy"}
    assert h1.exec("ls", "/etc/containet/mine", check=False).returncode == 0
    assert h2.exec("ls", "/etc/containet/mine", check=False).returncode != 0
    assert not Path("/etc/containet/mine").exists()
    assert str(h1.pid) not in h1.exec("ps", "-e", "-o", "pid").stdout.split()


def run(lab: Lab, *argv: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (CONTAINET, "lab", "exec", "--name", lab.plan.name, *argv),
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=cwd,
    )


def test_exec_is_the_command_itself(lab: Lab, tmp_path: Path) -> None:
    assert run(lab, "h1", "--", "sh", "-c", "exit 7").returncode == 7
    assert run(lab, "h1", "--", "no-such-command").returncode == 127
    assert run(lab, "h1", "--", "cat", text="through\n").stdout == "through\n"
    assert run(lab, "h2", "--", "pwd", cwd=tmp_path).stdout == f"{tmp_path}\n"
    assert run(lab, "outside", "--", "hostname").stdout == "outside\n"
    assert "only underlay, outside, controller, h1, h2" in run(lab, "h99", "--", "true").stderr


def test_exec_gives_the_terminal_on(lab: Lab) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        (CONTAINET, "lab", "exec", "--name", lab.plan.name, "h1", "--", "tty"), stdin=theirs
    ) as process:
        os.close(theirs)
        assert process.wait(20) == 0
    os.close(ours)


def sleeps(host: Machine) -> bool:
    return "sleep 1001.5" in host.exec("ps", "-e", "-o", "args").stdout.splitlines()


def test_a_command_dies_with_who_called_it(lab: Lab) -> None:
    with subprocess.Popen(
        (CONTAINET, "lab", "exec", "--name", lab.plan.name, "h1", "--", "sleep", "1001.5"), start_new_session=True
    ) as process:
        assert poll(lambda: sleeps(lab["h1"]), 10)
        process.kill()

    assert poll(lambda: not sleeps(lab["h1"]), 10)


def test_containers_outlive_their_engine(lab: Lab) -> None:
    h1 = lab["h1"]
    h1.exec("docker", "run", "--detach", "--net=none", "--name", "survivor", "lab", "sleep", "1000")
    before = h1.exec("docker", "inspect", "--format", "{{.State.Pid}}", "survivor").stdout

    h1.kill("dockerd")
    assert h1.exec("docker", "ps", check=False).returncode != 0
    lab.start("h1", "dockerd")

    assert h1.exec("docker", "inspect", "--format", "{{.State.Pid}} {{.State.Running}}", "survivor").stdout.split() == [
        before.strip(),
        "true",
    ]


def test_a_frozen_process_is_said_to_be_frozen(lab: Lab) -> None:
    lab["h1"].freeze("helper")
    assert poll(lambda: status(lab.plan.name)["hosts"][0]["processes"]["helper"]["state"] == "frozen", 5)
    lab["h1"].thaw("helper")
    assert poll(lambda: bool(status(lab.plan.name)["up"]), 5)


def test_a_process_that_ends_at_once_is_told_with_its_words(lab: Lab) -> None:
    lab["h1"].start("nothing of the sort", ("sh", "-c", "echo bad words; sleep 0.2"))
    with pytest.raises(LabError, match=r"nothing of the sort of h1 did not serve: it ended.*\n.*bad words"):
        lab["h1"].wait("nothing of the sort", lambda: False, "serve")
    with pytest.raises(LabError, match="No such file"):
        lab["h1"].start("no such thing", ("/no/such/program",))


def test_every_keeper_is_found_without_being_written_down(lab: Lab) -> None:
    written = {machine.pid for machine in lab.machines.values()}

    assert {keeper.pid for keeper in keepers(lab.plan.directory)} == written


@pytest.mark.hosts(3)
def test_containers_of_three_hosts_reach_each_other(lab: Lab) -> None:
    addresses = {host.name: f"172.15.42.{n}" for n, host in enumerate(lab.hosts, 1)}
    for host in lab.hosts:
        host.exec(
            "docker", "run", "--detach", "--net=none", "--name", f"web-{host.name}", "containet/lab", "sleep", "1000"
        )
        host.exec("containet", "connect", f"web-{host.name}", f"{addresses[host.name]}/24")

    for host in lab.hosts:
        for address in addresses.values():
            host.exec("docker", "exec", f"web-{host.name}", "ping", "-c", "1", "-W", "2", address)


def test_without_root_it_says_so() -> None:
    if_nobody = (sys.executable, "-c", "import os; from scripts.lab import up; os.setuid(65534); up('nobody')")
    done = subprocess.run(if_nobody, capture_output=True, text=True, timeout=30, check=False)

    assert "takes root: use sudo" in done.stderr


def test_the_document_says_what_happens(lab: Lab) -> None:
    assert walk(lab, Path(__file__).parents[3] / "docs/lab.md") > 0
