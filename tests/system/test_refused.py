"""What a switch refuses never vanishes silently: who asked learns which flow of whom and why, and the old ones stay."""

from functools import partial
from pathlib import Path

import pytest
from os_ken.lib import hub

from app.desk import Change
from app.rollout import Rollout
from app.wire import Outcome
from flows.table import Table
from tests.system.conftest import Sandbox
from tests.system.test_killed import Ground

FULL = "table full"


def test_who_asked_is_told_and_the_old_flows_stay(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.owner.Rollout", partial(Rollout, linger_s=0.0))
    ground = Ground(sandbox, tmp_path)
    mortal = ground.controller()
    ground.cut.clear()
    before = {host: sandbox.flows(host) for host in ("h1", "h2")}
    number = int(Table.L2_LOOKUP)
    there = sum(f"table={number}," in line for line in before["h1"])
    sandbox.vsctl(
        *("--id=@full", "create", "Flow_Table", f"flow_limit={there}", "overflow_policy=refuse"),
        *("--", "set", "Bridge", "h1", f"flow_tables:{number}=@full"),
    )
    seen = mortal.owner.events(None, None)[-1].number

    outcomes: list[Outcome] = []
    asked = hub.spawn(lambda: outcomes.append(mortal.owner.assign(["web1", "web2"], Change(vlan=20))))
    hub.joinall([asked])

    (outcome,) = outcomes
    assert "h1" in outcome.pending
    assert FULL in outcome.why
    assert "h1: the switch refused" in outcome.why
    assert "of h1:web1:eth0" in outcome.why
    assert f"table={number}," in outcome.why
    (told,) = [each for each in mortal.owner.events(seen, "h1") if each.kind.value == "refused"]
    assert told.what in outcome.why
    assert next(host for host in mortal.owner.hosts() if host.name == "h1").errors == (told.what,)
    assert sandbox.flows("h1") == before["h1"], "the old flows stay"
    assert not ground.cut, "and who was together still is"

    sandbox.vsctl("remove", "Bridge", "h1", "flow_tables", str(number))
    ground.wait(mortal)
    assert {view.vlan for view in mortal.owner.endpoints()} == {20}
    assert not ground.cut
