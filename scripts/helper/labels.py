"""What a container's labels say of how it wants to be connected (`docker run --label containet.vlan=10 …`)."""

from collections.abc import Mapping

from flows.model import HIGHEST_VLAN, LOWEST_VLAN
from scripts.helper import texts

KIND = "label"
PREFIX = "containet."
KNOWN = tuple(PREFIX + word for word in ("address", "address6", "network", "vlan", "up", "down"))
ADDRESS, ADDRESS6, NETWORK, VLAN, UP, DOWN = KNOWN


def any_of_ours(labels: Mapping[str, str]) -> bool:
    """Whether one of them is ours, or was meant to be."""
    return any(key.startswith(PREFIX) for key in labels)


def said(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that are ours; RefusedError if one of them is misspelt."""
    ours = {key: value for key, value in labels.items() if key.startswith(PREFIX)}
    for key in ours.keys() - set(KNOWN):
        raise texts.misspelt(KIND, key, KNOWN, 60)
    return ours


def vlan(labels: Mapping[str, str]) -> int | None:
    """The VLAN, if it is said."""
    return texts.number(KIND, labels, VLAN, LOWEST_VLAN, HIGHEST_VLAN)


def kbps(labels: Mapping[str, str], key: str) -> int | None:
    """A rate in kilobits per second, if it is said."""
    return texts.kbps(KIND, labels, key)
