"""What a container's labels say of how it wants to be connected (`docker run --label containet.vlan=10 …`)."""

from collections.abc import Mapping
from difflib import get_close_matches

from flows.model import HIGHEST_VLAN, LOWEST_VLAN
from flows.rate import parse_rate
from scripts.helper.problem import RefusedError

PREFIX = "containet."
ADDRESS, NETWORK, VLAN, UP, DOWN = (PREFIX + word for word in ("address", "network", "vlan", "up", "down"))
KNOWN = (ADDRESS, NETWORK, VLAN, UP, DOWN)


def said(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that are ours; RefusedError if one of them is misspelt."""
    ours = {key: value for key, value in labels.items() if key.startswith(PREFIX)}
    for key in ours.keys() - set(KNOWN):
        likely = get_close_matches(key, KNOWN, 1)
        hint = f"did you mean {likely[0]}?" if likely else f"there are {', '.join(KNOWN)}"
        raise RefusedError(422, "label", f"“{key[:60]}” is no label of containet: {hint}")
    return ours


def vlan(labels: Mapping[str, str]) -> int | None:
    """The VLAN, if it is said."""
    text = labels.get(VLAN)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not LOWEST_VLAN <= int(text) <= HIGHEST_VLAN:
        raise RefusedError(422, "label", f"{VLAN}={text[:40]}: say a number from {LOWEST_VLAN} to {HIGHEST_VLAN}")
    return int(text)


def kbps(labels: Mapping[str, str], key: str) -> int | None:
    """A rate in kilobits per second, if it is said."""
    try:
        return parse_rate(labels[key]) if key in labels else None
    except ValueError as error:
        raise RefusedError(422, "label", f"{key}: {error}") from error
