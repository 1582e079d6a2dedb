"""Working inside another network namespace, without a fork.

A thread of its own enters the namespace, works, and ends: nobody ever has to come back, and no other thread notices.
That costs half a millisecond, where a process costs ten. Within, a netlink socket belongs to the namespace that it
was opened in.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netns import setns

from scripts.helper.begun import begun

CLONE_NEWNET = 0x40000000  # linux/sched.h
MS_BIND = 0x1000  # linux/mount.h

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class PlumbError(Exception):
    """Something about namespaces, devices, addresses or shapers that could not be done, in words."""


class GoneError(PlumbError):
    """There is no such namespace (any more). Its container has ended, most likely, and is yet to be heard of."""


@contextmanager
def opened(netns: str) -> Iterator[int]:
    """A file descriptor of the namespace at this path (`/proc/PID/ns/net`, `/run/netns/NAME`); GoneError."""
    try:
        fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise GoneError(
            f"The network namespace “{netns}” is not there ({error.strerror}). Has its container stopped?"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def within(fd: int, work: Callable[[], T]) -> T:
    """Call `work` in that namespace; return, or raise, what it did."""

    def visit() -> T:
        setns(fd)
        return work()

    return begun("netns", visit).result()


def inside(fd: int, work: Callable[[IPRoute], T]) -> T:
    """The same, with a netlink socket of that namespace."""

    def speak() -> T:
        with IPRoute() as ipr:
            return work(ipr)

    return within(fd, speak)


def lasting(path: Path, settings: Mapping[str, str]) -> None:
    """There is a namespace at this path, which no process needs to hold; one that is made has these `net.*` settings.

    It is there until the machine restarts, or somebody unmounts it. PlumbError.
    """

    def make() -> None:
        _call(_libc.unshare, CLONE_NEWNET)
        for name, value in settings.items():
            setting = Path("/proc/sys/net", name)
            if setting.exists():  # a kernel may be without IPv6
                setting.write_text(value)
        _call(_libc.mount, b"/proc/thread-self/ns/net", bytes(path), None, MS_BIND, None)

    with in_words(f"Making the network namespace “{path}” failed"):
        if not path.exists():
            path.touch()
        if path.stat().st_dev != Path("/proc/thread-self/ns/net").stat().st_dev:  # all namespaces are on one
            begun("netns", make).result()


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn the kernel's refusals into a PlumbError that begins with `what` was being done."""
    try:
        yield
    except (NetlinkError, OSError) as error:
        code = error.code if isinstance(error, NetlinkError) else error.errno
        hint = " This needs root." if code in (errno.EPERM, errno.EACCES) else ""
        raise PlumbError(f"{what}: {os.strerror(code or 0)}.{hint}") from error
