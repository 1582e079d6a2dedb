"""The lab's commands as far as they go without a lab; tests/hosts has one."""

import json

from tests.scripts.cli.conftest import Cli


def test_no_such_lab(cli: Cli) -> None:
    ran = cli("lab", "status", "--name", "nolab")

    assert ran.code == 1
    assert "containet lab up" in ran.out
    assert json.loads(cli("lab", "status", "--name", "nolab", "-o", "json").out)["up"] is False


def test_exec_where_there_is_none(cli: Cli) -> None:
    ran = cli("lab", "exec", "--name", "nolab", "h1", "--", "ip", "-o", "link")

    assert ran.code == 1
    assert "lab" in ran.err


def test_a_name_that_cannot_be(cli: Cli) -> None:
    ran = cli("lab", "up", "--name", "../x")

    assert ran.code == 1
    assert "“../x” cannot name a lab" in ran.err


def test_a_tunnel_that_there_is_not(cli: Cli) -> None:
    ran = cli("lab", "up", "--tunnel", "ipip")

    assert ran.code == 2
    assert "vxlan" in ran.err
