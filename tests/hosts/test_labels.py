"""Containers that say by labels how they want to be connected: nobody types `containet connect`."""

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches
from tests.hosts.people import containet, endpoints, has_interface, shaped, soon


def run(host: Machine, name: str, **labels: str) -> Box:
    said = [f"--label=containet.{key}={value}" for key, value in labels.items()]
    host.exec("docker", "run", "--detach", "--net=none", "--name", name, *said, "lab", "sleep", "100000")
    return Box(host, name)


def test_labels_connect_a_container_when_it_starts(lab: Lab) -> None:
    lab.ask("/v1/policy", "PUT", {"networks": {"blue": {"vlan": 10, "subnet": "172.15.42.0/24"}}})

    web1 = run(lab["h1"], "web1", address="172.15.42.1/24", vlan="10", up="10mbit")
    web2 = run(lab["h2"], "web2", address="172.15.42.2", network="blue")

    soon(lambda: {"web1:eth0", "web2:eth0"} <= endpoints(lab).keys(), "both are connected")
    assert reaches(web1, "172.15.42.2")
    known = endpoints(lab)
    assert [(known[f"{name}:eth0"]["vlan"], known[f"{name}:eth0"]["up"]) for name in ("web1", "web2")] == [
        (10, "10mbit"),
        (10, "none"),
    ]
    assert shaped(web1) == "10Mbit"

    lab["h1"].exec("docker", "restart", "--time=0", "web1")
    soon(lambda: has_interface(web1) and reaches(web2, "172.15.42.1"), "it is there again after a restart")


def test_what_starts_while_helper_or_controller_is_away_is_connected_when_it_is_back(lab: Lab) -> None:
    lab["h1"].kill("helper")
    web1 = run(lab["h1"], "web1", address="172.15.42.1/24", vlan="10")
    lab.start("h1", "helper")
    soon(lambda: has_interface(web1), "the helper finds it")

    lab.controller.kill("controller")
    web2 = run(lab["h2"], "web2", address="172.15.42.2/24", vlan="10")
    soon(lambda: has_interface(web2), "it has its interface without the controller")
    lab.serve()
    soon(lambda: reaches(web1, "172.15.42.2"), "and is reached when that is back")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"address": "172.15.42.300/24"}, "not an IPv4 address"),
        ({"address": "172.15.42.1/24", "vlan": "ten"}, "containet.vlan=ten: say a number from 1 to 4094"),
        ({"address": "172.15.42.1/24", "vln": "10"}, "did you mean containet.vlan?"),
        ({"adress": "172.15.42.1/24"}, "did you mean containet.address?"),
        ({"vlan": "10"}, "which address? Say it with --label containet.address="),
        ({"address": "172.15.42.1/24", "up": "fast"}, "“fast” is not a rate"),
        ({"address": "172.15.42.1/24", "network": "nowhere"}, "there is no network “nowhere”"),
        ({"address": "172.15.42.1/24", "network": "blue", "vlan": "10"}, "either the vlan or the network"),
    ],
)
def test_labels_that_make_no_sense_change_nothing_and_the_log_says_why(
    lab: Lab, labels: dict[str, str], why: str
) -> None:
    web1 = run(lab["h1"], "web1", **labels)

    soon(lambda: why in lab["h1"].tail("helper", 20), f"the helper's log says {why}")
    assert not has_interface(web1)
    assert "web1" not in containet(lab["h1"], "endpoints")
