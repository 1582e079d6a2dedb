"""What the peers that bring no bridge of their own need: one on each host, tunnels between, and ports in numbers."""

from collections.abc import Callable

from scripts.bench.peers.place import BRIDGE, Place

AT_ONCE = 50  # ports of one transaction
TUNNEL = 100  # the ofport of the tunnel to the other host


def tunnel(host: str) -> str:
    """The name of the tunnel port to that host."""
    return f"to-{host}"


def joined_bridges(place: Place, mode: str, key: str) -> None:
    """A bridge on each of the two hosts, and a VXLAN port between them, with this key (`flow`: flows set it)."""
    here, there = place.hosts
    for host, peer in ((here, there), (there, here)):
        place.shell(host).run(
            f"ovs-vsctl add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev {mode} "
            f"-- add-port {BRIDGE} {tunnel(peer.name)} -- set interface {tunnel(peer.name)} type=vxlan "
            f"options:remote_ip={place.address(peer)} options:key={key} ofport_request={TUNNEL}"
        )
    place.shell(place.third).run(f"ovs-vsctl add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev {mode}")


def internal_ports(place: Place, count: int, more: Callable[[int, int], str]) -> None:
    """So many internal ports on the third host, half in VLAN 10, half in 20; `more` words for {port} of (vlan, n)."""
    names = [(vlan, number) for vlan in (10, 20) for number in range(count // 2)]
    for begin in range(0, len(names), AT_ONCE):
        words = []
        for vlan, number in names[begin : begin + AT_ONCE]:
            port = f"c{vlan}-{number}"
            words.append(f"-- add-port {BRIDGE} {port} -- set interface {port} type=internal")
            words.append(more(vlan, number).format(port=port))
        place.shell(place.third).run(f"ovs-vsctl {' '.join(words)}")
