"""An engine with iptables of its own drops what is forwarded: what is ours goes through all the same.

The rules that it makes are made here by hand: the lab's engines have none.
"""

from collections.abc import Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import reaches
from tests.hosts.people import soon
from tests.hosts.test_docker_network import blue, run, up
from tests.hosts.test_ports import asked, serve

__all__ = ["blue"]


def forbid(host: Machine) -> None:
    """What such an engine does when it starts."""
    for rule in ("-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-P FORWARD DROP", "-I FORWARD -j DOCKER-USER"):
        host.exec("iptables", *rule.split())


@pytest.fixture
def forbidding(lab: Lab) -> Iterator[Machine]:
    """h1, where that may be done; afterwards nothing of it is left."""
    host = lab["h1"]
    yield host
    for rule in ("-P FORWARD ACCEPT", "-F FORWARD", "-F DOCKER-USER", "-X DOCKER-USER"):
        host.exec("iptables", *rule.split())


def test_an_engine_that_comes_later_drops_nothing_of_ours(forbidding: Machine, blue: Lab) -> None:
    web = serve(run(forbidding, "web1", "--hostname", "web1", "-p", "8080:80"))
    up(blue, "web1")

    forbidding.kill("dockerd")
    forbid(forbidding)
    assert asked(blue["outside"], blue.plan.address("h1"), 8080) == "", "nobody has told its chain yet"
    blue.start("h1", "dockerd")

    soon(lambda: asked(blue["outside"], blue.plan.address("h1"), 8080) == "web1", "the way in")
    assert reaches(web, "203.0.113.1")


def test_a_container_that_comes_later_is_reached_too(forbidding: Machine, blue: Lab) -> None:
    forbid(forbidding)

    web = serve(run(forbidding, "web1", "--hostname", "web1", "-p", "8080:80"))
    up(blue, "web1")

    assert reaches(web, "203.0.113.1")
    assert asked(blue["outside"], blue.plan.address("h1"), 8080) == "web1"
