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
from flows.model import Host, Intent
from flows.table import Priority, Table


def output_flows(intent: Intent, host: Host) -> Iterator[Flow]:
    """One flow per endpoint here that has a rate down, one for the others.

    The meter is found by the port, so it is the port's own: an endpoint behind a joined bridge has none.
    """
    yield flow(Table.OUTPUT, Priority.MISS, (), (OutputBy(OUT),), pack(Feature.OUTPUT, PIPELINE))
    for endpoint in intent.local.get(host.name, ()):
        if endpoint.down_kbps is not None:
            yield flow(
                Table.OUTPUT,
                Priority.NORMAL,
                (OUT(endpoint.ofport),),
                (Meter(endpoint.down_meter), OutputBy(OUT)),
                pack(Feature.OUTPUT, endpoint.owner),
            )
