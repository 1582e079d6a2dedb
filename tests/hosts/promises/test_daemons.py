"""Every process of ours and of Open vSwitch is stopped, or killed and started, under a stream."""

import threading
import time
from datetime import datetime

from scripts.lab import Lab, LabError, Machine
from scripts.lab.measure import Box
from tests.hosts.people import database, devices, flows, meters, soon
from tests.hosts.promises.watched import move, watched, youngest_s

STOPPED_S = 1.0
BACK_S = 1.0  # from the moment that the controller has a switch again until that has everything


def test_who_is_stopped_for_a_second_costs_no_packet_and_goes_on(lab: Lab, pair: tuple[Box, Box]) -> None:
    stopped = ((lab.controller, "controller"), (lab["h1"], "helper"), (lab["h2"], "ovsdb-server"))
    with watched(lab, pair) as stream:
        for number, (machine, role) in enumerate(stopped):
            machine.freeze(role)
            time.sleep(STOPPED_S)
            machine.thaw(role)
            move(lab, 10 if number % 2 else 20, "web1", "web2")

    assert stream.lost == 0, stream


def test_a_killed_database_costs_no_packet(lab: Lab, pair: tuple[Box, Box]) -> None:
    before = database(lab["h2"])
    with watched(lab, pair) as stream:
        lab["h2"].kill("ovsdb-server")
        time.sleep(0.3)
        lab.start("h2", "ovsdb-server")
        move(lab, 20, "web1", "web2")

    assert stream.lost == 0, stream
    assert database(lab["h2"]) == before


def test_a_switch_that_was_stopped_goes_on_as_it_was(lab: Lab, pair: tuple[Box, Box]) -> None:
    """It forwards nothing meanwhile: what its host's buffers can hold comes late."""
    before = flows(lab["h2"]), meters(lab["h2"])
    with watched(lab, pair) as stream:
        stopped = time.monotonic()
        lab["h2"].freeze("ovs-vswitchd")
        time.sleep(STOPPED_S)
        lab["h2"].thaw("ovs-vswitchd")
        thawed = time.monotonic()
        time.sleep(STOPPED_S / 2)
        younger = time.monotonic() - stopped - youngest_s(lab["h2"])

    assert (flows(lab["h2"]), meters(lab["h2"])) == before
    assert younger < 0, f"a flow is younger than that by {younger:.1f} s: {stream}"
    assert stream.stream.lost_between(thawed + 0.1, time.monotonic()) == 0, stream
    move(lab, 20, "web1", "web2")


def installed(host: Machine) -> tuple[list[str], ...] | None:
    """Flows and meters; None if there is no bridge."""
    try:
        return flows(host), meters(host)
    except LabError:
        return None


def everything(host: Machine) -> tuple[list[str], ...]:
    """All that a switch holds, and that the host has for it."""
    return flows(host), meters(host), database(host), devices(host)


def connected_at(lab: Lab, host: str) -> datetime:
    """When the controller last got this host's switch."""
    told = [each for each in lab.ask(f"/v1/events?host={host}")[1] if each["kind"] == "switch-up"]
    return datetime.fromisoformat(told[-1]["time"])


def test_a_switch_that_was_killed_has_everything_back_within_a_second(lab: Lab, pair: tuple[Box, Box]) -> None:
    host = lab["h2"]
    lab.ask("/v1/endpoints/web2", "PATCH", {"up": "50mbit", "down": "60mbit"})
    before, was_connected = everything(host), connected_at(lab, "h2")
    with watched(lab, pair) as stream:
        host.kill("ovs-vswitchd")
        starting = threading.Thread(target=lab.start, args=("h2", "ovs-vswitchd"))
        starting.start()
        soon(lambda: installed(host) == before[:2], "flows and meters are back")
        complete, back = datetime.now().astimezone(), time.monotonic()
        starting.join()
        time.sleep(1)
    connected = connected_at(lab, "h2")
    took_s = (complete - connected).total_seconds()

    assert connected > was_connected
    assert took_s < BACK_S, stream
    assert stream.stream.lost_between(back + 0.5, time.monotonic()) == 0, f"complete after {took_s:.3f} s: {stream}"
    soon(lambda: everything(host) == before, "ports and devices are as they were", 5)
