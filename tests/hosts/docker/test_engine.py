"""An engine that has iptables of its own drops what is forwarded: what is ours goes through all the same."""

import time
from collections.abc import Callable, Iterator

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches
from tests.hosts.docker.test_network import blue, docker, run, up
from tests.hosts.docker.test_ports import asked, forward_policy, serve
from tests.hosts.people import soon

__all__ = ["blue"]

pytestmark = pytest.mark.hosts(2, firewall=True)
WORLD = "203.0.113.1"
HURRIED_S = 0.5  # for an engine that has just been killed to be missed


def told(host: Machine) -> list[str]:
    """What of ours stands in Docker's chain; nothing if there is none."""
    listed = host.exec("iptables", "-S", "DOCKER-USER", check=False).stdout.splitlines()
    return sorted(line for line in listed if "containet" in line)


def forget_chains(host: Machine) -> None:
    """As after a start of the machine, but that forwarding is dropped already."""
    for words in ("-F", "-X", "-t nat -F", "-t nat -X"):
        host.exec("iptables", *words.split())


@pytest.fixture
def web(blue: Lab) -> Iterator[Box]:
    """A published server on h1; afterwards nothing of ours is in Docker's chain."""
    host = blue["h1"]
    web = serve(run(host, "web1", "--hostname", "web1", "--publish", "8080:80"))
    up(blue, "web1")
    yield web
    docker(host, "rm", "--force", "web1")
    soon(lambda: told(host) == [], "nothing of ours is left")


def comes_in(lab: Lab) -> bool:
    """Whether the outside reaches the server."""
    return asked(lab["outside"], lab.plan.address("h1"), 8080) == "web1"


def goes_through(lab: Lab, web: Box) -> bool:
    """Whether it does, both ways."""
    return comes_in(lab) and reaches(web, WORLD)


def stop(host: Machine) -> None:
    host.stop("dockerd")


def kill(host: Machine) -> None:
    host.kill("dockerd")


@pytest.mark.parametrize("end", [stop, kill])
def test_what_is_ours_outlives_the_engine(blue: Lab, web: Box, end: Callable[[Machine], None]) -> None:
    host = blue["h1"]
    before = told(host)
    assert before
    assert forward_policy(host) == "DROP"

    end(host)
    assert comes_in(blue)
    blue.start("h1", "dockerd")

    assert goes_through(blue, web)
    time.sleep(HURRIED_S)
    assert told(host) == before, "once each"


def test_an_engine_that_makes_its_chain_later_is_told(blue: Lab, web: Box) -> None:
    host = blue["h1"]
    blue.controller.kill("controller")  # so that the gateway stays, as it does over a start of the machine
    host.kill("dockerd")
    host.exec("pkill", "-KILL", "-x", "sleep")
    forget_chains(host)

    blue.start("h1", "dockerd")

    soon(lambda: told(host) != [], "its chain is told")
    blue.serve()
    docker(host, "start", "web1")
    serve(web)
    soon(lambda: goes_through(blue, web), "it goes through")


@pytest.mark.parametrize("flush", ["iptables -F DOCKER-USER", "nft delete table inet containet"])
def test_what_somebody_flushed_is_made_again(blue: Lab, web: Box, flush: str) -> None:
    blue["h1"].freeze("helper")  # which looks every few seconds, and may do so at once
    blue["h1"].exec(*flush.split())
    assert not goes_through(blue, web)
    blue["h1"].thaw("helper")

    soon(lambda: goes_through(blue, web), "it goes through again")
