"""Flows: what `/stats/flow` and `/stats/aggregateflow` say, from OFPMP_FLOW_DESC and OFPMP_AGGREGATE_STATS of 1.5."""

from collections.abc import Iterable, Iterator
from typing import Any

from os_ken.lib import ofctl_v1_3

from app.ryu13 import lowered

Json = dict[str, Any]

FLOW_HEADER_BYTES = 48  # of OpenFlow 1.3's ofp_flow_stats, before the match
AGGREGATE = ("packet_count", "byte_count", "flow_count")


def flow(entry: Any) -> Json:
    """One flow entry. `length` is what the entry would take in OpenFlow 1.3, in bytes."""
    instructions = lowered.instructions(entry.instructions)
    match = lowered.match(entry.match)
    counted = dict(entry.stats.fields)
    seconds, nanoseconds = counted["duration"]
    return {
        "priority": entry.priority,
        "cookie": entry.cookie,
        "idle_timeout": entry.idle_timeout,
        "hard_timeout": entry.hard_timeout,
        "byte_count": counted["byte_count"],
        "duration_sec": seconds,
        "duration_nsec": nanoseconds,
        "packet_count": counted["packet_count"],
        "length": FLOW_HEADER_BYTES + match.serialize(bytearray(), 0) + sum(i.len for i in instructions),
        "flags": entry.flags,
        "actions": ofctl_v1_3.actions_to_str(instructions),
        "match": ofctl_v1_3.match_to_str(match),
        "table_id": ofctl_v1_3.UTIL.ofp_table_to_user(entry.table_id),
    }


def flows(entries: Iterable[Any], priority: int | None = None) -> Iterator[Json]:
    """Those flow entries, or those of one priority: OpenFlow has no such filter, Ryu has."""
    return (flow(entry) for entry in entries if priority is None or entry.priority == priority)


def aggregate(body: Any) -> Json:
    """The sums over the flows that were asked for."""
    counted = dict(body.stats.fields)
    return {key: counted[key] for key in AGGREGATE}


def actions(these: Iterable[Any]) -> list[str]:
    """The actions of a group's bucket."""
    return [ofctl_v1_3.action_to_str(action) for action in lowered.actions(these)]
