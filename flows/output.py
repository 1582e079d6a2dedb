"""OUTPUT: the last table. What a container receives counts against its meter, then the packet leaves.

| match                    | actions                           |
|--------------------------|-----------------------------------|
| out=port, with `down`    | meter of down, output to out      |
| other                    | output to out                     |
"""

from collections.abc import Iterator

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import OUT
from flows.flow import Flow, Meter, OutputBy, flow
from flows.intent import Intent
from flows.model import Endpoint, Host
from flows.table import Priority, Table


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """One flow for those without a rate down."""
    yield flow(Table.OUTPUT, Priority.MISS, (), (OutputBy(OUT),), pack(Feature.OUTPUT, PIPELINE))


def of_local(endpoint: Endpoint) -> Iterator[Flow]:
    """One flow, if it has a rate down.

    The meter is found by the port, so it is the port's own: an endpoint behind a joined bridge has none.
    """
    if endpoint.down_kbps is not None:
        yield flow(
            Table.OUTPUT,
            Priority.NORMAL,
            (OUT(endpoint.ofport),),
            (Meter(endpoint.down_meter), OutputBy(OUT)),
            pack(Feature.OUTPUT, endpoint.owner),
        )
