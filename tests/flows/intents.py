"""Intents for tests: a few by hand, and a strategy for any."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from hypothesis import strategies as st

from flows.flow import Contents
from flows.intent import Intent
from flows.marker import digesting, mark
from flows.model import Company, Endpoint, EndpointKey, Host, Mac, Network, Role, Tunnel
from flows.pipeline import compile_bridge
from flows.topology import full_mesh
from flows.work import done

SEGMENTS = (10, 20, 30)
NAMES = ("h1", "h2", "h3")
NETWORKS = {vni: Network(100 + vni, f"net{vni}", vni, vni) for vni in SEGMENTS}


def hosts(*names: str) -> dict[str, Host]:
    """Hosts that all have a tunnel to each other: port 100 and up."""
    return {
        name: Host(
            owner=number,
            name=name,
            dpid=number,
            vtep=IPv4Address(f"198.18.0.{number}"),
            tunnels={peer: 100 + far for far, peer in enumerate(names, 1) if peer != name},
        )
        for number, name in enumerate(names, 1)
    }


def endpoint(host: str, number: int, segment: int, **more: object) -> Endpoint:
    """The container `c<number>` with the address 172.15.42.<number> on port <number>."""
    address = IPv4Interface(f"172.15.42.{number}/24")
    made = Endpoint(
        key=EndpointKey(host, f"c{number}", "eth0"),
        owner=1000 + number,
        name=f"c{number}",
        mac=Mac.of(address.ip),
        ofport=number,
        segment=segment,
        address=address,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def intent(*endpoints: Endpoint, generation: int = 1, names: tuple[str, ...] = NAMES) -> Intent:
    """These endpoints on these hosts."""
    return Intent(
        generation=generation,
        hosts=hosts(*names),
        networks={end.segment: NETWORKS[end.segment] for end in endpoints},
        endpoints={end.key: end for end in endpoints},
        links=full_mesh(names, Tunnel.VXLAN),
    )


def moved(before: Intent, segments: Mapping[EndpointKey, int | None]) -> Intent:
    """The same with these endpoints in other segments; None takes one away."""
    ends = []
    for key, end in before.endpoints.items():
        segment = segments.get(key, end.segment)
        if segment is not None:
            ends.append(replace(end, segment=segment))
    return intent(*ends, generation=before.generation + 1, names=tuple(before.hosts))


def dual(host: str, number: int, segment: int, **more: object) -> Endpoint:
    """The same with the address fd00:42::<number> beside, in hexadecimal."""
    return endpoint(host, number, segment, **{"address6": IPv6Interface(f"fd00:42::{number:x}/64")} | more)


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    """Up to six endpoints anywhere, with and without rates and IPv6 addresses; two have one address in two segments."""
    ends: list[Endpoint] = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        up, down = (draw(st.sampled_from((None, 1000, 10_000))) for _ in range(2))
        ends.append(
            draw(st.sampled_from((endpoint, dual)))(
                draw(st.sampled_from(NAMES)),
                number,
                draw(st.sampled_from(SEGMENTS)),
                up_kbps=up,
                down_kbps=down,
                up_meter=2 * number if up else 0,
                down_meter=2 * number + 1 if down else 0,
                role=draw(st.sampled_from((Role.CONTAINER, Role.CONTAINER, Role.ROUTER))),
                behind=draw(st.booleans()),
            )
        )
    one, other = (draw(st.sampled_from(ends)) for _ in range(2))
    if one.segment != other.segment and draw(st.booleans()):
        ends[ends.index(other)] = replace(other, mac=one.mac, address=one.address, address6=one.address6)
    return intent(*ends)


def may_be(wanted: Intent) -> bool:
    """Whether nobody has a MAC that somebody else has in his segment."""
    return len({(end.segment, end.mac) for end in wanted.endpoints.values()}) == len(wanted.endpoints)


@st.composite
def keeping(draw: st.DrawFn) -> Intent:
    """The same, where hosts may keep segments that their last members have left, and companies linger."""
    kept = draw(st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.sampled_from(SEGMENTS), min_size=1)))
    made = draw(intents())
    companies: dict[int, Company] = {}
    known = {(end.segment, end.mac) for end in made.endpoints.values()}
    for segment in made.members:
        numbers = {end.key: draw(st.sampled_from((None, None, 1, 2))) for end in made.in_segment(segment)}
        for number in {number for number in numbers.values() if number is not None}:
            members = tuple(key for key, which in numbers.items() if which == number)
            other = draw(st.sampled_from([each for each in SEGMENTS if each != segment]))
            voices = {(other, made.endpoints[key].mac) for key in members}
            if voices.isdisjoint(known):
                known |= voices
                companies[len(companies) + 1] = Company(frozenset({segment, other}), members)
    return replace(made, kept=kept, companies=companies)


def held(wanted: Intent, host: str) -> Contents:
    """What a bridge holds that has all of it, and says so."""
    desired = compile_bridge(wanted, host)
    return replace(desired, mark=mark(done(digesting(wanted, host)), len(desired.flows) + 1))
