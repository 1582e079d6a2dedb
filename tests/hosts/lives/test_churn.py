"""Fifty containers that come and go as fast as Docker can: nothing of them is left, and who stays is not concerned."""

from concurrent.futures import ThreadPoolExecutor

from scripts.lab import Lab
from scripts.lab.measure import reaches
from tests.hosts.docker.test_network import MAKE, docker, inspected, run
from tests.hosts.lives.test_soak import AGREED_S, agree
from tests.hosts.lives.world import NETS, Joined, Life, World
from tests.hosts.people import soon

CHURNS, AT_ONCE = 50, 4


def test_fifty_quick_churns_leave_nothing(lab: Lab) -> None:
    net = NETS["blue"]
    for host in lab.hosts[:2]:
        subnets = (word for subnet in net.subnets for word in ("--subnet", subnet))
        docker(host, *MAKE, *(["--ipv6"] if net.dual else []), *subnets, "-o", f"vlan={net.vlan}", "blue")
    web1, web2 = run(lab["h1"], "web1"), run(lab["h2"], "web2")
    soon(lambda: reaches(web1, inspected(web2)["IPAddress"]), "they reach each other")

    def churn(number: int) -> None:
        docker(lab.hosts[number % 2], "run", "--rm", "--network", "blue", "lab", "true")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(churn, range(CHURNS)))

    assert reaches(web1, inspected(web2)["IPAddress"])
    lives = {box.name: Life(box.name, box.host.name, joined=(Joined("blue"),)) for box in (web1, web2)}
    world = World(nets=frozenset({("h1", "blue"), ("h2", "blue")}), lives=lives)
    agree(lab, world, AGREED_S)
