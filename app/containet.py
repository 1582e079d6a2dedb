"""The shim between os-ken and the controller: events in, nothing decided. The one OSKenApp; imported by nobody.

`osken-manager app/containet.py` loads this file as the module `containet`.
"""

import gc
from typing import Any

from os_ken.base.app_manager import OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_5

from app import config
from app.api import stats
from app.api.server import serve
from app.openflow.connections import Connections
from app.openflow.flow_desc import parse_late
from app.openflow.mends import mend_parser
from app.owner import Owner
from app.store.sqlite import SqliteStore, StoreError

ANSWERS = [
    ofp_event.EventOFPErrorMsg,
    ofp_event.EventOFPBundleCtrlMsg,
    ofp_event.EventOFPRequestForward,
    *(getattr(ofp_event, name) for name in dir(ofp_event) if name.startswith("EventOFP") and name.endswith("Reply")),
]

config.register()


class Containet(OSKenApp):  # type: ignore[misc]
    """What os-ken starts, and tells what the switches say."""

    OFP_VERSIONS = [ofproto_v1_5.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mend_parser()
        parse_late()
        self._config = config.read()
        try:
            self._owner = Owner(self._config, SqliteStore(self._config.state))
        except StoreError as error:
            raise SystemExit(f"containet: {error}") from error
        self._connections = Connections(self._owner)

    def start(self) -> None:
        """Called by os-ken when all is loaded; OSError if the REST interface cannot have its port."""
        super().start()
        gc.set_threshold(*config.COLLECT)
        self._owner.start()
        serve(
            self._owner,
            self._config.wsapi_hosts,
            self._config.wsapi_port,
            [lambda app: stats.add_routes(app, lambda: self._owner.bridges)],
        )

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def on_state(self, ev: Any) -> None:
        """A bridge has shaken hands, or its connection ended."""
        if ev.state == MAIN_DISPATCHER:
            self._connections.connected(ev.datapath)
        else:
            self._connections.disconnected(ev.datapath)

    @set_ev_cls(ANSWERS, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def on_answer(self, ev: Any) -> None:
        """A bridge answered."""
        self._connections.received(ev.msg)
