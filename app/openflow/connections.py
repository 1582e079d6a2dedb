"""Which connection of os-ken's is which bridge's. One bridge, one connection: two with one dpid are never mixed up."""

import logging
from typing import Any, Protocol

from os_ken.controller.handler import DEAD_DISPATCHER
from os_ken.lib import hub

from app.openflow.switch import Switch

LOG = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told of bridges that come and go."""

    def switch_up(self, switch: Switch) -> None:
        """A bridge connected."""

    def switch_down(self, switch: Switch) -> None:
        """A bridge's connection ended."""


class Connections:
    """The switches that are connected, by dpid."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._switches: dict[int, Switch] = {}

    def connected(self, dp: Any) -> None:
        """A bridge has shaken hands. If another has its dpid, that one is asked whether it is still there."""
        if dp.id in self._switches:
            hub.spawn(self._contest, dp)
        else:
            self._adopt(dp)

    def disconnected(self, dp: Any) -> None:
        """A connection ended, whoever ended it."""
        switch = self._switches.get(dp.id)
        if switch is not None and switch.dp is dp:
            del self._switches[dp.id]
            LOG.warning("the bridge %#018x is gone", dp.id)
            switch.closed()
            self._listener.switch_down(switch)

    def received(self, msg: Any) -> None:
        """A reply or an error came."""
        switch = self._switches.get(msg.datapath.id)
        if switch is not None and switch.dp is msg.datapath:
            switch.received(msg)

    def _adopt(self, dp: Any) -> None:
        switch = self._switches[dp.id] = Switch(dp)
        LOG.info("the bridge %#018x connected from %s", dp.id, _address(dp))
        self._listener.switch_up(switch)

    def _contest(self, dp: Any) -> None:
        """A host that lost its power leaves a connection behind that looks alive: only an answer counts."""
        while (other := self._switches.get(dp.id)) is not None:
            if other.alive():
                LOG.error(
                    "a second bridge with dpid %#018x connects from %s while the one at %s is there: it is refused; "
                    "give one of the two hosts another datapath-id",
                    dp.id,
                    _address(dp),
                    _address(other.dp),
                )
                dp.close()
                return
            other.dp.close()
            self.disconnected(other.dp)
        if dp.state != DEAD_DISPATCHER:
            self._adopt(dp)


def _address(dp: Any) -> str:
    return str(dp.address[0]) if dp.address else "a local socket"
