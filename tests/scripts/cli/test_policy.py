import json
import os
from pathlib import Path

import pytest
import yaml

from tests.scripts.cli.conftest import Cli, Peer
from tests.scripts.cli.shapes import APPLIED, HELD_UP, POLICY, problem

DRY = "PUT /v1/policy?dry_run=true"
CHANGES = {"changes": [{"endpoint": "host1:web1:eth0", "field": "vlan", "from": 1, "to": 10}]}
SHOWN = ["ENDPOINT         WHAT  FROM  TO", "host1:web1:eth0  vlan     1  10"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(POLICY))
    return path


def test_show(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/policy"] = 200, yaml.safe_dump(POLICY)
    assert yaml.safe_load(cli("policy", "show").out) == POLICY

    controller.answers["GET /v1/policy"] = 200, POLICY
    assert json.loads(cli("policy", "show", "-o", "json").out) == POLICY


def test_diff_changes_nothing(cli: Cli, controller: Peer, file: Path) -> None:
    controller.answers[DRY] = 200, CHANGES

    ran = cli("policy", "diff", str(file))

    assert (ran.code, ran.out.splitlines()) == (0, SHOWN)
    assert controller.asked == [(DRY, file.read_bytes())]


def test_apply_sends_the_file_as_it_is_and_shows_what_changed(cli: Cli, controller: Peer, file: Path) -> None:
    controller.answers |= {DRY: (200, CHANGES), "PUT /v1/policy": (200, APPLIED)}

    ran = cli("policy", "apply", str(file))

    assert (ran.code, ran.out.splitlines()) == (0, [*SHOWN, "the policy is generation 7"])
    assert controller.asked[-1] == ("PUT /v1/policy", file.read_bytes())


def test_apply_from_standard_input_for_a_program(cli: Cli, controller: Peer) -> None:
    controller.answers |= {DRY: (200, {"changes": []}), "PUT /v1/policy": (202, HELD_UP)}

    ran = cli("policy", "apply", "-", "-o", "json", stdin="networks: {}\n")

    assert (ran.code, json.loads(ran.out)) == (3, HELD_UP)
    assert controller.bodies[-1] == b"networks: {}\n"


def test_a_wrong_policy_is_told_line_by_line(cli: Cli, controller: Peer, file: Path) -> None:
    errors = [
        {"where": "assign[0].up", "what": "“10” is not a rate", "line": 3},
        {"where": "", "what": "no", "line": 9},
    ]
    controller.answers[DRY] = (
        422,
        problem("invalid", 422, "line 3, assign[0].up: “10” is not a rate (and 1 more)", errors=errors),
    )

    ran = cli("policy", "apply", str(file))

    assert ran.code == 1
    assert ran.err.splitlines()[1:] == ["  line 9: no"]
    assert [what for what, _ in controller.asked] == [DRY]


def test_files_that_are_no_policy_are_not_sent(cli: Cli, controller: Peer, tmp_path: Path) -> None:
    big, empty, absent = tmp_path / "big", tmp_path / "empty", tmp_path / "absent"
    with big.open("wb") as file:
        file.truncate(50 << 20)
    empty.touch()

    for path, why in ((big, "1 MiB"), (empty, "empty"), (absent, "No such file"), (tmp_path, "Is a directory")):
        ran = cli("policy", "apply", str(path))

        assert (ran.code, ran.out) == (2, "")
        assert f"“{path}”" in ran.err
        assert why in ran.err
    assert controller.asked == []


def test_standard_input_without_an_end_is_not_read_for_ever(cli: Cli) -> None:
    with Path(os.devnull).with_name("zero").open("rb") as zeros:
        process = cli.start("policy", "diff", "-", stdin=zeros.fileno())
        _, err = process.communicate(timeout=10)

    assert process.returncode == 2
    assert "1 MiB" in err
