"""Numbers: none twice at a time, and after a restart the same ones."""

from hypothesis import given
from hypothesis import strategies as st

from app.ids import Ids, Meters
from app.store.sqlite import SqliteStore
from flows.model import EndpointKey

KEYS = [EndpointKey(host, container, "eth0") for host in ("h1", "h2") for container in "abc"]
steps = st.tuples(st.sampled_from(KEYS), st.sampled_from(("up", "down", None)))


@given(st.lists(steps, max_size=30))
def test_meters_are_the_lowest_free_of_their_host(taken: list[tuple[EndpointKey, str | None]]) -> None:
    store = SqliteStore(":memory:")
    meters = Meters(store)
    given_out: dict[tuple[EndpointKey, str], int] = {}

    for key, direction in taken:
        if direction is None:
            store.forget_endpoint(key)
            meters.forget(key)
            given_out = {each: meter for each, meter in given_out.items() if each[0] != key}
        else:
            used = {meter for (other, _), meter in given_out.items() if other.host == key.host}
            lowest = next(meter for meter in range(1, 99) if meter not in used)
            given_out[key, direction] = expected = given_out.get((key, direction), lowest)
            assert meters.of(key, direction) == expected

    again = Meters(store)
    assert {each: again.of(*each) for each in given_out} == given_out


def test_an_id_is_found_only_if_it_was_given_out() -> None:
    store = SqliteStore(":memory:")
    ids = Ids(store)

    assert ids.find("endpoint", "h1/a/eth0") is None
    assert ids.things == {}
    number = ids.of("endpoint", "h1/a/eth0")
    assert ids.find("endpoint", "h1/a/eth0") == number == Ids(store).of("endpoint", "h1/a/eth0")
