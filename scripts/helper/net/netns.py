"""Working inside another network namespace, without a fork.

A thread of its own enters the namespace, works, and ends: nobody ever has to come back, and no other thread notices.
That costs half a millisecond, where a process costs ten. Within, a netlink socket belongs to the namespace that it
was opened in.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netns import setns

T = TypeVar("T")


class PlumbError(Exception):
    """Something about namespaces, devices, addresses or shapers that could not be done, in words."""


@contextmanager
def opened(netns: str) -> Iterator[int]:
    """A file descriptor of the namespace at this path (`/proc/PID/ns/net`, `/run/netns/NAME`)."""
    try:
        fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PlumbError(
            f"The network namespace “{netns}” is not there ({error.strerror}). Has its container stopped?"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def inside(fd: int, work: Callable[[IPRoute], T], meanwhile: Callable[[], object] = lambda: None) -> T:
    """Call `work` in that namespace with a netlink socket of it; return, or raise, what it did.

    `meanwhile` is called here at the same time; what it raises is raised once the work is over.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def visit() -> None:
        try:
            setns(fd)
            with IPRoute() as ipr:
                results.append(work(ipr))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=visit, name="netns", daemon=True)
    thread.start()
    try:
        meanwhile()
    finally:
        thread.join()
    for error in errors:
        raise error
    return results[0]


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn the kernel's refusals into a PlumbError that begins with `what` was being done."""
    try:
        yield
    except (NetlinkError, OSError) as error:
        code = error.code if isinstance(error, NetlinkError) else error.errno
        hint = " This needs root." if code in (errno.EPERM, errno.EACCES) else ""
        raise PlumbError(f"{what}: {os.strerror(code or 0)}.{hint}") from error
