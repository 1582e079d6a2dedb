"""Joining Linux bridges, as people ask for it: `join-bridge`, `leave-bridge`."""

from typing import Any

from flows.model import DEFAULT_VLAN
from scripts.helper.asked import JoinBridge, LeaveBridge
from scripts.helper.host import Host
from scripts.helper.keeper import Keeper
from scripts.helper.netns import PlumbError
from scripts.helper.problem import RefusedError
from scripts.helper.record import JoinRecord


class Bridging:
    """What people ask about Linux bridges of this host. Any thread may call."""

    def __init__(self, host: Host, keeper: Keeper) -> None:
        self._host, self._keeper = host, keeper

    def join(self, asked: JoinBridge) -> dict[str, Any]:
        """Join a Linux bridge, and report who is on it."""
        try:
            already = self._host.join(asked.bridge, JoinRecord(vlan=asked.vlan, nat=asked.nat))
        except PlumbError as error:
            raise RefusedError(409, "no-bridge", str(error)) from error
        self._keeper.look_at_all()
        return {"bridge": asked.bridge, "vlan": asked.vlan or DEFAULT_VLAN, "nat": asked.nat, "already": already}

    def leave(self, asked: LeaveBridge) -> dict[str, Any]:
        """Leave a joined Linux bridge."""
        self._host.leave(asked.bridge)
        self._keeper.look_at_all()
        return {"bridge": asked.bridge}
