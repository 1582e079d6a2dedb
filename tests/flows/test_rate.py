import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.rate import HIGHEST_KBPS, LOWEST_KBPS, format_rate, parse_rate


@given(st.none() | st.integers(LOWEST_KBPS, HIGHEST_KBPS))
def test_what_is_written_is_read_back(kbps: int | None) -> None:
    assert parse_rate(format_rate(kbps)) == kbps


@pytest.mark.parametrize(
    ("text", "kbps"), [("800kbit", 800), ("10mbit", 10_000), ("1.5gbit", 1_500_000), ("none", None)]
)
def test_as_people_write_them(text: str, kbps: int | None) -> None:
    assert parse_rate(text) == kbps


@pytest.mark.parametrize(
    "text", ["10", "0", "-1", "fast", "10mb/s", "", "10 mbit", "0mbit", "1kbit", "1e9gbit", "10MBIT", "0.0001kbit"]
)
def test_what_is_no_rate_is_told_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"800kbit, 10mbit, 1\.5gbit"):
        parse_rate(text)
