"""A controller that is killed at any point of a change: packets pass meanwhile, and it ends in one of the policies."""

import re
import time
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from os_ken.lib import hub
from ovs.unixctl.client import UnixctlClient

from app.desk import Change
from app.rollout import Rollout
from app.wire import EndpointReport, HostUp
from flows.model import Mac
from tests.flows.intents import held
from tests.system.conftest import Sandbox
from tests.system.mortal import Life, Mortal, Wire

SETTLED_S = 10.0
MOST_ACTS = 20  # of the controller that comes next, which is killed at one of them, too
DROP = "Datapath actions: drop"
CUT_OFF = "connection dropped"  # what the switch says of a controller that dies in the middle of a message
PORT, TUNNEL = 1, 100  # ofports on each bridge
ADDRESS = {"h1": IPv4Address("172.15.42.1"), "h2": IPv4Address("172.15.42.2")}


class Ground:
    """Two bridges, each with a container's port and a tunnel's; what is between the tunnels is the test itself."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self._sandbox, self._state = sandbox, directory / "state.db"
        for number, host in enumerate(ADDRESS, 1):
            sandbox.bridge(host, dpid=number)
            for name, ofport in (("c", PORT), ("t", TUNNEL)):
                row = f"{name}{number}"
                sandbox.vsctl(
                    "add-port", host, row, "--", "set", "interface", row, "type=dummy", f"ofport_request={ofport}"
                )
        self.cut: list[str] = []
        (pid,) = (sandbox.run / "ovs-vswitchd.pid").read_text().split()
        _, self._control = UnixctlClient.create(f"{sandbox.run}/ovs-vswitchd.{pid}.ctl")
        self._reports = {
            host: HostUp(
                dpid=number,
                vtep=IPv4Address(number),
                underlay_mtu=1500,
                tunnels={other: TUNNEL for other in ADDRESS if other != host},
                endpoints=(
                    EndpointReport.model_validate(
                        {
                            "container": f"c{number}",
                            "interface": "eth0",
                            "name": f"web{number}",
                            "mac": str(Mac.of(address)),
                            "ofport": PORT,
                            "address": f"{address}/24",
                            "vlan": 10,
                        }
                    ),
                ),
            )
            for number, (host, address) in enumerate(ADDRESS.items(), 1)
        }

        self._sockets = {host: sandbox.run / f"{host}.mgmt" for host in ADDRESS}
        self._readers = {host: Wire(path, Life()).switch() for host, path in self._sockets.items()}

    def controller(self, last: int | None = None) -> Mortal:
        """Another one, with the same file, switches and helpers: it settles all, or dies at its `last` act."""
        made = Mortal(Life(self._look))
        made.life.begin(last)
        hub.spawn(made.start, self._state, self._sockets.values(), self._reports)
        self.wait(made)
        return made

    def wait(self, mortal: Mortal) -> None:
        """Until it is dead, or has done something and all is settled."""
        deadline = time.monotonic() + SETTLED_S
        while not mortal.life.over and not (mortal.life.acts and self.settled(mortal)):
            assert time.monotonic() < deadline, f"it does not go on: {mortal.life.acts}"
            hub.sleep(0.005)

    def settled(self, mortal: Mortal) -> bool:
        """Whether everybody has all that is wanted, and the bridges hold that and nothing else."""
        owner = mortal.owner
        return not any(host.pending or host.errors for host in owner.hosts()) and all(
            reader.read() == held(owner.intent, host) and not reader.strays for host, reader in self._readers.items()
        )

    def _look(self) -> None:
        """Whether the two reach each other now; if not, `cut` has one more."""
        self.cut += [f"{near} to {far}" for near, far in (("h1", "h2"), ("h2", "h1")) if not self._passes(near, far)]

    def _passes(self, near: str, far: str) -> bool:
        ends = f"ip,dl_src={Mac.of(ADDRESS[near])},dl_dst={Mac.of(ADDRESS[far])},nw_src={ADDRESS[near]}"
        sent = self._trace(near, f"{ends},in_port={PORT}")
        segment = re.search(r"Final flow: .*tun_id=(0x[0-9a-f]+)", sent)
        if segment is None or DROP in sent:
            return False
        return DROP not in self._trace(far, f"{ends},in_port={TUNNEL},tun_id={segment[1]}")

    def _trace(self, bridge: str, packet: str) -> str:
        _, error, said = self._control.transact("ofproto/trace", [bridge, packet])
        assert error is None, error
        return str(said)


@pytest.mark.parametrize("movers", [("web1", "web2"), ("web1",)], ids=" and ".join)
def test_killed_at_any_point_of_a_move_it_ends_in_one_policy_and_loses_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, movers: tuple[str, ...]
) -> None:
    """Both ends of a connection together: they reach each other at every moment. One alone: it ends where it should.

    The one that comes after it is killed as well, on its way back.
    """
    monkeypatch.setattr("app.owner.Rollout", partial(Rollout, linger_s=0.0))
    sandbox.expect(CUT_OFF)
    ground = Ground(sandbox, tmp_path)
    mortal = ground.controller()
    ground.cut.clear()
    before, last, ended, again = 10, 1, [], 0
    one_alone = len(movers) == 1
    while True:
        change = Change(vlan=30 - before, up=f"{30 - before}mbit")
        mortal.life.begin(last)
        hub.spawn(mortal.owner.assign, movers, change)
        ground.wait(mortal)
        acts = mortal.life.acts
        assert one_alone or not ground.cut, f"before act {len(acts)} of {acts}: {ground.cut}"
        if not mortal.life.over:
            break

        second = ground.controller(last % MOST_ACTS + 1)
        mortal = ground.controller() if second.life.over else second
        again += second.life.over
        both = second.life.acts, mortal.life.acts
        assert one_alone or not ground.cut, f"killed at act {last} of {acts}, then {both}: {ground.cut}"
        (after,) = {(view.vlan, view.up) for view in mortal.owner.endpoints() if view.name in movers}
        ended.append(after == (change.vlan, change.up))
        before, last = after[0], last + 1

    assert ended == sorted(ended), "the old one while the new one was not stored, from then on the new one"
    assert len(ended) > 10
    assert again > len(ended) / 2
