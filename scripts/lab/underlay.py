"""The wire between the hosts: a Linux bridge in a namespace of its own, a veth pair to each machine on it.

    namespace underlay        bridge `underlay`: ports h1, h2, ... outside, controller
    each host                 eth0, given to br-phy by scripts.lab.ovs
    outside                   eth0 .253, and 203.0.113.1; forwards nothing, has no route back to any container
    this machine              lab-NAME .254, where the controller listens

The bridge is not in this machine's own namespace, because a Docker engine there drops what bridges forward
(bridge-nf-call-iptables and FORWARD DROP). Transmit checksums are left off where a packet goes from a kernel into a
userspace datapath: those would never be filled in.
"""

from collections.abc import Mapping, Sequence

from scripts.lab.command import command
from scripts.lab.machine import Machine
from scripts.lab.plan import CONTROLLER, OUTSIDE, UNDERLAY, UNDERLAY_MTU, WORLD, Plan

NIC = "eth0"  # a machine's foot in the underlay
PHY = "br-phy"  # the bridge that owns it, on a host


def _within(pid: int | None) -> list[str]:
    return ["nsenter", f"--net=/proc/{pid}/ns/net"] if pid else []


def ip(pid: int | None, lines: Sequence[str]) -> None:
    """`ip -batch` in the network namespace of that process, or in this machine's own."""
    command([*_within(pid), "ip", "-batch", "-"], text="\n".join(lines) + "\n")


def checksums_in_software(pid: int | None, interface: str) -> None:
    """What leaves through this interface has its checksum filled in."""
    command([*_within(pid), "ethtool", "--offload", interface, "tx", "off"])


def _leave_to_switch(pid: int) -> None:
    """The kernel sees, too, what comes in at the NIC of br-phy: it must not answer ARP there, with the NIC's MAC."""
    command([*_within(pid), "sysctl", "--write", f"net.ipv4.conf.{NIC}.arp_ignore=8"])


def wire(plan: Plan, keepers: Mapping[str, int]) -> None:
    """Join all machines; `keepers` are the pids that hold their namespaces."""
    switch = keepers[UNDERLAY]
    size = plan.subnet.prefixlen
    ip(
        None,
        [
            f"link add {plan.interface} mtu {UNDERLAY_MTU} type veth peer name {CONTROLLER} netns {switch}",
            f"address add {plan.address(CONTROLLER)}/{size} dev {plan.interface}",
            f"link set {plan.interface} up",
        ],
    )
    ip(
        switch,
        [
            f"link add {UNDERLAY} type bridge forward_delay 0 mcast_snooping 0",
            f"link set {CONTROLLER} master {UNDERLAY} up",
            f"link set {UNDERLAY} up",
        ],
    )
    _join(switch, {foot: keepers[foot] for foot in (OUTSIDE, *plan.host_names)})
    ip(
        keepers[OUTSIDE],
        [
            "link set lo up",
            f"address add {WORLD}/32 dev lo",
            f"address add {plan.address(OUTSIDE)}/{size} dev {NIC}",
            f"link set {NIC} up",
        ],
    )
    for host in plan.host_names:
        _prepare(keepers[host])
    checksums_in_software(None, plan.interface)
    checksums_in_software(keepers[OUTSIDE], NIC)


def wire_again(switch: int, host: str, keeper: int) -> None:
    """Join a host that was made anew; `switch` and `keeper` are the pids of the underlay's keeper and of its own."""
    # The kernel takes the old one's namespace apart a moment after its last process has gone.
    command([*_within(switch), "ip", "link", "delete", host], check=False)
    _join(switch, {host: keeper})
    _prepare(keeper)


def _join(switch: int, keepers: Mapping[str, int]) -> None:
    for foot, keeper in keepers.items():
        pair = f"link add {foot} netns {switch} mtu {UNDERLAY_MTU} type veth peer name {NIC} netns {keeper}"
        ip(None, [pair])
    ip(switch, [f"link set {foot} master {UNDERLAY} up" for foot in keepers])


def _prepare(keeper: int) -> None:
    _leave_to_switch(keeper)
    ip(keeper, ["link set lo up", f"link set {NIC} addrgenmode none up"])


def greet(plan: Plan, host: Machine) -> None:
    """Reach every other host once; raises LabError if one is not to be reached.

    By ARP, from which the switch learns where its tunnels' other ends are: a userspace switch drops the packet for
    which it has to ask, where a kernel would keep it meanwhile.
    """
    peers = (str(plan.address(name)) for name in plan.host_names if name != host.name)
    once = f'for peer; do busybox arping -f -w 3 -I {PHY} "$peer" >&2 || exit; done'
    host.exec("sh", "-c", once, "sh", *peers, seconds=60)


def unwire(plan: Plan) -> None:
    """Take this machine's own foot away; the rest went with the namespaces. No error if it is gone."""
    command(("ip", "link", "delete", plan.interface), check=False)
