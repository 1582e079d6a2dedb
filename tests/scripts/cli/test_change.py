from tests.scripts.cli.conftest import Cli, Peer
from tests.scripts.cli.shapes import APPLIED, HELD_UP, problem


def test_move_one(cli: Cli, controller: Peer) -> None:
    controller.answers["PATCH /v1/endpoints/host2%3Aweb1"] = 200, APPLIED

    ran = cli("move", "host2:web1", "--vlan", "20")

    assert (ran.code, ran.out, ran.err) == (0, "host2:web1 moved to vlan 20\n", "")
    assert controller.bodies == [{"vlan": 20}]


def test_move_several_is_one_change(cli: Cli, controller: Peer) -> None:
    controller.answers["PATCH /v1/endpoints"] = 200, APPLIED

    ran = cli("move", "web1", "web2", "--vlan", "20")

    assert (ran.code, ran.out) == (0, "web1, web2 moved to vlan 20\n")
    assert controller.bodies == [{"names": ["web1", "web2"], "vlan": 20}]


def test_a_host_that_is_away_is_named(cli: Cli, controller: Peer) -> None:
    controller.answers["PATCH /v1/endpoints/web1"] = 202, HELD_UP

    ran = cli("move", "web1", "--vlan", "20")

    assert ran.code == 3
    assert "Pending on host2." in ran.err


def test_an_ambiguous_name_gets_its_choice(cli: Cli, controller: Peer) -> None:
    detail = "“web1” is more than one endpoint. Say which."
    refusal = problem("ambiguous", 409, detail, candidates=["host1:web1", "host2:web1"])
    controller.answers["PATCH /v1/endpoints/web1"] = 409, refusal

    ran = cli("limit", "web1", "--up", "1mbit")

    assert (ran.code, ran.err) == (1, f"Error: {detail}\nThere are: host1:web1, host2:web1\n")


def test_limit(cli: Cli, controller: Peer) -> None:
    controller.answers["PATCH /v1/endpoints/web1"] = 200, APPLIED

    ran = cli("limit", "web1", "--up", "10mbit", "--down", "none")

    assert (ran.code, ran.out) == (0, "web1 limited: up 10mbit, down none\n")
    assert controller.bodies == [{"up": "10mbit", "down": "none"}]


def test_limit_to_what(cli: Cli) -> None:
    ran = cli("limit", "web1")

    assert ran.code == 2
    assert "--up RATE" in ran.err
