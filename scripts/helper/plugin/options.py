"""Options that people give Docker for us: `-o` of a network, `--driver-opt` of an endpoint, `--ipam-opt` of a pool.

The engine hands them on as texts and understands none, so a misspelt one is refused here, in words.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from flows.model import HIGHEST_VLAN, HIGHEST_VNI, LOWEST_VLAN
from flows.rate import parse_rate
from scripts.helper.problem import RefusedError

NETWORK = ("vlan", "vni", "up", "down", "mtu", "gateway")
ENDPOINT = ("up", "down")
POOL = ("vlan",)
DOCKERS = "com.docker."  # what the engine adds by itself
LOWEST_MTU, HIGHEST_MTU = 68, 65535  # RFC 791


def known(said: Mapping[str, Any], understood: Iterable[str]) -> dict[str, str]:
    """Those that are ours; RefusedError if one is understood by nobody."""
    found = {}
    for key, value in said.items():
        if key in understood:
            found[key] = str(value)
        elif not key.startswith(DOCKERS):
            likely = get_close_matches(key, understood, 1)
            hint = f"did you mean {likely[0]}?" if likely else f"there are {', '.join(understood)}"
            raise RefusedError(422, "option", f"“{key[:40]}” is no option of containet: {hint}")
    return found


def number(said: Mapping[str, str], key: str, lowest: int, highest: int) -> int | None:
    """The number that an option says, None if it is not said."""
    text = said.get(key)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise RefusedError(422, "option", f"{key}={text[:40]}: say a number from {lowest} to {highest}")
    return int(text)


def vlan(said: Mapping[str, str]) -> int | None:
    """The VLAN."""
    return number(said, "vlan", LOWEST_VLAN, HIGHEST_VLAN)


def vni(said: Mapping[str, str]) -> int | None:
    """The number on the tunnel."""
    return number(said, "vni", 1, HIGHEST_VNI)


def mtu(said: Mapping[str, str]) -> int | None:
    """Bytes that a container's interface may send."""
    return number(said, "mtu", LOWEST_MTU, HIGHEST_MTU)


def kbps(said: Mapping[str, str], key: str) -> int | None:
    """A rate, in kilobits per second."""
    try:
        return parse_rate(said[key]) if key in said else None
    except ValueError as error:
        raise RefusedError(422, "option", f"{key}: {error}") from error


def gateway(said: Mapping[str, str]) -> bool:
    """Whether the network is to have one."""
    if said.get("gateway", "none") != "none":
        raise RefusedError(422, "option", "-o gateway= only knows “none”: say its address with --gateway")
    return "gateway" not in said
