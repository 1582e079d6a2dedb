"""Isolation, and running containers that change their VLAN: nothing of theirs is made anew, and nothing leaks."""

import re
import time

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches, serving, start_box, streaming
from tests.hosts.people import connect, containet, endpoints, interface, named, soon, standing

POLICY = """\
networks:
  blue: {vlan: 10, subnet: 172.15.42.0/24}
  green: {vlan: 20, subnet: 172.15.42.0/24}
  far: {vlan: 30, subnet: 10.30.0.0/24}
"""
STREAM_S = 4


@pytest.fixture
def three(lab: Lab) -> tuple[Box, Box, Box]:
    """web1 and db1 on h1, web2 on h2; db1 in a VLAN of its own."""
    web1, db1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h1"], "db1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--vlan", "10")
    connect(db1, "172.15.42.3/24", "--vlan", "20")
    connect(web2, "172.15.42.2/24", "--vlan", "10")
    return web1, db1, web2


def test_other_vlans_are_not_reached_and_may_have_the_same_addresses(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, db1, web2 = three
    db2 = start_box(lab["h2"], "db2")
    connect(db2, "172.15.42.1/24", "--vlan", "20")  # as web1, in the other VLAN

    assert reaches(web2, "172.15.42.1")
    assert reaches(db1, "172.15.42.1")
    assert [reaches(box, address) for box, address in ((web1, "172.15.42.3"), (web2, "172.15.42.3"))] == [False, False]
    assert [reaches(box, "172.15.42.2") for box in (db1, db2)] == [False, False]
    in_vlan_10, in_vlan_20 = (endpoints(lab)[name]["container"] for name in ("web1:eth0", "db2:eth0"))
    containet(lab["h1"], "disconnect", in_vlan_10)
    assert reaches(db1, "172.15.42.1"), f"{in_vlan_20} was hit"
    assert not reaches(web2, "172.15.42.1")


def test_a_move_changes_nothing_of_the_container(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, db1, web2 = three
    before, record = interface(web1), endpoints(lab)["web1:eth0"]
    carrier = web1.exec("cat", "/sys/class/net/eth0/iflink").stdout

    assert "web1 moved to vlan 20" in containet(lab["h2"], "move", "web1", "--vlan", "20")

    assert reaches(web1, "172.15.42.3")
    assert reaches(db1, "172.15.42.1")
    assert [reaches(web1, "172.15.42.2"), reaches(web2, "172.15.42.1")] == [False, False]
    assert interface(web1) == before
    assert web1.exec("cat", "/sys/class/net/eth0/iflink").stdout == carrier
    assert endpoints(lab)["web1:eth0"] == {**record, "vlan": 20, "network": "vlan20"}
    containet(lab["h2"], "move", "web1", "--vlan", "10")
    soon(lambda: reaches(web1, "172.15.42.2"), "its kernel asks again who has an address that nobody had")
    assert not reaches(web1, "172.15.42.3")


def test_a_connection_lives_through_a_move_of_both_ends(three: tuple[Box, Box, Box]) -> None:
    web1, _, web2 = three
    assert reaches(web1, "172.15.42.2")

    with serving(web2), streaming(web1, "172.15.42.2", STREAM_S) as running:
        for vlan in ("20", "10", "20"):
            time.sleep(STREAM_S / 4)  # the stream's own time, not a wait for anything
            containet(web1.host, "move", "web1", "web2", "--vlan", vlan)
        result = running.finish()

    assert result.mbps > 10
    assert result.quiet_s < 1


def test_moves_that_cannot_be_are_refused_and_change_nothing(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, db1, _ = three
    containet(lab["h1"], "policy", "apply", "-", text=POLICY)
    named(lab, 10, 20)
    before = standing(lab)

    assert "10.30.0.0/24" in containet(lab["h1"], "move", "web1", "--vlan", "30", code=1)
    assert "10.30.0.0/24" in containet(lab["h1"], "move", "web1", "web2", "--vlan", "30", code=1)
    assert "“nobody”" in containet(lab["h1"], "move", "web1", "nobody", "--vlan", "20", code=1)
    db2 = start_box(lab["h2"], "db2")
    connect(db2, "172.15.42.1/24", "--vlan", "20")
    assert "172.15.42.1" in containet(lab["h1"], "move", "web1", "--vlan", "20", code=1)
    containet(lab["h2"], "disconnect", "db2")

    soon(lambda: standing(lab) == before, "nothing has changed")
    assert not reaches(web1, "172.15.42.3"), db1


def test_a_name_on_two_hosts_has_to_be_said_with_its_host(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    twin = start_box(lab["h2"], "web1")
    connect(twin, "172.15.42.8/24", "--vlan", "10")

    said = containet(lab["h1"], "move", "web1", "--vlan", "20", code=1)

    assert "h1:web1" in said
    assert "h2:web1" in said
    containet(lab["h1"], "move", "h2:web1", "--vlan", "20")
    assert reaches(twin, "172.15.42.3")
    assert reaches(three[0], "172.15.42.2")


def test_a_policy_is_compared_applied_and_shown(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, _, _ = three
    wanted = POLICY + "assign:\n  - {match: {name: web1}, vlan: 20, up: 10mbit}\n"

    foreseen = containet(lab["h1"], "policy", "diff", "-", text=wanted)
    assert re.search(r"web1\S* +vlan +10 +20", foreseen)
    assert reaches(web1, "172.15.42.2")
    done = containet(lab["h1"], "policy", "apply", "-", text=wanted)
    assert re.search(r"web1\S* +up +none +10mbit", done)

    assert reaches(web1, "172.15.42.3")
    assert not reaches(web1, "172.15.42.2")
    again = containet(lab["h1"], "policy", "diff", "-", text=containet(lab["h1"], "policy", "show"))
    assert "nothing would change" in again


def test_containers_that_come_are_placed_by_their_labels(lab: Lab) -> None:
    text = POLICY + "assign:\n  - {match: {label: tier=db}, vlan: 20}\n"
    containet(lab["h1"], "policy", "apply", "-", text=text)
    db1 = start_box(lab["h1"], "db1", "--label", "tier=db")

    assert "172.15.42.3/24 in green (vlan 20)" in connect(db1, "172.15.42.3")  # the prefix is the subnet's


def test_while_a_host_is_away_a_move_is_pending_and_nobody_is_half_moved(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, _, web2 = three
    lab["h2"].freeze("ovs-vswitchd")
    try:
        assert "h2" in containet(lab["h1"], "move", "web1", "web2", "--vlan", "20", code=3)
        assert not reaches(web1, "172.15.42.3")
    finally:
        lab["h2"].thaw("ovs-vswitchd")

    soon(lambda: reaches(web1, "172.15.42.3") and reaches(web1, "172.15.42.2"), "the move is made when h2 is back")
    assert reaches(web2, "172.15.42.3")


def test_a_controller_that_comes_again_touches_no_flow(lab: Lab, three: tuple[Box, Box, Box]) -> None:
    web1, _, _ = three
    containet(lab["h1"], "limit", "web1", "--up", "10mbit")
    containet(lab["h1"], "move", "web1", "web2", "--vlan", "20")
    soon(
        lambda: not any(has_segment(host, 10) for host in lab.hosts), "the old VLAN, in which nobody is, is closed", 30
    )
    before = standing(lab)
    ages = {host.name: youngest_s(host) for host in lab.hosts}
    began = time.monotonic()

    lab.controller.kill("controller")
    assert reaches(web1, "172.15.42.2")
    lab.start("controller", "controller")
    soon(lambda: all(host["switch"] == host["helper"] == "connected" for host in lab.ask("/v1/hosts")[1]), "all meet")
    soon(lambda: standing(lab) == before, "all is as it was")

    for host in lab.hosts:
        assert youngest_s(host) >= ages[host.name] + time.monotonic() - began - 1, f"a flow of {host.name} is new"


def has_segment(host: Machine, vlan: int) -> bool:
    """Whether the host's bridge has a flow for this VLAN."""
    return f"reg0={vlan:#x}," in host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout


def youngest_s(host: Machine) -> float:
    """How long the newest flow of the host's bridge has been there."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout
    return min(float(age) for age in re.findall(r"duration=([\d.]+)s", said))
