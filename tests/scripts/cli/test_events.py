import json
import signal

from tests.scripts.cli.conftest import Cli, Peer
from tests.scripts.cli.shapes import EVENT, problem

MEETING = EVENT | {
    "number": 8,
    "time": "2026-01-02T03:04:06Z",
    "kind": "switch-up",
    "endpoint": None,
    "what": "a\x1b[2Jb",
}


def stream(*events: dict[str, object]) -> str:
    return ":\n\n" + "".join(f"id: {each['number']}\ndata: {json.dumps(each)}\n\n" for each in events)


def test_what_happened(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/events"] = 200, [EVENT, MEETING]

    assert cli("events").out.splitlines() == [
        "TIME                  KIND       HOST   ENDPOINT         WHAT",
        "2026-01-02T03:04:05Z  drift      host1  host1:web1:eth0  a flow was deleted by somebody else",
        "2026-01-02T03:04:06Z  switch-up  host1  -                a?[2Jb",
    ]


def test_of_one_host(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/events?host=host1"] = 200, [EVENT]

    assert json.loads(cli("events", "--host", "host1", "-o", "json").out) == [EVENT]


def test_follow_shows_each_as_it_comes_and_ends_with_the_controller(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/events"] = 200, stream(EVENT, MEETING)

    ran = cli("events", "--follow")

    assert [line.split()[:3] for line in ran.out.splitlines()] == [
        ["2026-01-02T03:04:05Z", "drift", "host1"],
        ["2026-01-02T03:04:06Z", "switch-up", "host1"],
    ]
    assert (ran.code, "has ended this" in ran.err) == (4, True)
    assert cli("events", "--follow", "-o", "json").out.splitlines() == [json.dumps(EVENT), json.dumps(MEETING)]


def test_follow_ends_with_ctrl_c(cli: Cli, controller: Peer) -> None:
    controller.endless["GET /v1/events"] = stream(EVENT)
    process = cli.start("events", "--follow")
    assert process.stdout is not None
    assert "drift" in process.stdout.readline()

    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")


def test_too_many_follow(cli: Cli, controller: Peer) -> None:
    controller.answers["GET /v1/events"] = 503, problem("too-many-streams", 503, "64 streams are open already.")

    ran = cli("events", "--follow")

    assert (ran.code, ran.err) == (4, "Error: 64 streams are open already.\n")
