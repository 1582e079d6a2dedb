"""Compose: one file, brought up on each host, is one network of containers; what it says of rates and VLANs holds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches
from tests.hosts.docker.test_network import docker, remembered
from tests.hosts.docker.test_ports import rules
from tests.hosts.people import endpoints, flows, meters, shaped, soon

NETWORK = {
    "driver": "containet",
    "driver_opts": {"vlan": "10", "down": "50mbit"},
    "ipam": {"driver": "containet", "config": [{"subnet": "172.15.42.0/24"}]},
}
RATES = {"containet.up": "10mbit", "containet.down": "20mbit"}


def service(name: str, **said: Any) -> dict[str, Any]:
    """A service of one container, which is called as the service is."""
    return {name: {"image": "lab", "command": "sleep 100000", "container_name": name, "networks": ["blue"], **said}}


SERVICES = {
    "h1": service("web", labels=RATES, ports=["8080:80"], stop_signal="SIGKILL")
    | service("guest", labels={"containet.vlan": "20"}, stop_signal="SIGKILL"),
    "h2": service("db", stop_signal="SIGKILL"),
}


def compose(host: Machine, *words: str) -> str:
    """What Compose says; YAML's newer half is JSON, so the file is."""
    file = {"version": "2.4", "services": SERVICES[host.name], "networks": {"blue": NETWORK}}
    command = ("docker-compose", "--no-ansi", "--project-name", "shop", "--file", "-")
    done = host.exec(*command, *words, text=json.dumps(file), seconds=90)
    return done.stdout + done.stderr


@pytest.fixture
def shop(lab: Lab) -> Iterator[Lab]:
    """All of it, up; afterwards nothing of it is left."""
    hosts = [lab[name] for name in SERVICES]
    clean = {host.name: (flows(host), meters(host)) for host in hosts}
    for host in hosts:
        compose(host, "up", "--detach")
    wanted = {"web:eth0", "guest:eth0", "db:eth0"}
    soon(lambda: wanted <= endpoints(lab).keys(), "the controller knows all of them")
    soon(lambda: not any(host["pending"] for host in lab.ask("/v1/hosts")[1]), "nothing is pending")
    yield lab
    for host in hosts:
        compose(host, "down")
        assert docker(host, "ps", "--all", "--quiet") == ""
        assert "shop_blue" not in docker(host, "network", "ls")
    for host in hosts:
        soon(lambda host=host: remembered(host) == [], "no record of Docker's is left")
        soon(lambda host=host: (flows(host), meters(host)) == clean[host.name], "no flow and no meter is left")
        soon(lambda host=host: rules(host) == [], "no port leads anywhere")
    soon(lambda: endpoints(lab) == {}, "the controller knows none of them")


def test_one_file_on_two_hosts_is_one_network(shop: Lab) -> None:
    web, guest, db = Box(shop["h1"], "web"), Box(shop["h1"], "guest"), Box(shop["h2"], "db")
    known = endpoints(shop)
    address = {box.name: known[f"{box.name}:eth0"]["address"].partition("/")[0] for box in (web, guest, db)}

    assert reaches(web, address["db"])
    assert reaches(db, address["web"])
    assert not reaches(guest, address["web"]), "its label says another VLAN"
    assert not reaches(db, address["guest"])
    assert {name: (known[f"{name}:eth0"]["up"], known[f"{name}:eth0"]["down"]) for name in ("web", "db")} == {
        "web": ("10mbit", "20mbit"),
        "db": ("none", "50mbit"),
    }
    soon(lambda: shaped(web) == "10Mbit", "the label's rate is in force")
    assert known["web:eth0"]["ports"] == ["8080->80/tcp"]
