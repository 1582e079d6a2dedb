"""Docker's own commands: a network of the driver `containet`, made on each host, is one network."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import Box, reaches, start_box
from tests.hosts.lives.deaf import deaf
from tests.hosts.people import connect, containet, endpoints, flows, kept, leases, meters, shaped, soon, standing

SUBNET = "172.15.42.0/24"
MAKE = ("network", "create", "-d", "containet", "--ipam-driver", "containet")
BLUE = (*MAKE, "--subnet", SUBNET, "-o", "vlan=10", "blue")


def docker(host: Machine, *words: str, check: bool = True) -> str:
    """What `docker` says, errors too."""
    done = host.exec("docker", *words, check=check, seconds=60)
    return (done.stdout + done.stderr).strip()


def refused(host: Machine, *words: str) -> str:
    """The one line of the engine that tells the person why not."""
    said = docker(host, *words, check=False)
    assert "Error" in said, said
    return next(line for line in said.splitlines() if "Error" in line)


def run(host: Machine, name: str, *options: str) -> Box:
    """A container on blue."""
    docker(host, "run", "--detach", "--name", name, "--network", "blue", *options, "lab", "sleep", "100000")
    return Box(host, name)


def inspected(box: Box) -> dict[str, Any]:
    """What Docker says of the container's endpoint."""
    said: dict[str, Any] = json.loads(docker(box.host, "inspect", box.name))[0]["NetworkSettings"]["Networks"]["blue"]
    return said


def up(lab: Lab, *names: str) -> None:
    """The controller has these, and a gateway and a resolver for them on their hosts."""

    def known() -> bool:
        ends = lab.ask("/v1/endpoints")[1]
        homes = {end["host"] for end in ends if end["name"] in names}
        there = {(end["host"], end["name"]) for end in ends}
        found = {end["name"] for end in ends} >= set(names)
        return found and there >= {(host, own) for host in homes for own in ("gw10", "dns10")}

    soon(known, f"{names} are known")
    soon(lambda: not any(host["pending"] for host in lab.ask("/v1/hosts")[1]), "nothing is pending")


def remembered(host: Machine) -> list[str]:
    """The keys of the bridge's records that are about Docker."""
    said = host.exec("ovs-vsctl", "br-get-external-id", "br-int").stdout.splitlines()
    return sorted(
        line.partition("=")[0].split("/")[0] for line in said if line.startswith(("network/", "driven/", "pool/"))
    )


@pytest.fixture
def blue(lab: Lab) -> Iterator[Lab]:
    """The network, on both hosts; afterwards nothing of it is left."""
    clean = {host.name: (flows(host), meters(host)) for host in lab.hosts}
    for host in (lab["h1"], lab["h2"]):
        docker(host, *BLUE)
    yield lab
    for host in (lab["h1"], lab["h2"]):
        if boxes := docker(host, "ps", "--all", "--quiet").split():
            docker(host, "rm", "--force", *boxes)
        docker(host, "network", "rm", "blue")
    for host in (lab["h1"], lab["h2"]):
        soon(lambda host=host: remembered(host) == [], "no record of Docker's is left")
        soon(lambda host=host: (flows(host), meters(host)) == clean[host.name], "no flow and no meter is left")


def test_one_network_on_two_hosts(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1"), run(blue["h2"], "web2", "--ip", "172.15.42.100")
    up(blue, "web1", "web2")

    assert reaches(web1, "172.15.42.100")
    assert reaches(web2, inspected(web1)["IPAddress"])
    known = endpoints(blue)
    assert {found["network"] for found in known.values()} == {"blue"}
    assert known["web1:eth0"]["address"] == inspected(web1)["IPAddress"] + "/24"
    assert known["web1:eth0"]["mac"] == inspected(web1)["MacAddress"]
    (network,) = json.loads(docker(blue["h1"], "network", "inspect", "blue"))
    (there,) = network["Containers"].values()
    assert (there["Name"], there["IPv4Address"]) == ("web1", known["web1:eth0"]["address"])


def test_no_two_hosts_give_out_one_address(blue: Lab) -> None:
    boxes = [run(blue[host], f"{host}-{number}") for number in range(4) for host in ("h1", "h2")]

    assert len({inspected(box)["IPAddress"] for box in boxes}) == len(boxes)


def test_each_host_gives_out_of_its_range_and_whoever_says_an_address_has_it(lab: Lab) -> None:
    ranges = {"h1": IPv4Network("172.15.42.64/26"), "h2": IPv4Network("172.15.42.192/27")}
    for host, ip_range in ranges.items():
        docker(lab[host], *MAKE, "--subnet", SUBNET, "--ip-range", str(ip_range), "-o", "vlan=10", "blue")

    boxes = {host: [run(lab[host], f"{host}-{number}") for number in range(3)] for host in ranges}
    said = run(lab["h1"], "said", "--ip", "172.15.42.200")  # of the other's range
    beside = run(lab["h2"], "beside", "--ip", "172.15.42.9")  # of nobody's
    up(lab, "said", "beside", *(box.name for found in boxes.values() for box in found))

    given = {host: {IPv4Address(inspected(box)["IPAddress"]) for box in found} for host, found in boxes.items()}
    assert {host: len(found) for host, found in given.items()} == {"h1": 3, "h2": 3}
    assert all(address in ranges[host] for host, found in given.items() for address in found)
    blocks = {(host, IPv4Network(block)) for host, _, block in leases(lab)}
    alone = {("h1", IPv4Network("172.15.42.200/32")), ("h2", IPv4Network("172.15.42.9/32"))}
    assert alone < blocks
    assert all(block.subnet_of(ranges[host]) for host, block in blocks - alone)
    assert inspected(said)["Gateway"] == inspected(beside)["Gateway"] == "172.15.42.1", "one gateway, out of no range"
    assert reaches(said, "172.15.42.9")
    assert reaches(boxes["h1"][0], inspected(boxes["h2"][0])["IPAddress"])
    docker(said.host, "rm", "--force", "said")
    soon(lambda: ("h1", SUBNET, "172.15.42.200/32") not in leases(lab), "what was said goes back")


def test_a_range_that_is_full_is_full_on_all_hosts(lab: Lab) -> None:
    for host in ("h1", "h2"):
        docker(lab[host], *MAKE, "--subnet", SUBNET, "--ip-range", "172.15.42.8/30", "-o", "vlan=10", "blue")
    soon(lambda: {host for host, *_ in leases(lab)} == {"h1", "h2"}, "each has an address ahead")

    given, refusals, number = set[str](), set[str](), 0
    while len(refusals) < len(lab.hosts[:2]):
        for host in ("h1", "h2"):
            number += 1
            words = ("run", "--detach", "--name", f"web{number}", "--network", "blue", "lab", "sleep", "100000")
            if lab[host].exec("docker", *words, check=False, seconds=60).returncode == 0:
                given.add(inspected(Box(lab[host], f"web{number}"))["IPAddress"])
            else:
                refusals.add(host)
    assert given == {f"172.15.42.{number}" for number in range(8, 12)}
    why = refused(lab["h2"], "run", "--network", "blue", "lab", "true")
    assert "all addresses of 172.15.42.8/30 are in use or leased to hosts (h1: " in why
    assert "larger --ip-range" in why
    run(lab["h2"], "said", "--ip", "172.15.42.100")


def test_what_docker_hands_out_on_any_host_is_refused_whoever_else_asks_for_it(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")
    db1 = start_box(blue["h1"], "db1")

    for box, holder in ((web1, "h1"), (web2, "h2")):
        beside = IPv4Address(inspected(box)["IPAddress"]) + 1
        said = connect(db1, f"{beside}/24", "--vlan", "10", code=1)
        assert f"{beside} is among the addresses that {holder} hands out" in said
    assert "db1" not in containet(blue["h1"], "endpoints")


def test_rates_of_the_network_and_of_the_endpoint(blue: Lab) -> None:
    web1 = run(blue["h1"], "web1")
    up(blue, "web1")
    docker(blue["h1"], "network", "disconnect", "blue", "web1")
    soon(lambda: not any(key.startswith("web1") for key in endpoints(blue)), "it is disconnected")

    docker(blue["h1"], "network", "connect", "--driver-opt", "up=10mbit", "blue", "web1")

    soon(lambda: endpoints(blue).get("web1:eth1", {}).get("up") == "10mbit", "the endpoint has its rate")
    soon(lambda: shaped(web1, "eth1") == "10Mbit", "and its shaper")  # the engine counts interfaces on
    docker(blue["h1"], "network", "disconnect", "blue", "web1")
    soon(lambda: not any(key.startswith("web1") for key in endpoints(blue)), "it is disconnected")


def test_what_is_disconnected_is_shown_nowhere(blue: Lab) -> None:
    web1 = run(blue["h1"], "web1")
    up(blue, "web1")

    docker(blue["h1"], "network", "disconnect", "blue", "web1")

    (network,) = json.loads(docker(blue["h1"], "network", "inspect", "blue"))
    assert network["Containers"] == {}
    (found,) = json.loads(docker(blue["h1"], "inspect", "web1"))
    assert found["NetworkSettings"]["Networks"] == {}
    assert web1.exec("ls", "/sys/class/net").stdout.split() == ["lo"]
    soon(lambda: "web1:eth0" not in endpoints(blue), "the controller has it no more")
    assert "web1" not in containet(blue["h1"], "endpoints")
    assert kept(blue["h1"], "pool/")[SUBNET]["used"] == []


def test_prune_takes_the_networks_that_nobody_is_on(blue: Lab) -> None:
    docker(blue["h1"], *MAKE, "--subnet", "10.9.0.0/24", "-o", "vlan=11", "red")
    run(blue["h1"], "web1")
    up(blue, "web1")

    docker(blue["h1"], "network", "prune", "--force")

    left = docker(blue["h1"], "network", "ls", "--filter", "driver=containet", "--format={{.Name}}")
    assert left.split() == ["blue"]
    soon(lambda: kept(blue["h1"], "pool/").keys() == {SUBNET}, "the addresses of the other one are given back")
    assert {record["name"] for record in kept(blue["h1"], "network/").values()} == {"blue"}
    soon(lambda: {subnet for _, subnet, _ in leases(blue)} == {SUBNET}, "nobody has them leased")


def test_policy_moves_a_container_of_dockers_own(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")
    address = inspected(web2)["IPAddress"]

    blue["h1"].exec("containet", "move", "web2", "--vlan", "20")

    assert not reaches(web1, address)
    blue["h1"].exec("containet", "move", "web1", "--vlan", "20")
    assert reaches(web1, address)


def test_a_restarted_container_is_the_same_endpoint(blue: Lab) -> None:
    web1, web2 = run(blue["h1"], "web1", "--ip", "172.15.42.9"), run(blue["h2"], "web2")
    up(blue, "web1", "web2")

    docker(blue["h1"], "restart", "--time", "0", "web1")

    soon(lambda: reaches(web2, "172.15.42.9"), "it is there again")
    assert inspected(web1)["IPAddress"] == "172.15.42.9"


@pytest.mark.parametrize("order", [("controller", "helper", "dockerd"), ("dockerd", "helper", "controller")])
def test_nothing_is_lost_when_any_of_them_is_killed(blue: Lab, order: tuple[str, ...]) -> None:
    web1, web2 = run(blue["h1"], "web1"), run(blue["h2"], "web2", "--ip", "172.15.42.100")
    up(blue, "web1", "web2")
    before = standing(blue)

    pid = docker(blue["h1"], "inspect", "--format={{.State.Pid}}", "web1")
    for role in order:
        (blue.controller if role == "controller" else blue["h1"]).kill(role)
        blue["h1"].exec("nsenter", f"--net=/proc/{pid}/ns/net", "ping", "-c", "1", "-W", "2", "172.15.42.100")
    for role in order:
        blue.start("controller" if role == "controller" else "h1", role)

    soon(lambda: standing(blue) == before, "all is as it was")
    assert reaches(web2, inspected(web1)["IPAddress"])
    run(blue["h1"], "web3")
    up(blue, "web3")
    assert reaches(web2, inspected(Box(blue["h1"], "web3"))["IPAddress"])


def test_containers_start_while_the_controller_is_away(blue: Lab) -> None:
    web1 = run(blue["h1"], "web1")
    up(blue, "web1")
    blue.controller.kill("controller")

    web2 = run(blue["h1"], "web2")
    why = refused(blue["h1"], "run", "--rm", "--network", "blue", "--ip", "172.15.42.5", "lab", "true")
    blue.serve()

    assert "The controller is away" in why
    soon(lambda: reaches(web1, inspected(web2)["IPAddress"]), "who started meanwhile is reached when it is back")


def test_an_endpoint_that_docker_deleted_while_nobody_listened_goes(blue: Lab) -> None:
    run(blue["h1"], "web1")
    up(blue, "web1")

    with deaf(blue["h1"]):
        docker(blue["h1"], "rm", "--force", "web1")
    blue.start("h1", "helper")

    soon(lambda: "web1:eth0" not in endpoints(blue), "it is forgotten")
    soon(lambda: "driven" not in remembered(blue["h1"]), "so is its record")
    soon(lambda: kept(blue["h1"], "pool/")[SUBNET]["used"] == [], "and its address is free")


def test_an_endpoint_whose_container_lives_on_goes_too(blue: Lab) -> None:
    run(blue["h1"], "web1")
    up(blue, "web1")

    with deaf(blue["h1"]):
        docker(blue["h1"], "network", "disconnect", "--force", "blue", "web1", check=False)
    blue.start("h1", "helper")

    soon(lambda: "web1:eth0" not in endpoints(blue), "it is forgotten")
    soon(lambda: "driven" not in remembered(blue["h1"]), "so is its record")
    soon(lambda: kept(blue["h1"], "pool/")[SUBNET]["used"] == [], "and its address is free")


def test_an_address_that_docker_keeps_for_something_else_stays_in_use(blue: Lab) -> None:
    kept_for = {"10.9.0.0/24": "10.9.0.9", "fd00:9::/64": "fd00:9::9"}
    words = [word for net in kept_for for word in ("--subnet", net, "--aux-address", f"{net[:4]}={kept_for[net]}")]
    docker(blue["h1"], *MAKE, "--ipv6", *words, "-o", "vlan=11", "red")
    run(blue["h1"], "web1")
    up(blue, "web1")

    with deaf(blue["h1"]):
        docker(blue["h1"], "rm", "--force", "web1")
    blue.start("h1", "helper")

    soon(lambda: kept(blue["h1"], "pool/")[SUBNET]["used"] == [], "the container's address is free")
    for subnet, address in kept_for.items():
        assert kept(blue["h1"], "pool/")[subnet]["used"] == [address]
    assert "10.9.0.9 is in use" in refused(blue["h1"], "run", "--network", "red", "--ip", "10.9.0.9", "lab", "true")
    docker(blue["h1"], "network", "rm", "red")


@pytest.mark.parametrize(
    "words",
    [("-o", "com.docker.network.bridge.name=lan0"), ("-d", "containet", "-o", "vlan=11", "--ipam-opt", "vlan=12")],
)
def test_addresses_stay_in_use_whoever_drives_their_network(blue: Lab, words: tuple[str, ...]) -> None:
    docker(blue["h1"], "network", "create", "--ipam-driver", "containet", "--subnet", "10.9.0.0/24", *words, "lan")
    docker(blue["h1"], "run", "--detach", "--network", "lan", "--name", "db1", "lab", "sleep", "100000")
    run(blue["h1"], "web1")
    up(blue, "web1")
    before, had = kept(blue["h1"], "pool/"), leases(blue)

    with deaf(blue["h1"]):
        docker(blue["h1"], "rm", "--force", "web1")
    blue.start("h1", "helper")

    soon(lambda: kept(blue["h1"], "pool/")[SUBNET]["used"] == [], "the helper has looked what is in use")
    (lan,) = before.keys() - {SUBNET}
    assert kept(blue["h1"], "pool/").get(lan) == before[lan]
    assert leases(blue) == had
    docker(blue["h1"], "rm", "--force", "db1")
    docker(blue["h1"], "network", "rm", "lan")
    soon(lambda: kept(blue["h1"], "pool/").keys() == {SUBNET}, "its pool goes with it")


def test_what_an_engine_without_its_memory_has_no_more_goes(blue: Lab) -> None:
    assert {host for host, *_ in leases(blue)} == {"h1", "h2"}

    blue["h1"].kill("helper")
    blue["h1"].kill("dockerd")
    blue["h1"].exec("rm", "/var/lib/docker/network/files/local-kv.db")
    blue.start("h1", "dockerd")
    blue.start("h1", "helper")

    soon(lambda: remembered(blue["h1"]) == [], "neither network nor pool is left")
    soon(lambda: {host for host, *_ in leases(blue)} == {"h2"}, "nor are addresses leased to it")
    docker(blue["h1"], *BLUE)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((*MAKE, "-o", "vlan=11", "red"), "say which addresses: docker network create --subnet"),
        ((*MAKE, "--subnet", "10.9.0.0/24", "red"), "which VLAN? Say it with -o vlan=N"),
        (
            (*MAKE, "--subnet", "10.9.0.0/24", "-o", "vlan=10", "red"),
            "VLAN 10 is the network blue on this host already",
        ),
        ((*MAKE, "--subnet", "10.9.0.0/24", "-o", "vln=11", "red"), "did you mean vlan?"),
        ((*MAKE, "--subnet", "10.9.0.0/24", "-o", "vlan=4095", "red"), "say a number from 1 to 4094"),
        ((*MAKE, "--subnet", "10.9.0.0/24", "-o", "vlan=11", "-o", "up=fast", "red"), "“fast” is not a rate"),
        ((*MAKE, "--subnet", "10.9.0.0/24", "-o", "vlan=11", "-o", "gateway=10.9.0.9", "red"), "--gateway"),
        ((*MAKE, "--subnet", "172.15.0.0/16", "-o", "vlan=11", "red"), "overlaps 172.15.0.0/16"),
        (
            (*MAKE, "--subnet", "10.9.0.0/24", "--ip-range", "10.9.0.0/16", "-o", "vlan=11", "red"),
            "--ip-range 10.9.0.0/16 is not inside 10.9.0.0/24",
        ),
        (
            (*MAKE, "--subnet", SUBNET, "--ip-range", "172.15.42.64/26", "-o", "vlan=11", "red"),
            "keep them apart with --ipam-opt vlan=N",
        ),
        (
            (*MAKE, "--subnet", "224.0.0.0/24", "-o", "vlan=11", "red"),
            "no container can have an address of 224.0.0.0/24",
        ),
        ((*MAKE, "--subnet", "10.9.0.1/32", "-o", "vlan=11", "red"), "10.9.0.1/32 has room for nobody"),
        (("run", "--network", "blue", "--ip", "172.15.42.100", "lab", "true"), "172.15.42.100 is in use"),
        (("run", "--network", "blue", "--ip", "172.15.42.1", "lab", "true"), "is the gateway"),
        (("run", "--network", "blue", "--ip", "172.15.42.255", "lab", "true"), "172.15.42.255"),
    ],
)
def test_the_person_at_the_command_line_reads_why_not(blue: Lab, words: tuple[str, ...], why: str) -> None:
    run(blue["h1"], "web1", "--ip", "172.15.42.100")
    up(blue, "web1")

    assert why in refused(blue["h1"], *words)

    soon(lambda: endpoints(blue).keys() == {"web1:eth0", "gw10:gw10", "dns10:dns10"}, "only who was there is there")
