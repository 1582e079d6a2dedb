"""Shapers: how fast a container's interface sends (`up`) and receives (`down`), so that TCP runs smoothly.

A shaper delays what is too fast; the meter in the switch, at the same rate, drops what comes faster all the same.

    root htb 1: -- class 1:1 (rate = ceil) -- bfifo 10:

`up` is held on the container's own interface, where TCP feels the full queue and waits (nothing is lost);
`down` on the host's end of the veth, where the queue drops the newest. Both count whole Ethernet frames, as meters do.
A change of rate changes class and queue where they are: what is queued stays queued.
"""

import time
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.tcmsg import plugins, sched_pfifo

from scripts.helper.net import links
from scripts.helper.net.netns import PlumbError, in_words, inside, opened

ROOT, CLASS, LEAF = 0x10000, 0x10001, 0x100000  # 1:, 1:1, 10:
ETHERNET = 14  # bytes of a frame's header
QUEUE_MS = 150  # what a ping may wait beside a full stream
QUEUE_LEAST = 28_800  # bytes, 230 ms at 1 Mbit/s: with less, TCP's first flights (10, then 20 segments) lose more
QUEUE_FRAMES = 4  # and never fewer, however large they are
LUMP_MS = 10  # what TCP may hand over in one piece (GSO), ahead of which no ping comes: else it is up to 64 KB
LUMP_UNSHAPED = 65_535  # segments, linux/netdevice.h GSO_MAX_SEGS
BURST_MS = 10  # as late may a busy machine come to what is queued, and no rate is lost
BURST_FRAMES = 2
OPEN_KBPS = 100_000_000  # so that what is queued leaves at once
DRAIN_S = 0.3

plugins.setdefault("bfifo", sched_pfifo)  # pyroute2 knows one only; both take a limit (linux/pkt_sched.h, tc_fifo_qopt)


def shape(netns: str, interface: str, host_end: str, *, up_kbps: int | None, down_kbps: int | None) -> None:
    """Hold the container's interface to these rates, kilobits per second; None is no limit. Idempotent."""
    with opened(netns) as fd, in_words(f"Shaping “{interface}” in “{netns}” failed"):
        inside(fd, lambda ipr: _shape(ipr, interface, up_kbps))
    with IPRoute() as ipr, in_words(f"Shaping “{host_end}” failed"):
        _shape(ipr, host_end, down_kbps)


def _shape(ipr: IPRoute, device: str, kbps: int | None) -> None:
    index = links.find(device)
    if index is None:
        raise PlumbError(f"There is no device “{device}” to shape.")
    shaped = _root(ipr, index)
    if kbps is not None:
        if not shaped:
            ipr.tc("replace", "htb", index=index, handle=ROOT, default=CLASS & 0xFFFF)
        _set_rate(ipr, index, kbps)
    elif shaped:
        _set_rate(ipr, index, OPEN_KBPS)
        _drain(ipr, index)
        ipr.tc("del", "htb", index=index, handle=ROOT)
        ipr.link("set", index=index, gso_max_segs=LUMP_UNSHAPED)


def _set_rate(ipr: IPRoute, index: int, kbps: int) -> None:
    frame = ipr.link("get", index=index)[0].get("mtu") + ETHERNET
    rate = kbps * 125  # bytes per second
    burst = max(rate * BURST_MS // 1000, BURST_FRAMES * frame)
    frames = max(max(rate * QUEUE_MS // 1000, QUEUE_LEAST) // frame, QUEUE_FRAMES)
    limit = min(frames * frame - 1, 0x7FFFFFFF)  # so where no full frame finds room any more, a ping still does
    lump = max(rate * LUMP_MS // 1000 // frame, 1)
    ipr.link("set", index=index, gso_max_segs=min(lump, LUMP_UNSHAPED))
    ipr.tc(
        "replace-class", "htb", index=index, handle=CLASS, parent=ROOT,
        rate=rate, ceil=rate, burst=burst, cburst=burst, quantum=frame,
    )  # fmt: skip
    ipr.tc("replace", "bfifo", index=index, handle=LEAF, parent=CLASS, limit=limit)


def _root(ipr: IPRoute, index: int) -> Any:
    """Our queueing discipline on this device, if it is there."""
    return next((q for q in ipr.get_qdiscs(index=index) if q.get("kind") == "htb" and q["handle"] == ROOT), None)


def _drain(ipr: IPRoute, index: int) -> None:
    """Wait until nothing is queued: removing a queue loses what is in it."""
    deadline = time.monotonic() + DRAIN_S
    while (root := _root(ipr, index)) and root.get("stats2").get_attr("TCA_STATS_QUEUE")["qlen"]:
        if time.monotonic() > deadline:
            return
        time.sleep(0.005)
