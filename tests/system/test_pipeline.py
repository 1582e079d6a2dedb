"""Does A reach B? A real switch is asked, with the flows that we compile."""

from ipaddress import IPv4Interface

import pytest

from flows.intent import Intent
from flows.model import Endpoint, EndpointKey, Mac, Role
from flows.pipeline import compile_bridge, listing
from tests.flows.intents import dual, endpoint, intent
from tests.system.conftest import Sandbox

A, B, C, FAR = endpoint("h1", 1, 10), endpoint("h1", 2, 10), endpoint("h1", 3, 20), endpoint("h2", 4, 10)
TWO = intent(A, B, C, FAR, names=("h1", "h2"))  # the tunnel to h2 is port 102
TUNNEL = 102
DROP = "Datapath actions: drop"
RESOLVER = IPv4Interface("169.254.53.53/32")


@pytest.fixture
def bridge(sandbox: Sandbox) -> Sandbox:
    sandbox.bridge(ports=3)
    sandbox.vsctl(
        "add-port", "br-int", "tun", "--", "set", "interface", "tun", "type=dummy", f"ofport_request={TUNNEL}"
    )
    install(sandbox, TWO)
    return sandbox


def install(sandbox: Sandbox, wanted: Intent) -> None:
    sandbox.install("br-int", listing(compile_bridge(wanted, "h1")))


def ip(sender: Endpoint, receiver: Endpoint | str, **more: object) -> str:
    assert sender.address is not None
    to = receiver if isinstance(receiver, str) else str(receiver.mac)
    said = {"in_port": sender.ofport, "dl_src": sender.mac, "dl_dst": to, "nw_src": sender.address.ip} | more
    return "ip," + ",".join(f"{name}={value}" for name, value in said.items())


def datapath_port(sandbox: Sandbox, name: str) -> str:
    line = next(line for line in sandbox.appctl("dpif/show").splitlines() if line.split()[:1] == [name])
    return line.split()[1].split("/")[1].rstrip(":")


def test_those_of_a_network_reach_each_other(bridge: Sandbox) -> None:
    assert bridge.trace("br-int", ip(A, B)) == f"Datapath actions: {datapath_port(bridge, 'p2')}"


def test_those_of_another_do_not(bridge: Sandbox) -> None:
    assert bridge.trace("br-int", ip(A, C)) == DROP
    assert bridge.trace("br-int", ip(C, A)) == DROP


def test_who_is_far_is_reached_through_the_tunnel(bridge: Sandbox) -> None:
    assert bridge.trace("br-int", ip(A, FAR)).endswith(datapath_port(bridge, "tun"))


def test_a_resolver_is_asked_by_its_address_and_says_nothing_else(bridge: Sandbox) -> None:
    own = {"role": Role.RESOLVER, "mac": Mac.of(RESOLVER.ip), "address": RESOLVER}
    resolver = endpoint("h1", 2, 10, key=EndpointKey("h1", "resolver:10", "dns10"), **own)
    far = endpoint("h2", 50, 10, key=EndpointKey("h2", "resolver:10", "dns10"), **own)
    install(bridge, intent(A, C, resolver, far, FAR, names=("h1", "h2")))
    there = datapath_port(bridge, "p2")

    for mac in (str(resolver.mac), "02:c7:ac:0f:2a:fe"):
        assert bridge.trace("br-int", ip(A, mac, nw_dst=RESOLVER.ip)).endswith(there)
        assert bridge.trace("br-int", ip(C, mac, nw_dst=RESOLVER.ip)) == DROP, "another network's"
    assert bridge.trace("br-int", ip(A, resolver, nw_dst="198.18.0.1")) == DROP
    assert bridge.trace("br-int", ip(resolver, A)).endswith(datapath_port(bridge, "p1"))
    assert bridge.trace("br-int", ip(resolver, A, nw_src="172.15.42.4")) == DROP
    from_far = f"ip,tun_id=0xa,in_port={TUNNEL},dl_src={FAR.mac},dl_dst={resolver.mac},nw_dst={RESOLVER.ip}"
    assert bridge.trace("br-int", from_far) == DROP, "each host has its own"


def test_what_comes_from_a_tunnel_does_not_go_into_one(bridge: Sandbox) -> None:
    from_tunnel = f"tun_id=0xa,in_port={TUNNEL},dl_src={FAR.mac}"

    assert bridge.trace("br-int", f"ip,{from_tunnel},dl_dst={FAR.mac}") == DROP
    flooded = bridge.trace("br-int", f"ip,{from_tunnel},dl_dst=ff:ff:ff:ff:ff:ff")
    assert flooded == f"Datapath actions: {datapath_port(bridge, 'p1')},{datapath_port(bridge, 'p2')}"


def test_a_broadcast_stays_in_its_segment(bridge: Sandbox) -> None:
    reached = bridge.trace("br-int", ip(A, "ff:ff:ff:ff:ff:ff"))

    assert datapath_port(bridge, "p2") in reached
    assert datapath_port(bridge, "tun") in reached
    assert reached.count(datapath_port(bridge, "p3")) == 0
    assert bridge.trace("br-int", ip(C, "ff:ff:ff:ff:ff:ff")) == DROP, "nobody else is in there"


@pytest.mark.parametrize(
    "lie",
    [{"nw_src": "172.15.42.9"}, {"dl_src": "02:c7:ac:0f:2a:09"}, {"dl_src": B.mac, "nw_src": "172.15.42.2"}],
    ids=["address", "mac", "neighbour"],
)
def test_nobody_speaks_for_another(bridge: Sandbox, lie: dict[str, object]) -> None:
    assert bridge.trace("br-int", ip(A, B, **lie)) == DROP


def arp(sender: Endpoint, target: str, **more: object) -> str:
    assert sender.address is not None
    said = {
        "in_port": sender.ofport,
        "dl_src": sender.mac,
        "dl_dst": "ff:ff:ff:ff:ff:ff",
        "arp_op": 1,
        "arp_spa": sender.address.ip,
        "arp_sha": sender.mac,
        "arp_tpa": target,
    }
    return "arp," + ",".join(f"{name}={value}" for name, value in (said | more).items())


def test_who_has_is_answered_in_the_switch(bridge: Sandbox) -> None:
    answer = bridge.trace("br-int", arp(A, "172.15.42.4"))

    assert f"sip=172.15.42.4,tip=172.15.42.1,op=2,sha={FAR.mac},tha={A.mac}" in answer
    assert answer.endswith(datapath_port(bridge, "p1")), "and goes back to the one who asked"


def test_who_is_behind_the_same_linux_bridge_answers_by_itself(bridge: Sandbox) -> None:
    """An answer from here would teach that bridge that he is here."""
    behind = [dual("h1", number, 10, ofport=1, behind=True) for number in (1, 3)]
    install(bridge, intent(*behind, dual("h1", 2, 10), names=("h1", "h2")))

    assert bridge.trace("br-int", arp(A, "172.15.42.3")) == DROP
    assert "op=2" in bridge.trace("br-int", arp(B, "172.15.42.3"))
    assert "op=2" in bridge.trace("br-int", arp(A, "172.15.42.2"))
    assert bridge.trace("br-int", solicitation("fd00:42::3")) == DROP
    assert "nd_ext" in bridge.trace("br-int", solicitation("fd00:42::2"))


def test_who_has_of_another_segment_is_not(bridge: Sandbox) -> None:
    assert "op=2" not in bridge.trace("br-int", arp(A, "172.15.42.3"))


def test_an_arp_lie_is_dropped(bridge: Sandbox) -> None:
    assert bridge.trace("br-int", arp(A, "172.15.42.2", arp_spa="172.15.42.9")) == DROP
    assert bridge.trace("br-int", arp(A, "172.15.42.2", arp_sha="02:c7:ac:0f:2a:09")) == DROP


def test_neighbours_find_each_other_in_ipv6(bridge: Sandbox) -> None:
    solicitation = (
        f"icmp6,in_port={A.ofport},dl_src={A.mac},dl_dst=33:33:ff:00:00:02,ipv6_src=fe80::1,ipv6_dst=ff02::1:ff00:2,"
        "icmpv6_type=135,nd_target=fe80::2"
    )

    reached = bridge.trace("br-int", solicitation)

    assert datapath_port(bridge, "p2") in reached
    assert bridge.trace("br-int", solicitation.replace("ipv6_src=fe80::1", "ipv6_src=2001:db8::1")) == DROP


DUAL = {
    "asker": dual("h1", 1, 10),
    "neighbour": dual("h1", 2, 10),
    "other": dual("h1", 3, 20),
    "far": dual("h2", 4, 10),
}


@pytest.fixture
def dual_bridge(bridge: Sandbox) -> Sandbox:
    install(bridge, intent(*DUAL.values(), names=("h1", "h2")))
    return bridge


def icmp6(kind: int, **more: object) -> str:
    """A neighbour's message of the asker's to all, as RFC 4861 has it, unless it lies."""
    said = {
        "in_port": A.ofport,
        "dl_src": A.mac,
        "dl_dst": "33:33:00:00:00:01",
        "ipv6_src": "fd00:42::1",
        "ipv6_dst": "ff02::1",
        "nw_ttl": 255,
        "icmpv6_type": kind,
    }
    return "icmp6," + ",".join(f"{name}={value}" for name, value in (said | more).items())


def solicitation(target: str, **more: object) -> str:
    return icmp6(135, **{"nd_target": target, "nd_sll": A.mac} | more)


@pytest.mark.parametrize("source", ["fd00:42::1", "fe80::c7:acff:fe0f:2a01"])
@pytest.mark.parametrize("name", ["neighbour", "far"])
def test_a_solicitation_is_answered_in_the_switch(dual_bridge: Sandbox, name: str, source: str) -> None:
    asked = DUAL[name]
    assert asked.address6

    answer = dual_bridge.trace("br-int", solicitation(str(asked.address6.ip), ipv6_src=source))

    for said in (
        f"set(eth(src={asked.mac},dst={A.mac}))",
        f"set(ipv6(src={asked.address6.ip},dst={source}))",
        "set(nd_ext(nd_reserved=0x60000000,nd_options_type=2))",
        f"set(nd(tll={asked.mac}))",
        "set(icmpv6(type=136,code=0))",
    ):
        assert said in answer
    assert answer.endswith(f",{datapath_port(dual_bridge, 'p1')}"), "to the one who asked"
    assert answer.count("),") == 5, "and to nobody else"


def test_a_solicitation_for_who_is_not_known_is_flooded(dual_bridge: Sandbox) -> None:
    reached = dual_bridge.trace("br-int", solicitation("fd00:42::3"))

    assert "nd_ext" not in reached, "who has it is in another network"
    assert {datapath_port(dual_bridge, name) for name in ("p2", "tun")} <= set(reached.split(": ")[1].split(","))
    assert datapath_port(dual_bridge, "p3") not in reached.split(": ")[1].split(",")


def test_who_asks_whether_its_address_is_free_is_answered_by_none_but_who_has_it(dual_bridge: Sandbox) -> None:
    reached = dual_bridge.trace("br-int", solicitation("fd00:42::2", ipv6_src="::", nd_sll="00:00:00:00:00:00"))

    assert "nd_ext" not in reached
    assert datapath_port(dual_bridge, "p2") in reached


@pytest.mark.parametrize(
    "said",
    [
        icmp6(136, nd_target="fd00:42::1", nd_tll=A.mac),
        icmp6(136, ipv6_src="fe80::1", nd_target="fe80::1"),
        icmp6(133, ipv6_src="fe80::1"),
        icmp6(128),
        icmp6(143, ipv6_src="fe80::1"),
    ],
    ids=["its own", "link-local", "router solicitation", "echo", "listener"],
)
def test_the_truth_passes(dual_bridge: Sandbox, said: str) -> None:
    assert datapath_port(dual_bridge, "p2") in dual_bridge.trace("br-int", said)


@pytest.mark.parametrize(
    "lie",
    [
        icmp6(128, ipv6_src="fd00:42::2"),
        icmp6(128, ipv6_src="2001:db8::1"),
        solicitation("fd00:42::99", ipv6_src="fd00:42::2"),
        solicitation("fd00:42::99", nd_sll=B.mac),
        icmp6(136, nd_target="fd00:42::2", nd_tll=A.mac),
        icmp6(136, ipv6_src="fd00:42::2", nd_target="fd00:42::2", nd_tll=A.mac),
        icmp6(136, ipv6_src="fe80::1", nd_target="fd00:42::2", nd_tll=A.mac),
        icmp6(136, nd_target="fd00:42::1", nd_tll=B.mac),
        icmp6(136, nd_target="fe80::1", nd_tll=A.mac),
        icmp6(134, ipv6_src="fe80::1"),
        icmp6(137, ipv6_src="fe80::1"),
    ],
)
def test_nobody_speaks_for_another_in_ipv6(dual_bridge: Sandbox, lie: str) -> None:
    assert dual_bridge.trace("br-int", lie) == DROP


def test_who_has_no_ipv6_address_tells_no_lies_among_those_who_have(dual_bridge: Sandbox) -> None:
    install(dual_bridge, intent(A, *list(DUAL.values())[1:], names=("h1", "h2")))

    assert dual_bridge.trace("br-int", icmp6(128)) == DROP
    assert dual_bridge.trace("br-int", icmp6(136, ipv6_src="fe80::1", nd_target="fd00:42::2", nd_tll=A.mac)) == DROP
    assert datapath_port(dual_bridge, "p2") in dual_bridge.trace("br-int", icmp6(128, ipv6_src="fe80::1"))


def test_each_table_lists_as_the_switch_does(bridge: Sandbox) -> None:
    assert len(bridge.flows()) == len(compile_bridge(TWO, "h1").flows)
