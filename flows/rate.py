"""Rates as people write them: `800kbit`, `10mbit`, `1.5gbit`, `none`. Decimal bits per second, as tc(8) counts."""

import re
from decimal import Decimal

KBIT_PER_UNIT = {"kbit": 1, "mbit": 1_000, "gbit": 1_000_000}
LOWEST_KBPS = 8  # below this one full frame takes more than a second and a half
HIGHEST_KBPS = 100_000_000  # 100 gbit
UNDERSTOOD = "say it as 800kbit, 10mbit, 1.5gbit (decimal bits per second, 8kbit to 100gbit) or none"

_RATE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(kbit|mbit|gbit)")


def parse_rate(text: str) -> int | None:
    """Kilobits per second, or None for `none`; ValueError says what is understood."""
    if text == "none":
        return None
    found = _RATE.fullmatch(text)
    if not found:
        raise ValueError(f"“{text[:40]}” is not a rate: {UNDERSTOOD}")
    number, unit = found.groups()
    kbps = Decimal(number) * KBIT_PER_UNIT[unit]
    if not LOWEST_KBPS <= kbps <= HIGHEST_KBPS or kbps != int(kbps):
        raise ValueError(f"“{text[:40]}” is not a rate that can be held: {UNDERSTOOD}")
    return int(kbps)


def format_rate(kbps: int | None) -> str:
    """The shortest text that `parse_rate` reads back as the same rate."""
    if kbps is None:
        return "none"
    for unit in ("gbit", "mbit"):
        number = Decimal(kbps) / KBIT_PER_UNIT[unit]
        if number >= 1 and number * 1000 == int(number * 1000):
            return f"{number.normalize():f}{unit}"
    return f"{kbps}kbit"
