"""What tables and groups can do, from OFPMP_TABLE_FEATURES and OFPMP_GROUP_FEATURES of OpenFlow 1.5.

What only 1.5 has (copying fields, packet types, tables in step) is left out. A meter is an action in 1.5 and an
instruction in 1.3; Open vSwitch lists it in 1.3 wherever actions can be applied, so it is listed there.
"""

from collections.abc import Mapping
from typing import Any

from os_ken.lib import ofctl_v1_3
from os_ken.ofproto import ofproto_v1_3 as ofp13
from os_ken.ofproto import ofproto_v1_5 as ofp15

from app.ryu13.flow_words import Json
from app.ryu13.words import GROUP_TYPES, flags, pick

ID_BYTES = 4  # of an instruction's or an action's id
TABLE = ("active_count", "lookup_count", "matched_count")
FEATURES = ("metadata_match", "metadata_write", "max_entries")
GROUP_ABILITIES = {
    ofp15.OFPGFC_SELECT_WEIGHT: "SELECT_WEIGHT",
    ofp15.OFPGFC_SELECT_LIVENESS: "SELECT_LIVENESS",
    ofp15.OFPGFC_CHAINING: "CHAINING",
    ofp15.OFPGFC_CHAINING_CHECKS: "CHAINING_CHECKS",
}
OTHER_HEADERS = {  # fields whose header differs in 1.3: os-ken's name for that, and the bytes it is longer
    "packet_type": ("field_4194348", 0),
    "actset_output": ("field_8388523", 4),
    "tcp_flags": ("field_8388522", 4),
}


def _names(prefix: str) -> Mapping[int, str]:
    return {number: name.removeprefix(prefix) for name, number in vars(ofp13).items() if name.startswith(prefix)}


PROPERTIES = _names("OFPTFPT_")
ACTIONS = {number: name for number, name in _names("OFPAT_").items() if name != "EXPERIMENTER"}


def table(entry: Any) -> Json:
    """A table's counters."""
    return {**pick(entry, TABLE), "table_id": ofctl_v1_3.UTIL.ofp_table_to_user(entry.table_id)}


def table_features(entry: Any) -> Json:
    """What a table can do."""
    return {
        "name": entry.name.decode("utf-8", "replace"),
        **pick(entry, FEATURES),
        "config": entry.capabilities,
        "properties": [_property(p) for p in entry.properties if p.type in PROPERTIES],
        "table_id": ofctl_v1_3.UTIL.ofp_table_to_user(entry.table_id),
    }


def _property(entry: Any) -> Json:
    words: Json = {"type": PROPERTIES[entry.type]}
    if hasattr(entry, "instruction_ids"):
        kinds = [i.type for i in entry.instruction_ids]
        if ofp13.OFPIT_APPLY_ACTIONS in kinds:
            kinds.append(ofp13.OFPIT_METER)
        words["instruction_ids"] = [_id(kind) for kind in kinds]
    elif hasattr(entry, "table_ids"):
        words["table_ids"] = list(entry.table_ids)
    elif hasattr(entry, "action_ids"):
        words["action_ids"] = [_id(i.type) for i in entry.action_ids if i.type in ACTIONS]
    elif hasattr(entry, "oxm_ids"):
        words["oxm_ids"] = [_field(i) for i in entry.oxm_ids]
    return words


def _field(entry: Any) -> Json:
    name, longer = OTHER_HEADERS.get(entry.type, (entry.type, 0))
    return {"hasmask": entry.hasmask, "length": entry.length + longer, "type": name}


def _id(kind: int) -> Json:
    return {"len": ID_BYTES, "type": kind}


def group_features(body: Any) -> Json:
    """What groups the bridge can do."""
    return {
        "types": [name for kind, name in GROUP_TYPES.items() if body.types & 1 << kind],
        "capabilities": flags(body.capabilities, GROUP_ABILITIES),
        "max_groups": [{name: body.max_groups[kind]} for kind, name in GROUP_TYPES.items()],
        "actions": [
            {name: [word for number, word in ACTIONS.items() if body.actions[kind] & 1 << number]}
            for kind, name in GROUP_TYPES.items()
        ],
    }
