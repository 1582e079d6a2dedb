"""Flows written by hand: one bundle a switch, with neither spoof guard nor ARP responder."""

from concurrent.futures import ThreadPoolExecutor

from scripts.bench.declared import BRIDGE, reports
from scripts.bench.played.dummy import Dummy
from scripts.bench.played.world import FIRST_TUNNEL, Size


class ByHand:
    """table 0: port -> segment; tunnel: its key -> segment. Table 1: (segment, eth_dst) -> port, or tunnel; floods."""

    name = "ovs-ofctl --bundle"

    def __init__(self, size: Size, switches: list[Dummy]) -> None:
        self._switches = switches
        for switch in switches:
            switch.bridges({BRIDGE: 1})
        self._lines = [_by_hand(size, host) for host in range(size.hosts)]

    def declare(self) -> None:
        """On both at once."""
        with ThreadPoolExecutor(len(self._switches)) as pool:
            words = ("--bundle", "add-flows", BRIDGE, "-")
            list(pool.map(lambda switch, lines: switch.ofctl(*words, text=lines), self._switches, self._lines))

    def clear(self) -> None:
        """On each."""
        for switch in self._switches:
            switch.ofctl("del-flows", BRIDGE)

    def flows(self) -> list[int]:
        """Of both."""
        return [switch.flows(BRIDGE) for switch in self._switches]


def _by_hand(size: Size, host: int) -> str:
    lines = [f"table=0,in_port={FIRST_TUNNEL},actions=move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],resubmit(,1)"]
    for there in range(size.hosts):
        for report in reports(size, there):
            vlan, port = report["vlan"], report["ofport"]
            out = f"output:{port}" if there == host else f"set_field:{vlan}->tun_id,output:{FIRST_TUNNEL}"
            lines.append(f"table=1,reg0={vlan},dl_dst={report['mac']},actions={out}")
            if there == host:
                lines.append(f"table=0,in_port={port},actions=set_field:{vlan}->reg0,resubmit(,1)")
    by_vlan: dict[str, list[str]] = {}
    for report in reports(size, host):
        by_vlan.setdefault(report["vlan"], []).append(f"output:{report['ofport']}")
    for vlan, outs in by_vlan.items():
        far = f"set_field:{vlan}->tun_id,output:{FIRST_TUNNEL}"
        lines.append(f"table=1,reg0={vlan},dl_dst=ff:ff:ff:ff:ff:ff,actions={','.join(outs)},{far}")
    return "\n".join(lines)
