"""A roster finds what looking through all of it would find."""

from hypothesis import given
from hypothesis import strategies as st

from app.roster import Roster
from app.wire import EndpointReport
from flows.model import EndpointKey

HOSTS, CONTAINERS, NAMES = ("h1", "h2"), ("aaa", "bbb"), ("web1", "web2", "aaa")
steps = st.tuples(st.sampled_from(HOSTS), st.sampled_from(CONTAINERS), st.sampled_from((*NAMES, None)))


@given(st.lists(steps, max_size=30))
def test_what_came_last_is_found_by_host_and_by_name(taken: list[tuple[str, str, str | None]]) -> None:
    roster, there = Roster(), dict[EndpointKey, EndpointReport]()

    for host, container, name in taken:
        key = EndpointKey(host, container, "eth0")
        if name is not None:
            there[key] = EndpointReport(
                container=container, interface="eth0", name=name, mac="02:c7:00:00:00:01", ofport=1
            )
            roster.put(key, there[key])
        elif there.pop(key, None) is not None:
            roster.remove(key)

    assert list(roster.items()) == list(there.items())
    for host in HOSTS:
        assert roster.of_host(host) == {key for key in there if key.host == host}
    for name in (*NAMES, *CONTAINERS):
        assert roster.called(name) == {key for key, report in there.items() if name in (report.name, key.container)}
