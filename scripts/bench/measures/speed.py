"""Speed: 100,000 flows from the intent into one real switch, to the last barrier, and read back; flows a second.

And how long it takes to know by its marker that a switch has them all; and how long others in the controller's loop
wait for their turn while all of that is done, at the longest.

Beside it the same flows, written down as text, with `ovs-ofctl --bundle add-flows` and `ovs-ofctl dump-flows`, into
another bridge of the same Open vSwitch, by turns. The bridges have no packets. Each round is a process of its own, and
its garbage collector has the thresholds of the controller.
"""

import json
import subprocess
import time
from pathlib import Path

from flows.pipeline import compile_bridge, listing
from scripts.bench.api import free_port
from scripts.bench.page.figures import OURS
from scripts.bench.page.notebook import Notebook
from scripts.bench.played.dummy import Dummy, dummy
from scripts.bench.played.one_bridge import BRIDGE_HOST, intent
from scripts.lab import LabError
from scripts.lab.command import environment, poll
from scripts.lab.plan import BIN

FLOWS, QUICK_FLOWS, TIMES = 100_000, 10_000, 7
OFCTL = "ovs-ofctl"
READY = "waiting for switches"
START_S, MEASURE_S = 30.0, 120.0
RATE = "flows/s"


def run(notebook: Notebook) -> None:
    """Both, by turns."""
    flows = QUICK_FLOWS if notebook.quick else FLOWS
    with dummy() as switch:
        file = switch.run / "flows"
        file.write_text(listing(compile_bridge(intent(flows), BRIDGE_HOST)))
        for _ in notebook.each(TIMES, f"{flows:,} flows"):
            ours(notebook, switch, flows)
            by_hand(notebook, switch, file)


def ours(notebook: Notebook, switch: Dummy, flows: int) -> None:
    """The controller's own code, from the intent on."""
    said = gauged(switch, flows)
    count = said["flows"]
    written = count / said["write"]
    notebook.add(OURS, "written, from intent to committed", RATE, written)
    notebook.add(OURS, "read back", RATE, count / said["read"])
    notebook.add(OURS, "read back by written", "", count / said["read"] / written)
    notebook.add(OURS, "met again, by its marker", "ms", said["meet"] * 1e3)
    notebook.add(OURS, "the longest that others wait meanwhile", "ms", said["wait"] * 1e3)


def by_hand(notebook: Notebook, switch: Dummy, file: Path) -> None:
    """ovs-ofctl, its start and its reading of the text included."""
    switch.bridges({"hand": 2})
    began = time.monotonic()
    switch.ofctl("--bundle", "add-flows", "hand", str(file))
    added = time.monotonic()
    switch.ofctl("dump-flows", "hand")
    dumped = time.monotonic()
    count = switch.flows("hand")
    notebook.add(OFCTL, "written, from intent to committed", RATE, count / (added - began))
    notebook.add(OFCTL, "read back", RATE, count / (dumped - added))
    switch.vsctl(("del-br", "hand"))


def gauged(switch: Dummy, flows: int) -> dict[str, float]:
    """What scripts.bench.played.gauge says of a new bridge."""
    port, log = free_port(), switch.run / "gauge.log"
    words = ["--ofp-listen-host=127.0.0.1", f"--ofp-tcp-listen-port={port}", f"--gauge-flows={flows}"]
    with log.open("w") as complaints:
        gauge = subprocess.Popen(
            [f"{BIN}/osken-manager", *words, "scripts.bench.played.gauge"],
            env=environment("bench"),
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
    with gauge:
        try:
            if not poll(lambda: READY in log.read_text(), START_S):
                raise LabError(f"the gauge does not begin:\n{log.read_text()[-2000:]}")
            switch.bridges({"ours": 1})
            switch.control(["ours"], f"tcp:127.0.0.1:{port}")
            said, _ = gauge.communicate(timeout=MEASURE_S)
        except subprocess.TimeoutExpired:
            raise LabError(f"the gauge has said nothing for {MEASURE_S:g} s:\n{log.read_text()[-2000:]}") from None
        finally:
            gauge.kill()
    switch.vsctl(("del-br", "ours"))
    if not said:
        raise LabError(f"the gauge broke:\n{log.read_text()[-2000:]}")
    found: dict[str, float] = json.loads(said)
    return found
