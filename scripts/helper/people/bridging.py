"""Joining Linux bridges, as people ask for it: `join-bridge`, `leave-bridge`."""

from collections.abc import Iterable
from typing import Any

from flows.model import DEFAULT_VLAN
from scripts.helper.attached.host import Host
from scripts.helper.attached.joins import bridge_key
from scripts.helper.keeper import Keeper
from scripts.helper.line.report import Channel
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.record import JoinRecord, Key
from scripts.helper.people.asked import JoinBridge, LeaveBridge
from scripts.helper.problem import RefusedError


class Bridging:
    """What people ask about Linux bridges of this host. Any thread may call."""

    def __init__(self, host: Host, keeper: Keeper, channel: Channel) -> None:
        self._host, self._keeper, self._channel = host, keeper, channel

    def join(self, asked: JoinBridge) -> dict[str, Any]:
        """Join a Linux bridge, and tell who is on it."""
        try:
            already = self._host.join(asked.bridge, JoinRecord(vlan=asked.vlan, nat=asked.nat))
        except PlumbError as error:
            raise RefusedError(409, "no-bridge", str(error)) from error
        self._keeper.look_at_all()
        return {
            "bridge": asked.bridge,
            "vlan": asked.vlan or DEFAULT_VLAN,
            "nat": asked.nat,
            "already": already,
            "pending": self._tell(self._behind(asked.bridge)),
        }

    def leave(self, asked: LeaveBridge) -> dict[str, Any]:
        """Leave a joined Linux bridge."""
        gone = self._behind(asked.bridge)
        self._host.leave(asked.bridge)
        self._keeper.look_at_all()
        return {"bridge": asked.bridge, "pending": self._tell(gone)}

    def _behind(self, bridge: str) -> list[Key]:
        reports = self._host.reports().items()
        return [key for key, report in reports if report.behind == bridge or key == bridge_key(bridge)]

    def _tell(self, keys: Iterable[Key]) -> list[str]:
        """Tell how it is with these; the hosts that lack it yet. Once somebody is pending the rest is told later."""
        self._channel.mark_changes()
        for key in keys:
            try:
                outcome = self._channel.tell(key, 0)
            except RefusedError:  # logged, and `endpoints` says it: one that cannot be is no reason against the others
                continue
            if outcome is None or outcome.pending:
                return [self._host.config.host] if outcome is None else list(outcome.pending)
        return []
