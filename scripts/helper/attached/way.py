"""The way to the other tunnel ends, which the userspace datapath must not lose for a moment.

There ovs-vswitchd leads the tunnels' packets itself, by a copy of the kernel's routes. Whenever a device of the host
changes it throws the copy away and makes another; a revalidator that looks meanwhile finds no way, and until its next
round, 5 ms later, drops what goes to other hosts (counted as `drop_action_of_pipeline`). Every container that comes or
goes is such a change. What was said by command (`ovs/route/add`) is kept. A tunnel's `local_ip` is looked up in the
copy, too, and no command puts it there: so tunnels have none where the route gives them the same address anyway.

What comes from other hosts is lost in the same moment, unless ovs-vswitchd makes no copy (--disable-system-route).
"""

import logging
from ipaddress import IPv4Address
from pathlib import Path

from scripts.helper.net.plumb import underlay
from scripts.helper.ovs.control import Control, control_socket
from scripts.helper.ovs.ovsdb import VswitchError

TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Way:
    """To all that are in the subnet of this address, on the userspace datapath or not."""

    def __init__(self, vtep: IPv4Address, directory: Path, *, userspace: bool) -> None:
        self._vtep, self._directory, self._userspace = vtep, directory, userspace
        self._told: Path | None = None  # the ovs-vswitchd that knows it

    @property
    def local(self) -> str | None:
        """What tunnels need to be told of their own address."""
        return None if self._userspace and underlay(self._vtep).lone else str(self._vtep)

    def keep(self) -> None:
        """It is there; VswitchError if it cannot be."""
        if not self._userspace:
            return
        try:
            path = control_socket(self._directory)
            if path == self._told:
                return
            control = Control(path, TIMEOUT_S)
            try:
                found = underlay(self._vtep)
                control.call("ovs/route/add", str(found.subnet), found.device)
            finally:
                control.close()
        except (OSError, ValueError) as error:
            raise VswitchError(f"ovs-vswitchd was not told the way to other hosts: {error}. Is it running?") from error
        self._told = path
