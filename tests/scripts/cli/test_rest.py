"""The command line against the real REST room, with the twin's two hosts behind it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.scripts.cli.conftest import Cli

TOP = Path(__file__).parents[3]


@pytest.fixture
def rest(nobody: Cli) -> Iterator[Cli]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.app.api.served", "256"]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield Cli(nobody.env | {"CONTAINET_CONTROLLER": f"http://127.0.0.1:{port}"})
        finally:
            process.kill()


def _rows(cli: Cli, *argv: str) -> list[list[str]]:
    ran = cli(*argv)
    assert (ran.code, ran.err) == (0, "")
    return [line.split() for line in ran.out.splitlines()[1:]]


def _vlans(cli: Cli) -> dict[str, int]:
    """VLANs of the endpoints of h2, by name and interface."""
    return {
        f"{entry['name']}:{entry['interface']}": entry["vlan"]
        for entry in json.loads(cli("endpoints", "-o", "json").out)
        if entry["host"] == "h2"
    }


def test_listings(rest: Cli) -> None:
    assert sorted(row[0] + row[1] for row in _rows(rest, "endpoints")) == [
        "h1netns:foo", "h1web1", "h2db1", "h2web1", "h2web1",
    ]  # fmt: skip
    assert [row[0] for row in _rows(rest, "hosts")] == ["h1", "h2"]
    assert {"default", "vlan20"} <= {row[0] for row in _rows(rest, "networks")}
    assert len(_rows(rest, "topology")) == 1
    assert {row[0] for row in _rows(rest, "flows", "--host", "h1", "--table", "classify")} <= {"h1"}


def test_changes(rest: Cli) -> None:
    assert rest("move", "db1", "web1:eth1", "--vlan", "30").code == 0
    assert _vlans(rest) == {"web1:eth0": 1, "web1:eth1": 30, "db1:eth0": 30}

    assert rest("limit", "db1", "--up", "10mbit").code == 0
    head = yaml.safe_load(rest("policy", "show").out)["assign"][0]
    assert (head["match"]["name"], head["up"]) == ("db1", "10mbit")


def test_which_web1(rest: Cli) -> None:
    ran = rest("move", "web1", "--vlan", "30")

    assert ran.code == 1
    for name in ("h1:web1:eth0", "h2:web1:eth0", "h2:web1:eth1"):
        assert ran.err.count(name) == 1


def test_policy(rest: Cli, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("networks:\n  blue: {vlan: 10}\nassign:\n  - {match: {name: db1}, vlan: 10}\n")

    diff = _rows(rest, "policy", "diff", str(file))
    assert ["vlan", "1", "10"] in [row[1:] for row in diff]
    assert _vlans(rest)["db1:eth0"] == 1

    assert rest("policy", "apply", str(file)).code == 0
    assert _vlans(rest)["db1:eth0"] == 10

    file.write_text("networks:\n  blue: {vlan: 10, colour: red}\n  red: {vlan: ten}\n")
    ran = rest("policy", "apply", str(file))
    assert ran.code == 1
    assert "line 2" in ran.err
    assert "line 3" in ran.err
    assert _vlans(rest)["db1:eth0"] == 10


def test_a_host_that_is_gone_is_forgotten(rest: Cli) -> None:
    assert rest("forget-host", "h2").code == 0
    assert [row[0] for row in _rows(rest, "hosts")] == ["h1"]
    assert rest("forget-host", "h2").code == 1
