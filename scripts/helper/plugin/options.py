"""Options that people give Docker for us: `-o` of a network, `--driver-opt` of an endpoint, `--ipam-opt` of a pool.

The engine hands them on as texts and understands none, so a misspelt one is refused here, in words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.model import HIGHEST_VLAN, HIGHEST_VNI, LOWEST_VLAN
from scripts.helper import texts
from scripts.helper.problem import RefusedError

KIND = "option"
NETWORK = ("vlan", "vni", "up", "down", "mtu", "gateway")
ENDPOINT = ("up", "down")
POOL = ("vlan",)
DOCKERS = "com.docker."  # what the engine adds by itself
LOWEST_MTU, HIGHEST_MTU = 68, 65535  # RFC 791


def known(said: Mapping[str, Any], understood: Sequence[str]) -> dict[str, str]:
    """Those that are ours; RefusedError if one is understood by nobody."""
    found = {}
    for key, value in said.items():
        if key in understood:
            found[key] = str(value)
        elif not key.startswith(DOCKERS):
            raise texts.misspelt(KIND, key, understood)
    return found


def vlan(said: Mapping[str, str]) -> int | None:
    """The VLAN."""
    return texts.number(KIND, said, "vlan", LOWEST_VLAN, HIGHEST_VLAN)


def vni(said: Mapping[str, str]) -> int | None:
    """The number on the tunnel."""
    return texts.number(KIND, said, "vni", 1, HIGHEST_VNI)


def mtu(said: Mapping[str, str]) -> int | None:
    """Bytes that a container's interface may send."""
    return texts.number(KIND, said, "mtu", LOWEST_MTU, HIGHEST_MTU)


def kbps(said: Mapping[str, str], key: str) -> int | None:
    """A rate, in kilobits per second."""
    return texts.kbps(KIND, said, key)


def gateway(said: Mapping[str, str]) -> bool:
    """Whether the network is to have one."""
    if said.get("gateway", "none") != "none":
        raise RefusedError(422, KIND, "-o gateway= only knows “none”: say its address with --gateway")
    return "gateway" not in said
