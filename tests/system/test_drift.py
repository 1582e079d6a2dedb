"""What somebody else changes in a real switch is put right within a second, and the events tell of it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.twin import report
from tests.system.conftest import Sandbox
from tests.system.started import Started

REPAIR_S = 1.0
UP = {
    "dpid": 1,
    "vtep": "10.0.0.1",
    "underlay_mtu": 1500,
    "endpoints": [
        report(name, ofport).model_copy(update={"up_kbps": 1000}).model_dump(mode="json")
        for name, ofport in (("web1", 1), ("web2", 2))
    ],
}
OURS = "cookie=0xc705000000000000"
TIDY = "--containet-settle=0"  # what nobody wants goes at once


def eventually(holds: Callable[[], bool], seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


class Host:
    """A controller, and one host's switch that has what it should."""

    def __init__(self, sandbox: Sandbox, directory: Path, *words: str) -> None:
        self.sandbox, self.directory = sandbox, directory
        self.started = Started(directory, *words)
        self.since = 0
        sandbox.bridge(controller=self.target, ports=2)

    @property
    def target(self) -> str:
        return f"tcp:127.0.0.1:{self.started.port}"

    def up(self) -> None:
        """The helper reports, and the switch gets all that is wanted. What happens from here on is new."""
        self.started.ask("PUT", "/v1/hosts/h1", UP)
        eventually(lambda: "meter:2" in "".join(self.sandbox.flows()), 10, "the switch never got its flows")
        self.since = self.events()[-1]["number"]

    def restart(self, *words: str) -> None:
        """The controller is killed, and another begins."""
        self.stop()
        self.started = Started(self.directory, *words)
        self.sandbox.vsctl("set-controller", "br-int", self.target)
        self.started.ask("PUT", "/v1/hosts/h1", UP)

    def stop(self) -> None:
        self.started.process.kill()
        self.sandbox.expect("connection dropped|connection failed|Connection refused")

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.started.ask("GET", f"/v1/events?since={self.since}")
        return [each for each in found if each["kind"] != "missed"]

    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.events()]

    def holds(self) -> tuple[list[str], str]:
        """Its flows and meters, without what counts."""
        return sorted(map(str.strip, self.sandbox.flows())), self.sandbox.ofctl("dump-meters", "br-int").partition(
            "\n"
        )[2]

    def spoilt(self, *command: str) -> float:
        """Somebody does this with ovs-ofctl; seconds until all is as before, and said to be."""
        before = self.holds()
        self.sandbox.ofctl(*command)
        began = time.monotonic()
        eventually(lambda: self.holds() == before, 5, f"{command} is never put right")
        took = time.monotonic() - began
        eventually(lambda: "repaired" in self.kinds(), 5, f"that {command} was put right is never told")
        return took


@pytest.fixture
def new(sandbox: Sandbox, tmp_path: Path) -> Iterator[Host]:
    """A host whose helper has said nothing yet, and a controller that waits for other hosts."""
    made = Host(sandbox, tmp_path, "--containet-settle=3600")
    yield made
    made.stop()


@pytest.fixture
def host(sandbox: Sandbox, tmp_path: Path) -> Iterator[Host]:
    made = Host(sandbox, tmp_path, TIDY)
    made.up()
    yield made
    made.stop()


def one(host: Host, part: str) -> str:
    """A flow with this in it, as `--strict` commands name one: table, priority and match."""
    line = next(line for line in host.sandbox.flows() if part in line)
    words = line.split(" actions=")[0].replace(" ", "").split(",")
    return ",".join(word for word in words if not word.startswith("cookie"))


def test_a_deleted_flow_is_back(host: Host) -> None:
    flow = one(host, "in_port=1")

    assert host.spoilt("--strict", "del-flows", "br-int", flow) < REPAIR_S

    drift, repaired = host.events()
    assert (drift["kind"], drift["host"], drift["endpoint"]) == ("drift", "h1", "h1:web1:eth0")
    assert drift["what"].startswith("a flow was deleted by somebody else: table=0,")
    assert (repaired["kind"], repaired["what"]) == ("repaired", "what was changed by somebody else stands again")


def test_an_altered_flow_is_as_before(host: Host) -> None:
    flow = one(host, "in_port=1")

    assert host.spoilt("--strict", "mod-flows", "br-int", f"{flow},actions=output:2") < REPAIR_S
    assert host.kinds() == ["drift", "repaired"]


def test_a_deleted_meter_is_back_with_its_flows(host: Host) -> None:
    assert host.spoilt("del-meter", "br-int", "meter=1") < REPAIR_S

    assert "meter 1 was deleted by somebody else" in [each["what"] for each in host.events()]
    assert host.events()[-1]["what"] == "what was changed by somebody else stands again (2 changes)"


def test_a_meters_rate_is_as_before(host: Host) -> None:
    rate = "meter=1,kbps,burst,stats,bands=type=drop,rate=5,burst_size=9"

    assert host.spoilt("mod-meter", "br-int", rate) < REPAIR_S


@pytest.mark.parametrize(
    "flow",
    [
        f"table=60,{OURS},priority=7,reg0=0x63,actions=output:1",
        f"table=61,{OURS},tcp,tcp_dst=80,actions=output:1",  # which this version does not make
    ],
)
def test_a_flow_with_our_cookie_that_nobody_wants_goes(host: Host, flow: str) -> None:
    assert host.spoilt("add-flow", "br-int", flow) < REPAIR_S
    assert host.kinds() == ["drift", "repaired"]


def test_everything_at_once(host: Host) -> None:
    assert host.spoilt("del-flows", "br-int") < REPAIR_S
    assert host.kinds().count("drift") <= 20


def test_a_foreign_flow_is_told_and_stays(host: Host) -> None:
    host.sandbox.ofctl("add-flow", "br-int", "table=0,priority=9,cookie=0x5,actions=drop")

    eventually(lambda: host.kinds() == ["foreign"], 5, "it is never told")
    (told,) = host.events()
    assert told["what"] == "a flow that is not Containet's was added: table=0,cookie=0x5,priority=9"
    assert any("cookie=0x5" in line for line in host.sandbox.flows())


def test_what_a_version_before_left_goes_when_the_intent_is_complete(new: Host) -> None:
    new.started.process.wait_for("connected from")
    new.sandbox.ofctl("add-flow", "br-int", f"table=61,{OURS},tcp,tcp_dst=80,actions=output:1")
    new.sandbox.ofctl("add-flow", "br-int", "table=5,cookie=0x5,actions=drop")
    new.up()
    assert any("table=61" in line for line in new.sandbox.flows()), "it is not known yet that nobody wants it"

    new.restart(TIDY)

    eventually(lambda: not any("table=61" in line for line in new.sandbox.flows()), 10, "it is never removed")
    assert any("cookie=0x5" in line for line in new.sandbox.flows())
    eventually(lambda: "foreign" in new.kinds(), 5, "it is never told")
    foreign = [each["what"] for each in new.events() if each["kind"] == "foreign"]
    assert foreign == ["1 flow in its bridge is not Containet's and may take packets away: see “containet flows”"]
