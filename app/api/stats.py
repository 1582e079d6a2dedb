"""`/stats/...`: the read-only paths of Ryu's `ofctl_rest`, for the tools that Ryu's users have (docs/ryu.md).

The JSON is what Ryu gives for an OpenFlow 1.3 switch; the bridges are asked in OpenFlow 1.5 (app/ryu13). A bridge that
does not answer is a 504, one that is not connected a 404. What a bridge refuses to list (a meter that is not there) is
an empty list, as with Ryu; a filter that it refuses is a 400.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import falcon
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.api import body
from app.api.problems import App
from app.desk import RefusedError
from app.openflow.mends import mend_parser
from app.ryu13 import asked, flow_words, table_words, words
from app.ryu13.asked import FlowFilter

LARGEST_FILTER = 64 << 10  # bytes
PIECE = 10_000  # flows read at once: more, and a bridge on the userspace datapath loses packets meanwhile
COOKIE_BITS = 64
NO_ID = 0xFFFF  # OFPCID_UNDEFINED: this controller has no id at the bridge

Json = Any
Ids = Mapping[str, str]  # what stands in the path behind the dpid


class StatsSource(Protocol):
    """A connected bridge that can be asked."""

    @property
    def dp(self) -> Any:
        """os-ken's connection object."""

    def request(self, msg: Any) -> Sequence[Any]:
        """Send it, and give all parts of the reply, or the error; TimeoutError if the bridge is silent or gone."""


Switches = Callable[[], Mapping[int, StatsSource]]
Ask = Callable[[StatsSource, Ids], Json]
AskFlows = Callable[[StatsSource, FlowFilter], Json]


def add_routes(app: App, switches: Switches) -> None:
    """Serve `/stats` for the bridges that `switches` gives at the time, by dpid. Mends os-ken for it."""
    mend_parser()
    app.add_route("/stats/switches", _Switches(switches))
    for name, ask in ASKS.items():
        path = f"/stats/{name}/{{dpid}}"
        app.add_route(path, _Reading(switches, ask))
        for part in IDS.get(name, ()):
            path += f"/{{{part}}}"
            app.add_route(path, _Reading(switches, ask))
    for name, ask_flows in FLOW_ASKS.items():
        app.add_route(f"/stats/{name}/{{dpid}}", _FlowReading(switches, ask_flows))


class _Switches:
    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(self._switches())


class _Reading:
    def __init__(self, switches: Switches, ask: Ask) -> None:
        self._switches, self._ask = switches, ask

    def on_get(self, _: falcon.Request, resp: falcon.Response, dpid: str, **ids: str) -> None:
        number, source = _bridge(self._switches(), dpid)
        resp.media = {str(number): self._ask(source, ids)}


class _FlowReading:
    def __init__(self, switches: Switches, ask: AskFlows) -> None:
        self._switches, self._ask = switches, ask

    def on_get(self, req: falcon.Request, resp: falcon.Response, dpid: str) -> None:
        number, source = _bridge(self._switches(), dpid)
        wanted = asked.flow_filter(body.read(req, LARGEST_FILTER))
        resp.media = {str(number): self._ask(source, wanted)}

    on_post = on_get  # Ryu reads a filter from the body of either


def _bridge(switches: Mapping[int, StatsSource], dpid: str) -> tuple[int, StatsSource]:
    try:
        number = int(dpid, 0)
    except ValueError as error:
        raise asked.bad(
            f"“{dpid[:40]}” is not a dpid: write it in decimal, or in hexadecimal with “0x” before it."
        ) from error
    if number not in switches:
        connected = ", ".join(f"{n} ({n:#018x})" for n in sorted(switches)) or "none"
        raise RefusedError(404, "unknown-bridge", f"No bridge has connected as {dpid}. Connected: {connected}.")
    return number, switches[number]


def _replies(source: StatsSource, msg: Any) -> Iterator[Any]:
    """The parts of the reply, up to an error; others get their turn between two parts."""
    try:
        replies = source.request(msg)
    except TimeoutError as error:
        raise RefusedError(
            504, "bridge-silent", "The bridge did not answer in time, or is gone. Try again when it is connected."
        ) from error
    for reply in replies:
        yield reply
        hub.sleep(0)


def _entries(source: StatsSource, msg: Any) -> Iterator[Any]:
    for reply in _replies(source, msg):
        if not isinstance(reply, parser.OFPErrorMsg):
            yield from reply.body


def _bodies(source: StatsSource, msg: Any) -> Iterator[Any]:
    return (r.body for r in _replies(source, msg) if not isinstance(r, parser.OFPErrorMsg))


def _flow_replies(source: StatsSource, kind: type[Any], wanted: FlowFilter) -> Iterator[Any]:
    msg = kind(
        source.dp,
        0,
        wanted.table_id,
        wanted.out_port,
        wanted.out_group,
        wanted.cookie,
        wanted.cookie_mask,
        asked.match(wanted),
    )
    for reply in _replies(source, msg):
        if isinstance(reply, parser.OFPErrorMsg):
            raise asked.bad(
                f"The bridge refuses this filter: {ofp.ofp_error_code_to_str(reply.type, reply.code)}. A field needs "
                "those beside it that it builds on: nw_dst needs dl_type, tp_dst needs dl_type and nw_proto."
            )
        yield reply


def _aggregate(source: StatsSource, wanted: FlowFilter) -> list[Json]:
    return [flow_words.aggregate(r.body) for r in _flow_replies(source, parser.OFPAggregateStatsRequest, wanted)]


def _flows(source: StatsSource, wanted: FlowFilter) -> list[Json]:
    return [
        flow
        for piece in _pieces(source, wanted)
        for reply in _flow_replies(source, parser.OFPFlowDescStatsRequest, piece)
        for flow in flow_words.flows(reply.body, wanted.priority)
    ]


def _pieces(source: StatsSource, wanted: FlowFilter) -> Iterator[FlowFilter]:
    """The filter cut in two by the lowest bit of the cookie that is still free, until no piece is too big."""
    free = next((1 << n for n in range(COOKIE_BITS) if not wanted.cookie_mask >> n & 1), 0)
    if not free or sum(part["flow_count"] for part in _aggregate(source, wanted)) <= PIECE:
        yield wanted
        return
    for bit in (0, free):
        cookie = wanted.cookie & wanted.cookie_mask | bit
        yield from _pieces(source, replace(wanted, cookie=cookie, cookie_mask=wanted.cookie_mask | free))


def _desc(source: StatsSource, _: Ids) -> Json:
    return next((words.desc(found) for found in _bodies(source, parser.OFPDescStatsRequest(source.dp, 0))), {})


def _ports(source: StatsSource, ids: Ids) -> Json:
    port = asked.item("port", ids.get("port"), ofp.OFPP_ANY)
    return [words.port(e) for e in _entries(source, parser.OFPPortStatsRequest(source.dp, 0, port))]


def _port_descs(source: StatsSource, _: Ids) -> Json:
    # OpenFlow 1.3 cannot ask for one port; Ryu takes its number and lists them all.
    return [words.port_desc(e) for e in _entries(source, parser.OFPPortDescStatsRequest(source.dp, 0, ofp.OFPP_ANY))]


def _queues(source: StatsSource, ids: Ids) -> Json:
    port = asked.item("port", ids.get("port"), ofp.OFPP_ANY)
    queue = asked.item("queue_id", ids.get("queue_id"), ofp.OFPQ_ALL)
    return [words.queue(e) for e in _entries(source, parser.OFPQueueStatsRequest(source.dp, 0, port, queue))]


def _queue_configs(source: StatsSource, ids: Ids) -> Json:
    port = asked.item("port", ids.get("port"), ofp.OFPP_ANY)
    msg = parser.OFPQueueDescStatsRequest(source.dp, 0, port, ofp.OFPQ_ALL)
    found = list(_bodies(source, msg))
    return [words.queue_config([e for part in found for e in part], port)] if found else []


def _meters(source: StatsSource, ids: Ids) -> Json:
    meter = asked.item("meter_id", ids.get("meter_id"), ofp.OFPM_ALL)
    return [words.meter(e) for e in _entries(source, parser.OFPMeterStatsRequest(source.dp, 0, meter))]


def _meter_configs(source: StatsSource, ids: Ids) -> Json:
    meter = asked.item("meter_id", ids.get("meter_id"), ofp.OFPM_ALL)
    return [words.meter_config(e) for e in _entries(source, parser.OFPMeterDescStatsRequest(source.dp, 0, meter))]


def _meter_features(source: StatsSource, _: Ids) -> Json:
    return [words.meter_features(e) for e in _entries(source, parser.OFPMeterFeaturesStatsRequest(source.dp, 0))]


def _groups(source: StatsSource, ids: Ids) -> Json:
    group = asked.item("group_id", ids.get("group_id"), ofp.OFPG_ALL)
    return [words.group(e) for e in _entries(source, parser.OFPGroupStatsRequest(source.dp, 0, group))]


def _group_descs(source: StatsSource, _: Ids) -> Json:
    # As with ports: OpenFlow 1.3 cannot ask for one group.
    return [words.group_desc(e) for e in _entries(source, parser.OFPGroupDescStatsRequest(source.dp, 0, ofp.OFPG_ALL))]


def _group_features(source: StatsSource, _: Ids) -> Json:
    return [table_words.group_features(b) for b in _bodies(source, parser.OFPGroupFeaturesStatsRequest(source.dp, 0))]


def _tables(source: StatsSource, _: Ids) -> Json:
    return [table_words.table(e) for e in _entries(source, parser.OFPTableStatsRequest(source.dp, 0))]


def _table_features(source: StatsSource, _: Ids) -> Json:
    return [
        table_words.table_features(e) for e in _entries(source, parser.OFPTableFeaturesStatsRequest(source.dp, 0, []))
    ]


def _role(source: StatsSource, _: Ids) -> Json:
    msg = parser.OFPRoleRequest(source.dp, ofp.OFPCR_ROLE_NOCHANGE, NO_ID, 0)
    return [words.role(reply) for reply in _replies(source, msg) if not isinstance(reply, parser.OFPErrorMsg)]


def _not_in_13(instead: str) -> Ask:
    def ask(_source: StatsSource, _: Ids) -> Json:
        raise RefusedError(501, "not-in-openflow-1.3", f"Ryu has this for OpenFlow 1.4 and up only: ask {instead}.")

    return ask


FLOW_ASKS: Mapping[str, AskFlows] = {
    "flow": _flows,
    "flowdesc": _flows,  # Ryu answers both alike
    "aggregateflow": _aggregate,
}
ASKS: Mapping[str, Ask] = {
    "desc": _desc,
    "table": _tables,
    "tablefeatures": _table_features,
    "port": _ports,
    "portdesc": _port_descs,
    "queue": _queues,
    "queueconfig": _queue_configs,
    "queuedesc": _not_in_13("/stats/queueconfig"),
    "meter": _meters,
    "meterconfig": _meter_configs,
    "meterdesc": _not_in_13("/stats/meterconfig"),
    "meterfeatures": _meter_features,
    "group": _groups,
    "groupdesc": _group_descs,
    "groupfeatures": _group_features,
    "role": _role,
}
IDS: Mapping[str, Sequence[str]] = {  # what may stand behind the dpid, each only behind the one before
    "port": ("port",),
    "portdesc": ("port_no",),
    "queue": ("port", "queue_id"),
    "queueconfig": ("port",),
    "queuedesc": ("port", "queue"),
    "meter": ("meter_id",),
    "meterconfig": ("meter_id",),
    "meterdesc": ("meter_id",),
    "group": ("group_id",),
    "groupdesc": ("group_id",),
}
