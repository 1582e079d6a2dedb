"""Containers as they are said to be: Docker's, and network namespaces (`netns:NAME`) that stand for one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from scripts.helper.problem import RefusedError

NETNS = "netns:"  # what a container's name begins with if it is a namespace that is none of Docker's
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's interface on a network of Docker's own."""

    network: str  # its id
    mac: str
    address: IPv4Interface
    address6: IPv6Interface | None = None
    endpoint: str = ""  # Docker's id of it
    aliases: tuple[str, ...] = ()  # what else it is called there


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is now."""

    id: str  # Docker's, in full, or `netns:NAME`
    name: str
    netns: str | None  # path of its network namespace; None if it does not run
    labels: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    sandbox: str | None = None  # path of the namespace that Docker made for it to live in, also when it is about to


def namespace(name: str, *, must_exist: bool = True) -> Container:
    """The named network namespace (`ip netns add NAME`) that `netns:NAME` means; RefusedError if there is none."""
    short = name.removeprefix(NETNS)
    path = NAMESPACES / short
    if "/" in short or not short or not path.exists():
        if must_exist:
            raise RefusedError(
                404,
                "unknown-container",
                f"There is no network namespace “{short}” on this host. `ip netns` lists them.",
            )
        return Container(name, short, None)
    return Container(name, short, str(path))


def is_own_namespace(netns: str) -> bool:
    """Whether this is the host's own network namespace: a container with `--net=host` has no other."""
    return os.stat(netns).st_ino == os.stat("/proc/thread-self/ns/net").st_ino
