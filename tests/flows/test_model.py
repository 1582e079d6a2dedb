from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cookie import MAGIC, OWNER_MASK, Feature, pack, unpack
from flows.fields import ETH_SRC, IN_PORT
from flows.model import Mac, Tunnel
from flows.topology import full_mesh, peers


@given(st.integers(0, (1 << 48) - 1))
def test_a_mac_is_read_back(number: int) -> None:
    assert Mac.parse(str(Mac(number))) == number


@pytest.mark.parametrize("text", ["", "02:c7:ac:0f:2a", "02-c7-ac-0f-2a-64", "zz:c7:ac:0f:2a:64"])
def test_what_is_no_mac_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match="02:c7:ac:0f:2a:64"):
        Mac.parse(text)


def test_the_mac_of_an_address_is_local_and_unicast() -> None:
    mac = Mac.of(IPv4Address("172.15.42.100"))

    assert str(mac) == "02:c7:ac:0f:2a:64"
    assert mac >> 40 & 0b11 == 0b10


@given(st.sampled_from(Feature), st.integers(0, OWNER_MASK))
def test_a_cookie_is_read_back(feature: Feature, owner: int) -> None:
    assert unpack(pack(feature, owner)) == (feature, owner)


@pytest.mark.parametrize("cookie", [0, 1 << 63, MAGIC << 56 | 0xFF << 48])
def test_others_cookies_are_not_ours(cookie: int) -> None:
    assert unpack(cookie) is None


def test_an_owner_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="48 bits"):
        pack(Feature.L2, OWNER_MASK + 1)


def test_a_value_that_does_not_fit_its_field_is_refused() -> None:
    with pytest.raises(ValueError, match="eth_src has 48 bits"):
        ETH_SRC(1 << 48)
    with pytest.raises(ValueError, match="in_port has 32 bits"):
        IN_PORT(-1)


def test_everybody_is_linked_with_everybody() -> None:
    links = full_mesh(("h2", "h1", "h3"), Tunnel.GRE)

    assert peers(links, "h2") == {"h1": Tunnel.GRE, "h3": Tunnel.GRE}
    assert peers(full_mesh(("h1",), Tunnel.GRE), "h1") == {}
