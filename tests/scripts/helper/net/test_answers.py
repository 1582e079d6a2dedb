"""What is answered to a question about a name."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from dns import flags, message, rcode
from hypothesis import given
from hypothesis import strategies as st

from scripts.helper.net import answers

WEB = IPv4Address("10.1.0.2")
WEB6 = IPv6Address("fd00:42::2")
MANY = tuple(IPv4Address("10.1.0.1") + number for number in range(16))


def asked(name: str, kind: str = "A") -> message.QueryMessage:
    """The question as it arrives."""
    found = answers.question(message.make_query(name, kind).to_wire())
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["web", "WEB", "web."])
def test_a_known_name_has_its_address(name: str) -> None:
    found = answers.known(asked(name), {"web": (WEB,)})

    assert found is not None
    assert [str(data) for data in found.answer[0]] == [str(WEB)]


def test_a_known_name_has_no_address_of_another_kind_and_that_is_no_error() -> None:
    found = answers.known(asked("web", "AAAA"), {"web": (WEB,)})

    assert found is not None
    assert (found.rcode(), found.answer) == (rcode.NOERROR, [])


@pytest.mark.parametrize(("kind", "address"), [("A", WEB), ("AAAA", WEB6)])
def test_a_name_with_both_has_each_by_its_kind(kind: str, address: IPv4Address | IPv6Address) -> None:
    found = answers.known(asked("web", kind), {"web": (WEB, WEB6)})

    assert found is not None
    assert [str(data) for data in found.answer[0]] == [str(address)]


@pytest.mark.parametrize("name", ["www", "web.example.org"])
def test_others_are_not_ours_to_answer(name: str) -> None:
    assert answers.known(asked(name), {"web": (WEB,)}) is None


def test_as_many_addresses_as_a_name_may_have_fit_into_the_smallest_datagram() -> None:
    name = ".".join(["a" * 63, "b" * 63])
    found = answers.known(asked(name), {name: MANY})

    assert found is not None
    wire = answers.datagram(asked(name), found)
    assert len(wire) <= answers.UDP_SIZE
    assert not message.from_wire(wire).flags & flags.TC


def test_what_is_too_long_is_to_be_asked_for_over_tcp() -> None:
    question = asked("web")
    found = answers.known(question, {"web": [WEB + number for number in range(100)]})
    assert found is not None

    said = message.from_wire(answers.datagram(question, found))

    assert said.flags & flags.TC
    assert said.answer == []


@given(st.binary(max_size=100))
def test_what_is_no_question_is_none(wire: bytes) -> None:
    found = answers.question(wire)
    assert found is None or len(found.question) == 1


def test_an_answer_to_another_question_is_none() -> None:
    question = asked("www")
    assert answers.answer(question, message.make_response(asked("www")).to_wire()) is None
    assert answers.answer(question, answers.failed(question).to_wire()) is not None
    assert answers.answer(question, b"nothing") is None
