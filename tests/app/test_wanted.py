"""What is wanted of a helper, and the book of what it has done."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.desk import RefusedError
from app.helpers import Line, Lines
from app.wanted import Book, changes, concerned, lowered, shaper_key, wants
from app.wire import Done, GatewayWant, MtuWant, NamesWant, ShaperWant, TunnelsWant
from flows.intent import Intent
from flows.model import EndpointKey, Network, Role
from tests.flows.intents import dual, endpoint, intent, intents

WEB = endpoint("h1", 1, 10, up_kbps=1000)
PLAIN = intent(WEB, endpoint("h2", 2, 10), names=("h1", "h2"))
BLUE = Network(110, "blue", 10, 10, IPv4Network("172.15.42.0/24"), IPv4Address("172.15.42.254"))
ROUTED = replace(PLAIN, networks={10: BLUE})
RATES = shaper_key(WEB.key)


def test_a_host_wants_its_tunnels_and_shapers() -> None:
    wanted = wants(PLAIN, "h1", 1450)

    tunnels = wanted["tunnels"]
    assert isinstance(tunnels, TunnelsWant)
    assert [(peer.peer, str(peer.remote)) for peer in tunnels.peers] == [("h2", "198.18.0.2")]
    assert wanted[RATES] == ShaperWant(container="c1", interface="eth0", up_kbps=1000)


def test_a_gateway_is_wanted_where_a_member_is_and_taken_back_where_none_is() -> None:
    gateway = wants(ROUTED, "h1", 1450)["gateway/10"]
    assert isinstance(gateway, GatewayWant)
    assert (gateway.present, str(gateway.address), gateway.mtu) == (True, "172.15.42.254/24", 1450)

    leftover = endpoint("h1", 9, 10, role=Role.GATEWAY, key=EndpointKey("h1", "gateway:10", "gw10"))
    alone = replace(intent(leftover, names=("h1", "h2")), networks={10: BLUE})
    assert wants(alone, "h1", 1450)["gateway/10"] == GatewayWant(vlan=10, present=False)


def test_a_gateway_has_both_addresses_and_names_lead_to_both() -> None:
    net = replace(BLUE, subnet6=IPv6Network("fd00:42::/64"), gateway6=IPv6Address("fd00:42::ff"))
    both = replace(intent(dual("h1", 1, 10), endpoint("h2", 2, 10), names=("h1", "h2")), networks={10: net})

    gateway, names = (wants(both, "h1", 1450)[key] for key in ("gateway/10", "names/10"))

    assert isinstance(gateway, GatewayWant)
    assert (str(gateway.address6), gateway.subnet6) == ("fd00:42::ff/64", net.subnet6)
    assert isinstance(names, NamesWant)
    assert {name: [str(each) for each in has] for name, has in names.names.items()} == {
        "c1": ["172.15.42.1", "fd00:42::1"],
        "c2": ["172.15.42.2"],
    }


def test_names_are_wanted_where_there_is_a_subnet_and_nobody_waits_for_them() -> None:
    names = {end.name: (end.address.ip,) for end in ROUTED.endpoints.values() if end.address}
    assert wants(ROUTED, "h1", 1450)["names/10"] == NamesWant(vlan=10, outside=True, names=names)
    shut = replace(PLAIN, networks={10: replace(BLUE, gateway=None)})
    assert wants(shut, "h1", 1450)["names/10"] == NamesWant(vlan=10, outside=False, names=names)
    assert "names/10" not in wants(PLAIN, "h1", 1450)

    book = Book()
    assert "names/10" in {want.key for want in book.update(wants(ROUTED, "h1", 1450), 1)}
    assert "names/10" not in {want.key for want in book.outstanding()}


def test_who_is_called_alike_is_found_together() -> None:
    shop = [replace(end, aliases=("Shop", "shop")) for end in ROUTED.endpoints.values()]
    called = wants(replace(intent(*shop, names=("h1", "h2")), networks={10: BLUE}), "h1", 1450)["names/10"]

    assert isinstance(called, NamesWant)
    assert called.names["shop"] == tuple(end.address.ip for end in shop if end.address)


def test_only_what_is_new_is_sent() -> None:
    book = Book()

    first = book.update(wants(PLAIN, "h1", 1450), 1)
    second = book.update(wants(PLAIN, "h1", 1450), 2)

    assert {want.key for want in first} == {"tunnels", "mtu", RATES}
    assert second == []


def test_a_host_with_a_smaller_underlay_makes_one_want_on_every_other() -> None:
    book = Book()
    book.update(wants(PLAIN, "h1", 1450), 1)

    (lower,) = book.update(wants(PLAIN, "h1", 1350), 2)

    assert lower.body == MtuWant(mtu=1350)


def test_that_there_is_no_rate_is_said_but_not_waited_for() -> None:
    book = Book()
    unlimited = intent(replace(WEB, up_kbps=None), names=("h1", "h2"))

    assert RATES in {want.key for want in book.update(wants(unlimited, "h1", 1450), 1)}
    assert RATES not in {want.key for want in book.outstanding()}
    book.update(wants(PLAIN, "h1", 1450), 2)
    book.update(wants(unlimited, "h1", 1450), 3)
    assert RATES in {want.key for want in book.outstanding()}, "there was one, so it matters when it is gone"


def test_a_late_done_of_an_earlier_body_does_not_count() -> None:
    book = Book()
    for rate in (100, 50, 800):
        book.put(RATES, ShaperWant(container="c1", interface="eth0", up_kbps=rate), 2)

    book.done(Done(key=RATES, generation=2))

    assert book.outstanding()


def test_an_older_intent_takes_nothing_back() -> None:
    book = Book()
    three = intent(WEB, names=("h1", "h2", "h3"), generation=2)
    book.update(wants(three, "h1", 1450), 2)

    assert book.update(wants(PLAIN, "h1", 1450), 1) == []


def test_a_want_is_outstanding_until_its_own_generation_is_done() -> None:
    book = Book()
    book.update(wants(PLAIN, "h1", 1450), 5)

    for key in ("tunnels", "mtu"):
        book.done(Done(key=key, generation=5))
    book.done(Done(key=RATES, generation=4))
    assert book.outstanding()

    book.done(Done(key=RATES, generation=5, error="no such device"))
    assert not book.outstanding()
    assert book.errors == {RATES: "no such device"}


def test_a_gateway_that_nobody_wants_is_sent_away_then_forgotten() -> None:
    book = Book()
    book.update(wants(ROUTED, "h1", 1450), 1)

    gone = book.update(wants(PLAIN, "h1", 1450), 2)
    assert {want.key: want.body for want in gone} == {
        "gateway/10": GatewayWant(vlan=10, present=False),
        "names/10": NamesWant(vlan=10, present=False),
    }
    assert "names/10" not in book.standing, "nobody waits for that"
    book.done(Done(key="gateway/10", generation=2))
    book.update(wants(PLAIN, "h1", 1450), 3)

    assert "gateway/10" not in book.standing


@st.composite
def routed(draw: st.DrawFn) -> Intent:
    """An intent with gateways wanted in some networks, and there on some hosts, and other ends of tunnels.

    Likewise resolvers.
    """
    made = draw(intents())
    own = [
        endpoint(host, number + vlan, vlan, role=role, key=EndpointKey(host, f"{role}:{vlan}", f"{role:.2}{vlan}"))
        for number, role in ((50, Role.GATEWAY), (150, Role.RESOLVER))
        for host in made.hosts
        for vlan in made.networks
        if draw(st.booleans())
    ]
    all_of_them = intent(*made.endpoints.values(), *own)
    subnets = {
        vni: replace(network, subnet=BLUE.subnet, gateway=draw(st.sampled_from((None, BLUE.gateway))))
        for vni, network in all_of_them.networks.items()
    }
    far = draw(st.sampled_from((0, 100)))
    hosts = {name: replace(host, vtep=host.vtep + far) for name, host in all_of_them.hosts.items()}
    return replace(all_of_them, networks=subnets, hosts=hosts)


@settings(max_examples=200, deadline=None)
@given(routed(), routed())
def test_what_a_change_is_about_gives_what_the_whole_gives(before: Intent, after: Intent) -> None:
    made = before.changed(
        {key: after.endpoints.get(key) for key in before.endpoints.keys() | after.endpoints.keys()},
        hosts=after.hosts,
        networks=after.networks,
    )
    for host in after.hosts:
        found = wants(before, host, 1450) | (
            changes(before, made, host, 1450) if host in concerned(before, made) else {}
        )
        assert {key: body for key, body in found.items() if body is not None} == wants(after, host, 1450)


@settings(max_examples=100, deadline=None)
@given(routed(), routed(), st.data())
def test_a_book_that_hears_of_changes_says_what_one_that_hears_all_says(
    before: Intent, after: Intent, data: st.DataObject
) -> None:
    one, other = Book(), Book()
    for book in (one, other):
        book.update(wants(before, "h1", 1450), 1)
    finished = [want for want in one.outstanding() if data.draw(st.booleans())]
    for want in finished:
        for book in (one, other):
            book.done(Done(key=want.key, generation=want.generation))

    changed = one.change(changes(before, after, "h1", 1450), 2)
    whole = other.update(wants(after, "h1", 1450), 2)

    assert {want.key: want for want in changed} == {want.key: want for want in whole}
    assert one.standing == other.standing
    assert {want.key for want in one.outstanding()} == {want.key for want in other.outstanding()}


def test_after_a_reconnect_all_is_said_again_and_nothing_is_done() -> None:
    line = Line()
    line.begin(1)
    line.want(wants(PLAIN, "h1", 1450), 1)
    for want in list(line.book.standing.values()):
        line.book.done(Done(key=want.key, generation=1))
    assert not line.pending()

    line.begin(2)

    assert line.pending()
    stream = line.open(2)
    assert next(stream) is None, "a beat at once"
    said = [next(stream) for _ in range(3)]
    assert {want.key for want in said if want is not None} == {"tunnels", "mtu", RATES}


def test_an_old_session_is_refused_and_its_stream_ends() -> None:
    line = Line()
    line.begin(1)
    line.want(wants(PLAIN, "h1", 1450), 1)
    old = line.open(1)
    assert next(old) is None
    assert next(old) is not None

    line.begin(2)

    with pytest.raises(RefusedError, match="session 1 is not the newest"):
        line.open(1)
    with pytest.raises(StopIteration):
        next(old)


def test_what_sinks_is_lowered_first() -> None:
    lines = Lines(lambda: 1450)
    number = lines.begin("h1")
    lines.after(PLAIN, PLAIN)
    stream = lines["h1"].open(number)
    assert [want is None for want in (next(stream), next(stream), next(stream))] == [True, False, False]

    lower: Intent = intent(replace(WEB, up_kbps=500, down_kbps=9000), names=("h1", "h2"), generation=2)
    lines.before(PLAIN, lower)

    want = next(stream)
    assert want is not None
    assert want.body == ShaperWant(container="c1", interface="eth0", up_kbps=500, down_kbps=9000)


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ((1000, None), (2000, None), None),
        ((1000, 1000), (2000, 500), (1000, 500)),
        ((None, None), (1000, None), (1000, None)),
        ((1000, None), (None, None), None),
    ],
)
def test_the_lower_of_both_rates_goes_first(
    before: tuple[int | None, int | None],
    after: tuple[int | None, int | None],
    first: tuple[int | None, int | None] | None,
) -> None:
    ends = [replace(WEB, up_kbps=up, down_kbps=down) for up, down in (before, after)]

    lower = lowered(*ends)

    assert first == (None if lower is None else (lower.up_kbps, lower.down_kbps))


def test_all_hear_of_another_mtu() -> None:
    mtu = [1450]
    lines = Lines(lambda: mtu[0])
    lines.after(PLAIN, PLAIN)

    mtu[0] = 1350
    lines.after(PLAIN, PLAIN)

    assert {host: lines[host].book.standing["mtu"].body for host in PLAIN.hosts} == dict.fromkeys(
        PLAIN.hosts, MtuWant(mtu=1350)
    )


def test_a_forgotten_hosts_stream_ends() -> None:
    lines = Lines(lambda: 1450)
    stream = lines["h1"].open(lines.begin("h1"))
    assert next(stream) is None

    lines.forget("h1")

    with pytest.raises(StopIteration):
        next(stream)


def test_what_came_back_to_an_earlier_value_while_nobody_looked_is_said_in_a_new_session() -> None:
    lines = Lines(lambda: 1450)
    lines.after(PLAIN, PLAIN)
    lines["h1"].want_one(RATES, ShaperWant(container="c1", interface="eth0", up_kbps=50_000), 2)

    stream = lines["h1"].open(lines.begin("h1"))
    assert lines["h1"].pending(), "not all is said"
    lines.after(PLAIN, PLAIN)

    said = {want.key: want.body for want in (next(stream) for _ in range(4)) if want is not None}
    assert said[RATES] == ShaperWant(container="c1", interface="eth0", up_kbps=1000)
