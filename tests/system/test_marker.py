"""A real switch that kept its flows while the controller was away: nothing is read or written, and all is compared."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.rollout import PROVE_S
from tests.system.conftest import Sandbox
from tests.system.test_drift import TIDY, Host, eventually, one

COMPARED_S = PROVE_S + 10
AGE = re.compile(r"duration=([\d.]+)s, ")
COUNTS = re.compile(r"(?:duration|n_packets|n_bytes|idle_age|hard_age)=[\d.]+s?, ")


@pytest.fixture
def host(sandbox: Sandbox, tmp_path: Path) -> Iterator[Host]:
    made = Host(sandbox, tmp_path, TIDY)
    made.up()
    yield made
    made.stop()


def ages(host: Host) -> dict[str, float]:
    """How many seconds each flow stands, the marker too."""
    lines = host.sandbox.ofctl("--no-names", "dump-flows", "br-int").strip().splitlines()
    return {COUNTS.sub("", line): float(found.group(1)) for line in lines if (found := AGE.search(line))}


def test_who_comes_back_touches_no_flow_and_no_marker(host: Host) -> None:
    before = ages(host)
    assert sum("cookie=0xc708" in flow and "table=120" in flow for flow in before) == 1

    host.restart(TIDY)
    host.started.process.wait_for("connected from")
    time.sleep(PROVE_S + 1)  # served, and compared too

    after = ages(host)
    assert after.keys() == before.keys()
    assert all(after[flow] >= age for flow, age in before.items())


def test_a_flow_that_is_gone_meanwhile_is_seen_at_once(host: Host) -> None:
    before, flow = host.holds(), one(host, "in_port=1")
    host.stop()
    host.sandbox.ofctl("--strict", "del-flows", "br-int", flow)

    host.restart(TIDY)

    eventually(lambda: host.holds() == before, PROVE_S - 1, "its number does not tell")


def test_a_flow_that_was_altered_meanwhile_is_found_and_told(host: Host) -> None:
    before, flow = host.holds(), one(host, "in_port=1")
    host.stop()
    host.sandbox.ofctl("--strict", "mod-flows", "br-int", f"{flow},actions=output:2")
    host.restart(TIDY)
    host.since = 0

    eventually(lambda: host.holds() == before, COMPARED_S, "it is never compared")

    eventually(lambda: "repaired" in host.kinds(), 5, "it is never told")
    assert "1 flow was changed by somebody else while the controller could not see it" in [
        event["what"] for event in host.events()
    ]


def test_a_marker_that_somebody_deletes_is_back(host: Host) -> None:
    assert host.spoilt("del-flows", "br-int", "table=120") < 1
