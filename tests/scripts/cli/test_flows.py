import json
import signal
import subprocess
from collections.abc import Iterator
from typing import IO

from tests.scripts.cli.conftest import CONTAINET, Cli, Peer
from tests.scripts.cli.shapes import FLOW, problem

FOREIGN = FLOW | {"table": "5", "table_id": 5, "match": "", "actions": "drop", "owner": None, "feature": None}


def test_a_flow_says_what_it_is_there_for(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/flows"] = 200, [FLOW, FOREIGN]

    lines = cli("flows").out.splitlines()

    assert [line.split() for line in lines] == [
        ["HOST", "TABLE", "PRIO", "PACKETS", "BYTES", "FOR", "MATCH", "ACTIONS"],
        ["host1", "l2_lookup", "100", "12", "1176", "endpoint", "host1:web1:eth0", FLOW["match"], FLOW["actions"]],
        ["host1", "5", "100", "12", "1176", "not", "ours", "-", "drop"],
    ]


def test_filters_are_the_controllers_work(cli: Cli, controller: Peer) -> None:
    wanted = "GET /v1/flows?host=host1&endpoint=host1%3Aweb1&table=l2_lookup"
    controller.answers[wanted] = 200, [FLOW]

    ran = cli("flows", "--host", "host1", "--container", "host1:web1", "--table", "l2_lookup", "-o", "json")

    assert (ran.code, json.loads(ran.out)) == (0, [FLOW])


def test_an_unknown_table_names_those_there_are(cli: Cli) -> None:
    ran = cli("flows", "--table", "l3")

    assert ran.code == 2
    assert "l2_lookup" in ran.err


def _readings(out: IO[str]) -> Iterator[list[str]]:
    """Tables, as each is complete."""
    lines: list[str] = []
    while line := out.readline():
        if line != "\n":
            lines.append(line)
        elif lines:
            yield lines
            lines = []


def test_watch_shows_rates_and_ends_with_ctrl_c(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/flows"] = 200, [FLOW]
    process = cli.start("flows", "--watch")
    assert process.stdout is not None
    readings = _readings(process.stdout)

    first = next(readings)
    controller.answers["GET /v1/flows"] = 200, [FLOW | {"packets": 2012}]
    second = next(readings)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    assert first[0].split()[4] == "PACKETS/S"
    assert first[1].split()[4] == "-"
    assert 500 < float(second[1].split()[4]) <= 1000  # 2000 in the two seconds between the readings, or a little more
    assert (process.returncode, err) == (0, "")


def test_watch_ends_when_the_controller_goes(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/flows"] = 200, [FLOW]
    process = cli.start("flows", "--watch", "-o", "json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == [FLOW]

    controller.answers["GET /v1/flows"] = 503, problem("starting", 503, "The controller is starting. Try again.")

    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (4, "Error: The controller is starting. Try again.\n")


def test_a_reader_that_has_enough(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/flows"] = 200, [FLOW] * 20_000  # more than a pipe holds

    shell = ["bash", "-o", "pipefail", "-c", f"{CONTAINET} flows | head -n 1"]
    ran = subprocess.run(shell, env=cli.env, capture_output=True, text=True, timeout=30, check=False)

    assert (ran.returncode, ran.stderr) == (141, "")  # as of a program that SIGPIPE ended
    assert ran.stdout.startswith("HOST")
