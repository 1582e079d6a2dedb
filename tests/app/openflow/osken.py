"""Flows as os-ken's own classes write them: what our bytes are held against."""

from typing import Any

from os_ken.lib import type_desc
from os_ken.ofproto import nicira_ext, ofproto_protocol, oxm_fields
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from flows.fields import Field, Term
from flows.flow import Action, Flow, Goto, Meter, Move, Output, OutputBy, Set

DP = ofproto_protocol.ProtocolDesc(ofp.OFP_VERSION)
WHOLE_REGISTER = nicira_ext.ofs_nbits(0, 31)
NAMES = {
    "ip_src": "ipv4_src",
    "ip_dst": "ipv4_dst",
    "tun_id": "tunnel_id",
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
}
IN_WORDS = (
    *("eth_src", "eth_dst", "ip_src", "ip_dst", "ipv6_src", "ipv6_dst", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"),
    *("nd_target", "nd_sll", "nd_tll"),
)


class Ericsson(oxm_fields.OpenFlowBasic):  # type: ignore[misc]
    """A class of fields that Open vSwitch has, and os-ken does not know until now."""

    _class = 0x1000


if "nd_reserved" not in {known.name for known in ofp.oxm_types}:
    ofp.oxm_types += [Ericsson("nd_reserved", 1, type_desc.Int4), Ericsson("nd_options_type", 2, type_desc.Int1)]
    oxm_fields.generate(ofp.__name__)


def written(msg: Any, xid: int) -> bytes:
    """The message's bytes."""
    msg.set_xid(xid)
    msg.serialize()
    return bytes(msg.buf)


def flow_mod(flow: Flow) -> Any:
    """The message that adds it."""
    instructions = []
    if apply := [_action(action) for action in flow.actions if not isinstance(action, Goto)]:
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, apply))
    instructions += [parser.OFPInstructionGotoTable(last.table) for last in flow.actions if isinstance(last, Goto)]
    return parser.OFPFlowMod(
        DP, flow.cookie, 0, flow.table, ofp.OFPFC_ADD, 0, 0, flow.priority, ofp.OFP_NO_BUFFER, ofp.OFPP_ANY,
        ofp.OFPG_ANY, 0, 0, parser.OFPMatch(_ordered_fields=[_term(term) for term in flow.match]), instructions,
    )  # fmt: skip


def bundle_add(bundle: int, flow_mod: Any) -> Any:
    """The message as part of a bundle."""
    return parser.OFPBundleAddMsg(DP, bundle, ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED, flow_mod, [])


def _term(term: Term) -> tuple[str, Any]:
    value = _value(term.field, term.value)
    return _name(term.field), value if term.mask is None else (value, _value(term.field, term.mask))


def _action(action: Action) -> Any:
    match action:
        case Set(field, value):
            return parser.OFPActionSetField(**{_name(field): _value(field, value)})
        case Move(source, target, bits):
            return parser.OFPActionCopyField(bits, 0, 0, [_name(source), _name(target)])
        case Output(port):
            return parser.OFPActionOutput(port, 0)
        case OutputBy(register):
            return parser.NXActionOutputReg(WHOLE_REGISTER, _name(register), 0)
        case Meter(meter):
            return parser.OFPActionMeter(meter)
    raise AssertionError(f"{action} is no action for os-ken")


def _name(field: Field) -> str:
    return NAMES.get(field.name, field.name)


def _value(field: Field, value: int) -> Any:
    return field.show(value) if field.name in IN_WORDS else int(value)
