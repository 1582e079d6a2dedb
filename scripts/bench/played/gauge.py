"""An os-ken application that writes an intent into the bridge that connects, reads it back, and says how long it took.

`osken-manager scripts.bench.played.gauge --gauge-flows N` prints a line of JSON with seconds and ends. Everything is
the controller's own, from the intent to the last answer: compilation, comparison, bundles, the watch over others.
"""

import gc
import json
import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

from os_ken import cfg
from os_ken.base.app_manager import OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5
from oslo_config import cfg as oslo

from app.config import COLLECT
from app.openflow.connections import Connections
from app.openflow.flow_desc import parse_late
from app.openflow.mends import mend_parser
from app.openflow.switch import Switch
from app.openflow.turns import in_turns
from flows.flow import Contents
from flows.known import catching_up
from flows.marker import digesting
from flows.pipeline import compiling
from scripts.bench.played.one_bridge import BRIDGE_HOST, intent

PAUSE_S = 0.001

ANSWERS = [
    ofp_event.EventOFPErrorMsg,
    ofp_event.EventOFPBundleCtrlMsg,
    *(getattr(ofp_event, name) for name in dir(ofp_event) if name.startswith("EventOFP") and name.endswith("Reply")),
]

cfg.CONF.register_cli_opts([oslo.IntOpt("flows", default=100_000, help="how many")], group="gauge")


class Gauge(OSKenApp):  # type: ignore[misc]
    """Waits for one bridge."""

    OFP_VERSIONS = [ofproto_v1_5.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mend_parser()
        parse_late()
        gc.set_threshold(*COLLECT)
        self._connections = Connections(self)

    def switch_up(self, switch: Switch) -> None:
        """It is there: begin."""
        hub.spawn(self._measure, switch)

    def switch_down(self, switch: Switch) -> None:
        """Nobody waits for that."""

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def on_state(self, ev: Any) -> None:
        """As app.containet."""
        if ev.state == MAIN_DISPATCHER:
            self._connections.connected(ev.datapath)
        else:
            self._connections.disconnected(ev.datapath)

    @set_ev_cls(ANSWERS, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def on_answer(self, ev: Any) -> None:
        """As app.containet."""
        self._connections.received(ev.msg)

    def _measure(self, switch: Switch) -> None:
        try:
            print(json.dumps(measured(switch, cfg.CONF.gauge.flows)), flush=True)
        except Exception as error:
            print(f"the gauge broke: {error!r}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)


def measured(switch: Switch, flows: int) -> dict[str, float]:
    """How many flows, and seconds for each part; and for how long the loop served nobody else at the most."""
    switch.watch(lambda _: None)
    wanted = intent(flows)
    _ = wanted.members, wanted.local  # as the controller has them
    waited = Waited()
    times = [time.perf_counter()]

    def lap() -> float:
        times.append(time.perf_counter())
        return times[-1] - times[-2]

    known, _ = switch.fill(catching_up(Contents(), wanted, BRIDGE_HOST, sweeping=True))
    written = lap()
    installed = switch.read()
    read = lap()
    desired = in_turns(compiling(wanted, BRIDGE_HOST))
    if installed != replace(desired, mark=known.mark):
        raise RuntimeError("the switch has other flows than those that were written")
    again = replace(wanted)  # of which nothing is remembered
    _ = again.members, again.local
    lap()
    believed = switch.claims(in_turns(digesting(again, BRIDGE_HOST))) and switch.meters() == desired.meters
    met = lap()
    if not believed:
        raise RuntimeError("the switch does not claim what was written")
    return {"flows": known.flows, "wait": waited.longest_s, "write": written, "read": read, "meet": met}


class Waited:
    """For how long somebody who would like a turn at once has waited for it."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        hub.spawn(self._wait)

    def _wait(self) -> None:
        while True:
            began = time.perf_counter()
            hub.sleep(0)
            self.longest_s = max(self.longest_s, time.perf_counter() - began)
            hub.sleep(PAUSE_S)
