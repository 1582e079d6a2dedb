"""os-ken in the test's own process, with the smallest application that has `Connections`: no owner, no REST."""

import socket
from typing import Any

from os_ken import cfg
from os_ken.base.app_manager import AppManager, OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.controller.ofp_handler import OFPHandler
from os_ken.lib import hub
from os_ken.ofproto import ofproto_protocol, ofproto_v1_5

from app.openflow.connections import Connections
from app.openflow.flow_desc import parse_late
from app.openflow.mends import mend_parser
from app.openflow.switch import Switch

PATIENCE_S = 10
ANSWERS = [
    ofp_event.EventOFPErrorMsg,
    ofp_event.EventOFPBundleCtrlMsg,
    ofp_event.EventOFPRequestForward,
    *(getattr(ofp_event, name) for name in dir(ofp_event) if name.startswith("EventOFP") and name.endswith("Reply")),
]


class Tiny(OSKenApp):  # type: ignore[misc]
    """What app.containet does, and keeps what it hears."""

    OFP_VERSIONS = [ofproto_v1_5.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.up, self.down = hub.Queue(), hub.Queue()
        self.connections = Connections(self)

    def switch_up(self, switch: Switch) -> None:
        self.up.put(switch)

    def switch_down(self, switch: Switch) -> None:
        self.down.put(switch)

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def on_state(self, ev: Any) -> None:
        if ev.state == MAIN_DISPATCHER:
            self.connections.connected(ev.datapath)
        else:
            self.connections.disconnected(ev.datapath)

    @set_ev_cls(ANSWERS, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def on_answer(self, ev: Any) -> None:
        self.connections.received(ev.msg)


class Controller:
    """Waits for switches at `target`."""

    def __init__(self) -> None:
        mend_parser()
        parse_late()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cfg.CONF([], project="test")
        cfg.CONF.set_override("ofp_listen_host", "127.0.0.1")
        cfg.CONF.set_override("ofp_tcp_listen_port", port)
        self.target = f"tcp:127.0.0.1:{port}"
        self._versions = set(ofproto_protocol._supported_versions)  # os-ken narrows it to those of the application
        self._manager = AppManager()
        handler = self._manager.instantiate(OFPHandler)
        self._app = self._manager.instantiate(Tiny)
        self._app.start()
        handler.set_main_thread(handler.start())
        hub.sleep(0)  # now it listens

    def switch(self) -> Switch:
        """The next bridge that connects."""
        found: Switch = self._app.up.get(timeout=PATIENCE_S)
        return found

    def gone(self) -> Switch:
        """The next bridge whose connection ends."""
        found: Switch = self._app.down.get(timeout=PATIENCE_S)
        return found

    def nobody_waits(self) -> bool:
        """Whether all that came and went was asked for."""
        return bool(self._app.up.empty() and self._app.down.empty())

    def stop(self) -> None:
        self._manager.close()
        ofproto_protocol._supported_versions = self._versions
