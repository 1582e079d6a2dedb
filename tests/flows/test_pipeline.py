"""What the bridges of a few intents hold, as listings that Open vSwitch's own parser reads."""

import subprocess
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

import pytest
from hypothesis import given, settings

from flows.cookie import unpack
from flows.flow import Flow, Goto, Key
from flows.intent import Intent
from flows.model import Company, Endpoint, EndpointKey, Mac, Role
from flows.pipeline import FlowConflictError, compile_bridge, compile_meters, listing, portions
from flows.table import Table
from tests.flows.intents import dual, endpoint, hosts, intent, intents

GOLDEN = Path(__file__).parent / "golden"
TWO = ("h1", "h2")
TRAVELLERS = ("h1", "c1", "eth0"), ("h2", "c2", "eth0"), ("h2", "c3", "eth0")
GATEWAY = IPv4Interface("172.15.42.254/24")
RESOLVER = IPv4Interface("169.254.53.53/32")


def served(host: str, number: int, segment: int) -> tuple[Endpoint, ...]:
    """A container, and what every host has of its network."""
    return (
        endpoint(host, number, segment),
        *(
            endpoint(
                host,
                port + number,
                segment,
                key=EndpointKey(host, f"{role.value}:10", name),
                role=role,
                address=address,
                mac=Mac.of(address.ip),
            )
            for role, name, port, address in (
                (Role.GATEWAY, "gw10", 50, GATEWAY),
                (Role.RESOLVER, "dns10", 60, RESOLVER),
            )
        ),
    )


CASES = {
    "two_hosts": intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10), names=TWO),
    "two_vlans": intent(endpoint("h1", 1, 10), endpoint("h1", 2, 20), endpoint("h2", 3, 10), names=TWO),
    "moving": replace(
        intent(
            endpoint("h1", 1, 10),
            endpoint("h2", 2, 10),
            endpoint("h2", 3, 10),
            endpoint("h2", 4, 20),
            endpoint("h1", 5, 10),
            names=TWO,
        ),
        companies={1: Company(frozenset({10, 20}), tuple(EndpointKey(*each) for each in TRAVELLERS))},
    ),
    "renumbered": replace(
        intent(*(end for number, host in enumerate(TWO, 1) for end in served(host, number, 10)), names=TWO),
        companies={
            1: Company(
                frozenset({10, 20}),
                tuple(end.key for number, host in enumerate(TWO, 1) for end in served(host, number, 10)),
            )
        },
    ),
    "rates": intent(
        endpoint("h1", 1, 10, up_kbps=10_000, up_meter=1, down_kbps=800, down_meter=2),
        endpoint("h2", 2, 10),
        names=TWO,
    ),
    "gateways": intent(
        endpoint("h1", 1, 10),
        *(
            endpoint(
                host,
                50 + number,
                10,
                key=EndpointKey(host, "gateway:10", "gw10"),
                role=Role.GATEWAY,
                address=GATEWAY,
                mac=Mac.of(GATEWAY.ip),
            )
            for number, host in enumerate(TWO)
        ),
        names=TWO,
    ),
    "resolvers": intent(
        endpoint("h1", 1, 10),
        *(
            endpoint(
                host,
                50 + number,
                10,
                key=EndpointKey(host, "resolver:10", "dns10"),
                role=Role.RESOLVER,
                address=RESOLVER,
                mac=Mac.of(RESOLVER.ip),
            )
            for number, host in enumerate(TWO)
        ),
        names=TWO,
    ),
    "joined_bridge": intent(
        endpoint("h1", 1, 10, ofport=7, behind=True),
        dual("h1", 2, 10, ofport=7, behind=True),
        dual("h1", 3, 10, ofport=7, behind=True, role=Role.ROUTER),
        endpoint("h2", 4, 10),
        names=TWO,
    ),
    "dual_stack": intent(
        dual("h1", 1, 10),
        endpoint("h1", 2, 10),
        dual("h2", 3, 10),
        dual(
            "h1",
            50,
            10,
            key=EndpointKey("h1", "gateway:10", "gw10"),
            role=Role.GATEWAY,
            address=GATEWAY,
            address6=IPv6Interface("fd00:42::1:1/64"),
            mac=Mac.of(GATEWAY.ip),
        ),
        endpoint("h1", 5, 20),
        names=TWO,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_listing(name: str) -> None:
    file = GOLDEN / f"{name}.h1.flows"

    assert listing(compile_bridge(CASES[name], "h1")) == file.read_text()


@pytest.mark.parametrize("name", CASES)
def test_open_vswitch_reads_the_listing(name: str) -> None:
    file = GOLDEN / f"{name}.h1.flows"

    parsed = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow15", "parse-flows", file], capture_output=True, text=True, check=True, timeout=10
    )

    flows = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert parsed.stdout.count("OFPT_FLOW_MOD") == len(flows)


@settings(max_examples=100, deadline=None)
@given(intents())
def test_every_flow_moves_forward_and_says_why_it_is_there(any_intent: Intent) -> None:
    owners = {0, *(host.owner for host in any_intent.hosts.values())}
    owners |= {network.owner for network in any_intent.networks.values()}
    owners |= {end.owner for end in any_intent.endpoints.values()}
    for host in any_intent.hosts:
        for flow in compile_bridge(any_intent, host).flows.values():
            assert all(action.table > flow.table for action in flow.actions if isinstance(action, Goto))
            said = unpack(flow.cookie)
            assert said is not None
            assert said.owner in owners


@settings(max_examples=100, deadline=None)
@given(intents())
def test_what_lets_packets_in_is_made_last(any_intent: Intent) -> None:
    """A bridge that is being filled lets nobody through before it has all the rest."""
    flows: dict[Key, Flow] = {}
    meters = compile_meters(any_intent, "h1")
    made = [each for portion in portions(any_intent, "h1", flows, meters) for each in portion]

    assert {each.key: each for each in made} == flows == compile_bridge(any_intent, "h1").flows
    assert len(made) == len(flows)
    lets_in = [each.table is Table.CLASSIFY for each in made]
    assert lets_in == sorted(lets_in)


def test_who_has_no_ipv6_address_costs_no_flow_more_among_those_who_have_none() -> None:
    alone = compile_bridge(CASES["two_vlans"], "h1").flows
    beside = intent(*CASES["two_vlans"].endpoints.values(), dual("h1", 9, 30), names=TWO)

    more = {key: flow for key, flow in compile_bridge(beside, "h1").flows.items() if key not in alone}

    assert alone.items() <= compile_bridge(beside, "h1").flows.items()
    assert {unpack(flow.cookie).owner for flow in more.values()} == {1009, 130}  # type: ignore[union-attr]


def test_who_shares_a_port_with_others_of_the_other_segment_gets_one_copy() -> None:
    mover, other = (endpoint("h1", number, 10 * number, ofport=7, behind=True) for number in (1, 2))
    far = endpoint("h2", 3, 10)
    company = {1: Company(frozenset({10, 20}), (mover.key, far.key))}

    text = listing(compile_bridge(replace(intent(mover, other, far, names=TWO), companies=company), "h1"))

    assert "reg0=0x14,reg4=0x1 actions=goto_table:70\n" in text
    assert "reg0=0x14,reg2=0x2 actions=output:7\n" in text


def test_a_host_without_members_holds_nothing_of_a_segment() -> None:
    lonely = intent(endpoint("h1", 1, 10), names=TWO)

    assert "reg0=0xa" not in listing(compile_bridge(lonely, "h2"))


def test_two_endpoints_that_cannot_both_be_are_refused() -> None:
    twins = intent(endpoint("h1", 1, 10), endpoint("h1", 2, 10, mac=endpoint("h1", 1, 10).mac), names=TWO)

    with pytest.raises(FlowConflictError, match="one key, two flows"):
        compile_bridge(twins, "h1")


def test_the_same_address_in_two_segments_is_two_endpoints() -> None:
    one = endpoint("h1", 1, 10)
    other = endpoint("h1", 2, 20, mac=one.mac, address=one.address)

    compiled = compile_bridge(intent(one, other, names=("h1",)), "h1")

    assert len({flow.cookie for flow in compiled.flows.values() if "arp_tpa=172.15.42.1," in str(flow)}) == 2


def test_hosts_have_a_tunnel_port_each() -> None:
    assert hosts("h1", "h2", "h3")["h1"].tunnels == {"h2": 102, "h3": 103}
