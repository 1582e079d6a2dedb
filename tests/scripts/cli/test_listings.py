import pytest

from scripts.cli.tables import table
from tests.scripts.cli.conftest import Cli, Peer
from tests.scripts.cli.shapes import APPLIED, ENDPOINT, HOST, problem


def test_endpoints(cli: Cli, controller: Peer) -> None:
    waits = ENDPOINT | {"host": "host2", "name": "db1", "address": None, "state": "pending", "why": "host2 is away"}
    controller.answers["GET /v1/endpoints"] = 200, [ENDPOINT, waits]

    assert cli("endpoints").out.splitlines() == [
        "HOST   NAME  INTERFACE  ADDRESS           NETWORK  VLAN  UP      DOWN  STATE",
        "host1  web1  eth0       172.15.42.100/24  blue       10  10mbit  none  up",
        "host2  db1   eth0       -                 blue       10  10mbit  none  pending: host2 is away",
    ]


def test_endpoints_are_in_the_order_of_their_names(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/endpoints"] = 200, [ENDPOINT | {"name": name} for name in ("web2", "db1", "web1")]

    assert [line.split()[1] for line in cli("endpoints").out.splitlines()[1:]] == ["db1", "web1", "web2"]


def test_published_ports(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/endpoints"] = 200, [ENDPOINT | {"ports": ["8080->80/tcp", "53->53/udp"]}]

    assert cli("endpoints").out.splitlines() == [
        "HOST   NAME  INTERFACE  ADDRESS           NETWORK  VLAN  UP      DOWN  STATE  PORTS",
        "host1  web1  eth0       172.15.42.100/24  blue       10  10mbit  none  up     8080->80/tcp, 53->53/udp",
    ]


def test_hosts(cli: Cli, controller: Peer) -> None:
    away = HOST | {"name": "host2", "switch": "away", "links": [], "errors": ["no bridge br-int"], "pending": True}
    controller.answers["GET /v1/hosts"] = 200, [HOST, away, HOST | {"name": "host3", "pending": True}]

    assert cli("hosts").out.splitlines() == [
        "HOST   VTEP      SWITCH     HELPER     LINKS  ENDPOINTS  STATE",
        "host1  10.0.0.3  connected  connected  host2          1  in force",
        "host2  10.0.0.3  away       connected  -              1  no bridge br-int",
        "host3  10.0.0.3  connected  connected  host2          1  pending",
    ]


def test_networks(cli: Cli, controller: Peer) -> None:
    blue = {"name": "blue", "vlan": 10, "vni": 5010, "subnet": "172.15.42.0/24", "gateway": None, "endpoints": ["a"]}
    controller.answers["GET /v1/networks"] = 200, [blue]

    assert cli("networks").out.splitlines() == [
        "NETWORK  VLAN   VNI  SUBNET          GATEWAY  ENDPOINTS",
        "blue       10  5010  172.15.42.0/24  -                1",
    ]


def test_topology(cli: Cli, controller: Peer) -> None:
    hosts = [{"name": "host1", "vtep": "10.0.0.3", "switch": "away"}, {"name": "host2", "vtep": "10.0.0.4"}]
    links = [{"a": "host1", "b": "host2", "tunnel": "gre"}]
    controller.answers["GET /v1/topology"] = 200, {"hosts": hosts, "links": links}

    assert cli("topology").out.splitlines() == [
        "HOST   VTEP      TUNNEL  HOST   VTEP",
        "host1  10.0.0.3  gre     host2  10.0.0.4",
    ]


@pytest.mark.parametrize("what", ["endpoints", "hosts", "networks"])
def test_programs_get_what_the_api_said(cli: Cli, controller: Peer, what: str) -> None:
    said = '[ {"name": "w",\n "more": 1.50} ]'
    controller.answers[f"GET /v1/{what}"] = 200, said

    assert cli(what, "-o", "json").out == said + "\n"


def test_nothing_there_is_a_table_without_rows(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/endpoints"] = 200, []

    ran = cli("endpoints")

    assert (ran.code, len(ran.out.splitlines())) == (0, 1)


def test_forget_host(cli: Cli, controller: Peer) -> None:
    controller.answers["DELETE /v1/hosts/host2"] = 200, APPLIED
    refusal = problem("connected", 409, "host1 is connected. Stop its helper first.")
    controller.answers["DELETE /v1/hosts/host1"] = 409, refusal

    assert cli("forget-host", "host2").out == "host2 is forgotten\n"
    assert cli("forget-host", "host1").code == 1


def test_nobody_there_says_where_and_what_to_start(nobody: Cli) -> None:
    ran = nobody("hosts")

    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("Error: The controller at http://127.0.0.1:1 cannot be reached: Connection refused.")
    assert "osken-manager" in ran.err


def test_somebody_else_there(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/hosts"] = 200, "<html>It works!</html>"

    ran = cli("hosts")

    assert ran.code == 4
    assert "is no Containet controller" in ran.err


def test_an_address_that_is_none(nobody: Cli) -> None:
    for place in ("10.0.0.3:8080", "ftp://10.0.0.3", "http://:99999", "http://"):
        ran = Cli(nobody.env | {"CONTAINET_CONTROLLER": place})("hosts")

        assert (ran.code, place in ran.err) == (2, True)


def test_a_name_cannot_draw_on_the_terminal() -> None:
    assert table(("NAME", "N"), [("a\x1b[2Jb\nc", 1), ("", 2)]) == "NAME      N\na?[2Jb?c  1\n-         2"
