"""RATE_LIMIT: what a container sends counts against its meter. And the meters of both directions.

| sender    | match  | actions                           |
|-----------|--------|-----------------------------------|
| with `up` | sender | meter of up, goto ARP_RESPONDER   |
| other     |        | goto ARP_RESPONDER                |

The meter is the law; the shaper on the host makes TCP smooth. Both have the same rate, so the meter sees a stream
that fits already and drops only what went around the shaper.
"""

from collections.abc import Iterator

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import SENDER
from flows.flow import Flow, Goto, Meter, MeterEntry, flow
from flows.intent import Intent
from flows.model import Endpoint, Host
from flows.table import Priority, Table

BURST_SECONDS_INVERSE = 10  # a bucket of 100 ms
LEAST_BURST_KBITS = 600  # 75 kB: more than one segment of 64 kB that the kernel has not cut yet


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """One flow for those without a rate up."""
    yield flow(Table.RATE_LIMIT, Priority.MISS, (), (Goto(Table.ARP_RESPONDER),), pack(Feature.RATE_LIMIT, PIPELINE))


def of_local(endpoint: Endpoint) -> Iterator[Flow]:
    """One flow, if it has a rate up."""
    if endpoint.up_kbps is not None:
        yield flow(
            Table.RATE_LIMIT,
            Priority.NORMAL,
            (SENDER(endpoint.owner),),
            (Meter(endpoint.up_meter), Goto(Table.ARP_RESPONDER)),
            pack(Feature.RATE_LIMIT, endpoint.owner),
        )


def meters(endpoint: Endpoint) -> Iterator[MeterEntry]:
    """One meter per rate."""
    for meter, rate in ((endpoint.up_meter, endpoint.up_kbps), (endpoint.down_meter, endpoint.down_kbps)):
        if rate is not None:
            yield MeterEntry(meter, rate, max(rate // BURST_SECONDS_INVERSE, LEAST_BURST_KBITS))
