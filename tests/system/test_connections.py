"""Bridges that fall silent, go, come back, and are two with one dpid."""

import os
import signal
import time

import pytest
from os_ken.lib import hub

from app.openflow import switch as room
from app.openflow.switch import Switch, SwitchGoneError
from flows.flow import Contents
from tests.system.conftest import Sandbox
from tests.system.controller import Controller


def test_a_switch_that_is_silent_is_gone(switch: Switch, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    switch.line.patience_s = 0.2
    monkeypatch.setattr(room, "PROBE_S", 0.2)
    sandbox.expect("Unreasonably long|context switches")
    pid = int((sandbox.run / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SwitchGoneError, match="did not answer in time"):
            switch.read()
        assert not switch.alive()
    finally:
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while not switch.alive():
        assert time.monotonic() < deadline, "it never comes back"
    assert switch.read() == Contents()


def test_a_lost_connection_is_told(sandbox: Sandbox, controller: Controller) -> None:
    sandbox.bridge(controller=controller.target)
    switch = controller.switch()

    sandbox.vsctl("del-controller", "br-int")

    assert controller.gone() is switch
    with pytest.raises(SwitchGoneError, match="is gone"):
        switch.read()


def test_a_second_bridge_with_the_dpid_is_refused(
    sandbox: Sandbox, controller: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.bridge("br-a", dpid=5, controller=controller.target)
    first = controller.switch()
    sandbox.bridge("br-b", dpid=5, controller=controller.target)
    deadline = time.monotonic() + 10
    while "a second bridge with dpid 0x0000000000000005" not in caplog.text:
        assert time.monotonic() < deadline
        hub.sleep(0.05)

    assert first.alive()
    assert controller.nobody_waits()

    sandbox.vsctl("del-controller", "br-a")
    assert controller.gone() is first
    second = controller.switch()
    assert second.dpid == 5
    assert second.read() == Contents()
    sandbox.vsctl("del-controller", "br-b")
    assert controller.gone() is second


def test_a_host_that_comes_back_takes_the_place_of_its_dead_connection(
    sandbox: Sandbox, other_sandbox: Sandbox, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PROBE_S", 0.2)
    sandbox.expect("Unreasonably long|context switches|connection dropped")
    sandbox.bridge(dpid=6, controller=controller.target)
    dead = controller.switch()
    pid = int((sandbox.run / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)  # as a host without power: no answer, no end of the connection
    try:
        other_sandbox.bridge(dpid=6, controller=controller.target)
        alive = controller.switch()

        assert controller.gone() is dead
        assert (alive.dpid, alive.read()) == (6, Contents())
    finally:
        os.kill(pid, signal.SIGCONT)
    sandbox.vsctl("del-controller", "br-int")
    other_sandbox.vsctl("del-controller", "br-int")
    assert controller.gone() is alive
