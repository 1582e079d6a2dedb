"""The scanner reads what the parser of the `ovs` package reads, however it comes."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import ovs.json
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.helper.ovs import scanner
from scripts.helper.ovs.scanner import Scanner

PACKAGE = ovs.json.Parser  # before anybody else's `use`

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))  # a database has no null bytes
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), min_size=1, max_size=4)


@pytest.fixture(autouse=True, scope="module")
def _as_the_package_has_it() -> Iterator[None]:
    now, ovs.json.Parser = ovs.json.Parser, PACKAGE  # its methods name it
    yield
    ovs.json.Parser = now


def read(make: Any, pieces: list[str]) -> list[object]:
    """As ovs.jsonrpc.Connection.recv does it."""
    found, parser, rest = [], None, ""
    for piece in pieces:
        rest += piece
        while rest:
            parser = parser or make()
            rest = rest[parser.feed(rest) :]
            if parser.is_done():
                found.append(parser.finish())
                parser = None
    return found


@given(MESSAGES, st.lists(st.integers(0, 200), max_size=6), st.sampled_from(["", " ", "\n"]))
def test_it_finds_what_the_package_finds(messages: list[object], cuts: list[int], between: str) -> None:
    text = between.join(map(json.dumps, messages))
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    pieces = [text[a:b] for a, b in pairwise(places)]

    assert read(Scanner, pieces) == read(PACKAGE, pieces) == messages


def test_what_is_no_json_is_an_error() -> None:
    broken = Scanner()
    assert broken.feed('{"a": }') == 7
    assert broken.is_done()
    assert "Expecting value" in broken.finish()


def test_it_waits_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    half = Scanner()
    assert half.feed('{"a": {"b": 1}') == 14
    assert not half.is_done()
    assert half.feed('}{"next"') == 1
    assert half.finish() == {"a": {"b": 1}}

    monkeypatch.setattr(scanner, "LARGEST", 100)
    endless = Scanner()
    for _ in range(20):
        endless.feed('{"a": ')
    assert endless.is_done()
    assert "100" in endless.finish()


def test_connections_read_by_it() -> None:
    scanner.use()
    assert isinstance(ovs.json.Parser(), Scanner)
    assert ovs.json.from_string('{"a": 1}') == {"a": 1}
    assert "ends early" in ovs.json.from_string('{"a": 1')
