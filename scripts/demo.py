"""The main job on this machine: two hosts, real containers, VLANs, a live move, rates. Says what it did and measured.

Exits with 1 at the first thing that is not as it should be, and takes its lab away in any case.
"""

import sys
import time

from scripts.lab import Lab, LabError, down, up
from scripts.lab.measure import Box, ping, reaches, serving, start_box, stream, streaming

LAB = "demo"
PORT, OFP_PORT = 8180, 6753  # beside a lab that somebody has up already
MOVE_S, RATE_S = 4, 5
ADDRESSES = {"web1": "172.15.42.100", "web2": "172.15.42.101", "db1": "172.15.42.102"}
RATES = (("up", "10mbit", 10.0), ("down", "5mbit", 5.0))
BEGAN = time.monotonic()


def say(text: str) -> None:
    """A line for people, with the time since the start."""
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def expect(holds: bool, text: str) -> None:
    """Say that it is so; LabError if it is not."""
    if not holds:
        raise LabError(f"this should be and is not: {text}")
    say(f"   {text}")


def containet(box: Box, *words: str) -> str:
    """The command, on the host of the container, shown as people would type it."""
    say(f"{box.host.name}# containet {' '.join(words)}")
    return box.host.exec("containet", *words).stdout


def main() -> int:
    """Both tunnels, one after the other."""
    for tunnel in ("gre", "vxlan"):
        try:
            say(f"two hosts over {tunnel.upper()}: each its own namespace, Open vSwitch, Docker engine and helper")
            up(LAB, hosts=2, tunnel=tunnel, port=PORT, ofp_port=OFP_PORT, say=lambda text: say(f"   {text}"))
            show(Lab.open(LAB))
        except (LabError, OSError) as error:
            say(f"failed: {error}")
            return 1
        finally:
            down(LAB)
        say("   the lab is gone: no process, namespace or interface is left")
    say("done: everything was as it should be")
    return 0


def show(lab: Lab) -> None:
    """The main job on a lab that is up."""
    here, there = lab["h1"], lab["h2"]
    web1, web2, db1 = start_box(here, "web1"), start_box(there, "web2"), start_box(there, "db1")
    for box, vlan in ((web1, "10"), (web2, "10"), (db1, "20")):
        containet(box, "connect", box.name, f"{ADDRESSES[box.name]}/24", "--vlan", vlan)
    across(web1, web2)
    apart(web1, web2, db1)
    live_move(web1, web2, db1)
    limited(web1, web2)


def across(web1: Box, web2: Box) -> None:
    """Containers of two hosts in one VLAN."""
    pings = ping(web1, ADDRESSES[web2.name], count=10)
    expect(
        pings.received == pings.sent,
        f"web1 on h1 pings web2 on h2: {pings.received} of {pings.sent} came back, "
        f"{pings.least_ms:.2f}/{pings.mean_ms:.2f}/{pings.most_ms:.2f} ms (least/mean/most)",
    )


def apart(web1: Box, web2: Box, db1: Box) -> None:
    """VLANs, both ways, across hosts and on one."""
    for box, other in ((web1, db1), (db1, web1), (web2, db1), (db1, web2)):
        expect(not reaches(box, ADDRESSES[other.name]), f"{box.name} does not reach {other.name}: another VLAN")


def live_move(web1: Box, web2: Box, db1: Box) -> None:
    """Both ends to another VLAN under a TCP stream."""
    with serving(web2), streaming(web1, ADDRESSES[web2.name], MOVE_S) as running:
        time.sleep(MOVE_S / 2)
        began = time.monotonic()
        containet(web1, "move", "web1", "web2", "--vlan", "20")
        took = time.monotonic() - began
        result = running.finish()
    expect(
        result.mbps > 0,
        f"a TCP stream went through the move ({took * 1000:.0f} ms as a command): {result.mbps:.0f} Mbit/s, "
        f"{result.resent:.4%} of its segments sent again, never quiet for longer than {result.quiet_s:.1f} s",
    )
    expect(reaches(db1, ADDRESSES[web1.name]), "db1 reaches web1 now: the same VLAN, the same interface and address")


def limited(web1: Box, web2: Box) -> None:
    """Two rates, set while the container runs."""
    containet(web1, "limit", "web1", *(word for way, rate, _ in RATES for word in (f"--{way}", rate)))
    for way, rate, mbps in RATES:
        with serving(web2):
            result = stream(web1, ADDRESSES[web2.name], RATE_S, back=way == "down")
        expect(
            0.9 * mbps <= result.going_mbps and result.mbps <= mbps,
            f"web1 {way} at {rate}: TCP gets {result.mbps:.2f} Mbit/s ({result.mbps / mbps:.0%}), "
            f"{result.resent:.2%} sent again",
        )


if __name__ == "__main__":
    sys.exit(main())
