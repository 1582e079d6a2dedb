"""Our bytes are those of os-ken, which are those of the standard. What a switch makes of them: tests/system."""

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from os_ken.ofproto import nicira_ext, ofproto_parser, ofproto_protocol
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.openflow import codec, messages
from app.openflow.codec import Command, flow_from, flow_mod
from app.openflow.flow_desc import LateFlowDesc
from app.openflow.messages import BundleCommand, MeterCommand
from flows.cookie import MAGIC_MASK, Feature, pack
from flows.fields import ARP_OP, ARP_TPA, ETH_ARP, ETH_DST, ETH_SRC, IN_PORT, OUT, SEGMENT, SENDER, TUN_ID
from flows.flow import Flow, Goto, Meter, MeterEntry, Move, Output, OutputBy, Set, flow
from flows.table import Table

DP = ofproto_protocol.ProtocolDesc(ofp.OFP_VERSION)
COOKIE = pack(Feature.L2, 7)
XID = 77


def osken_bytes(msg: Any) -> bytes:
    msg.set_xid(XID)
    msg.serialize()
    return bytes(msg.buf)


def apply(*actions: Any) -> Any:
    return parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, list(actions))


def osken_add(table: Table, priority: int, match: dict[str, Any], *instructions: Any) -> Any:
    return parser.OFPFlowMod(
        DP, COOKIE, 0, table, ofp.OFPFC_ADD, 0, 0, priority, ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0,
        parser.OFPMatch(_ordered_fields=list(match.items())), list(instructions),
    )  # fmt: skip


WHOLE = nicira_ext.ofs_nbits(0, 31)
SAME = [
    (
        flow(Table.L2_LOOKUP, 0, (), (), COOKIE),
        osken_add(Table.L2_LOOKUP, 0, {}),
    ),
    (
        flow(Table.CLASSIFY, 100, (IN_PORT(3),), (Set(SEGMENT, 10), Goto(Table.SPOOF_GUARD)), COOKIE),
        osken_add(
            Table.CLASSIFY, 100, {"in_port": 3},
            apply(parser.OFPActionSetField(reg0=10)), parser.OFPInstructionGotoTable(Table.SPOOF_GUARD),
        ),
    ),
    (
        flow(Table.CLASSIFY, 100, (TUN_ID(5),), (Move(TUN_ID, SEGMENT, 32), Output(7)), COOKIE),
        osken_add(
            Table.CLASSIFY, 100, {"tunnel_id": 5},
            apply(parser.OFPActionCopyField(32, 0, 0, ["tunnel_id", "reg0"]), parser.OFPActionOutput(7, 0)),
        ),
    ),
    (
        flow(Table.OUTPUT, 1, (SENDER(0xFF00, 0xFF00),), (Meter(9), OutputBy(OUT)), COOKIE),
        osken_add(
            Table.OUTPUT, 1, {"reg1": (0xFF00, 0xFF00)},
            apply(parser.OFPActionMeter(9), parser.NXActionOutputReg(WHOLE, "reg3", 0)),
        ),
    ),
    (
        flow(Table.ARP_RESPONDER, 1, (ETH_ARP, ARP_OP(1), ARP_TPA(10 << 24 | 1)), (Set(ETH_SRC, 2 << 40 | 1),), COOKIE),
        osken_add(
            Table.ARP_RESPONDER, 1, {"eth_type": 0x0806, "arp_op": 1, "arp_tpa": "10.0.0.1"},
            apply(parser.OFPActionSetField(eth_src="02:00:00:00:00:01")),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "osken"), SAME)
def test_a_flow_mod_is_what_osken_makes(ours: Flow, osken: Any) -> None:
    assert flow_mod(ours, Command.ADD, XID) == osken_bytes(osken)


def test_a_part_of_a_bundle_is_what_osken_makes() -> None:
    ours, osken = SAME[1]
    flags = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED

    assert messages.bundle_add(4, ours, Command.ADD, XID) == osken_bytes(
        parser.OFPBundleAddMsg(DP, 4, flags, osken, [])
    )
    assert messages.bundle_control(4, BundleCommand.COMMIT, XID) == osken_bytes(
        parser.OFPBundleCtrlMsg(DP, 4, ofp.OFPBCT_COMMIT_REQUEST, flags, [])
    )


def test_a_deletion_is_strict_and_only_of_ours() -> None:
    ours = flow(Table.L2_LOOKUP, 5, (SEGMENT(1),), (Output(1),), COOKIE)
    osken = osken_add(Table.L2_LOOKUP, 5, {"reg0": 1})
    osken.command, osken.cookie, osken.cookie_mask = ofp.OFPFC_DELETE_STRICT, COOKIE & MAGIC_MASK, MAGIC_MASK

    assert flow_mod(ours, Command.DELETE, XID) == osken_bytes(osken)


def test_meters_are_what_osken_makes() -> None:
    flags = ofp.OFPMF_KBPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS
    band = parser.OFPMeterBandDrop(rate=1000, burst_size=600)

    assert messages.meter_mod(MeterEntry(3, 1000, 600), MeterCommand.MODIFY, XID) == osken_bytes(
        parser.OFPMeterMod(DP, ofp.OFPMC_MODIFY, flags, 3, [band])
    )
    assert messages.meters_request(XID) == osken_bytes(parser.OFPMeterDescStatsRequest(DP, 0, ofp.OFPM_ALL))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (messages.flows_request, parser.OFPFlowDescStatsRequest),
        (messages.count_request, parser.OFPAggregateStatsRequest),
    ],
)
def test_requests_are_what_osken_makes(make: Any, kind: Any) -> None:
    osken = kind(DP, 0, 60, ofp.OFPP_ANY, ofp.OFPG_ANY, COOKIE, MAGIC_MASK, parser.OFPMatch())

    assert make(60, COOKIE, MAGIC_MASK, XID) == osken_bytes(osken)
    assert make(None, 0, 0, XID) == osken_bytes(
        kind(DP, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, parser.OFPMatch())
    )


def test_a_goto_that_is_not_last_is_refused() -> None:
    with pytest.raises(ValueError, match="last action"):
        flow_mod(flow(Table.CLASSIFY, 1, (), (Goto(Table.FLOOD), Output(1)), COOKIE), Command.ADD, XID)


def desc(
    cookie: int,
    match: bytes,
    instructions: bytes,
    *,
    table: int = 60,
    priority: int = 5,
    idle: int = 0,
    counters: bytes = b"",
) -> bytes:
    """An ofp_flow_desc. `match`: the OXM bytes; `counters`: a multiple of 8 bytes."""
    length = 4 + len(match)
    stats = struct.pack("!HH", 0, 4 + len(counters)) + counters + bytes(4)
    body = struct.pack("!HH", 1, length) + match + bytes(-length % 8) + stats + instructions
    head = struct.pack("!H2xBxHHHHHQ", ofp.OFP_FLOW_DESC_0_SIZE + len(body), table, priority, idle, 0, 0, 0, cookie)
    return head + body


GOTO = struct.pack("!HHB3x", 1, 8, 90)
REG0 = bytes.fromhex("000100040000000a")
XREG0_UPPER = bytes.fromhex("800101100000000a00000000ffffffff00000000")
XREG0_BOTH = bytes.fromhex("800101100000000a0000000cffffffff0000000f")
TCP_DST = bytes.fromhex("80001c020050")
DEC_TTL = struct.pack("!HH4xHH4x", 4, 16, 24, 8)


@pytest.mark.parametrize(
    ("match", "terms"),
    [
        (REG0, (SEGMENT(10),)),
        (XREG0_UPPER, (SEGMENT(10),)),
        (XREG0_BOTH, (SEGMENT(10), SENDER(12, 15))),
    ],
)
def test_registers_are_read_as_the_switch_pairs_them(match: bytes, terms: tuple[Any, ...]) -> None:
    assert flow_from(desc(COOKIE, match, GOTO)) == flow(Table.L2_LOOKUP, 5, terms, (Goto(Table.OUTPUT),), COOKIE)


@pytest.mark.parametrize(
    "entry",
    [
        desc(0x1234, REG0, GOTO),  # another's cookie
        desc(COOKIE, TCP_DST, GOTO),  # a field that we do not use
        desc(COOKIE, REG0, GOTO, table=61),  # a table that we do not have
        desc(COOKIE, bytes.fromhex("80010408") + bytes(8), GOTO),  # reg4 and reg5
    ],
)
def test_what_is_no_flow_of_ours(entry: bytes) -> None:
    assert flow_from(entry) is None


@pytest.mark.parametrize(
    "entry",
    [
        desc(COOKIE, REG0, DEC_TTL),
        desc(COOKIE, REG0, struct.pack("!HHB3x", 1, 8, 91)),  # goto to a table that we do not have
        desc(COOKIE, REG0, GOTO, idle=10),
    ],
)
def test_what_others_made_of_a_flow_of_ours_is_never_what_is_wanted(entry: bytes) -> None:
    assert flow_from(entry) == flow(Table.L2_LOOKUP, 5, (SEGMENT(10),), (), 0)


def test_entries_of_a_reply() -> None:
    one, two = desc(COOKIE, REG0, GOTO), desc(COOKIE, XREG0_BOTH, b"")

    assert list(codec.entries(bytes(ofp.OFP_MULTIPART_REPLY_SIZE) + one + two)) == [one, two]


def test_a_description_is_parsed_late_and_as_ever() -> None:
    entry = desc(COOKIE, REG0, GOTO)

    late, eager = LateFlowDesc.parser(b"...." + entry, 4), parser.OFPFlowDesc.parser(entry, 0)

    assert set(vars(late)) == {"length", "_raw"}
    assert late.instructions[0].table_id == 90
    assert {key: value for key, value in vars(late).items() if key != "_raw"}.keys() == vars(eager).keys()
    assert (late.cookie, late.match["reg0"], late.length) == (COOKIE, 10, len(entry))


def test_a_meter_of_another_making_is_never_what_is_wanted() -> None:
    band = SimpleNamespace(type=ofp.OFPMBT_DROP, rate=1000, burst_size=600)
    other = SimpleNamespace(meter_id=4, flags=ofp.OFPMF_PKTPS, bands=[band])

    assert messages.meter_from(other) == MeterEntry(4, 0, 0)


def test_errors_are_told_in_words() -> None:
    error = parser.OFPErrorMsg(DP, ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_BAD_TABLE_ID, data=b"")
    nicira = parser.OFPErrorExperimenterMsg(DP, exp_type=2300, experimenter=0x4F4E4600)

    assert messages.reason(error) == "flow mod failed: bad table id"
    assert messages.reason(nicira) == "error 2300 of experimenter 0x4f4e4600"
    assert ofproto_parser.header(osken_bytes(error))[1] == ofp.OFPT_ERROR


def test_the_bytes_of_many_flows_do_not_mix() -> None:
    wanted = [flow(Table.L2_LOOKUP, 1, (SEGMENT(n % 3), ETH_DST(n)), (Output(n % 5),), n) for n in range(100)]

    assert len({flow_mod(each, Command.ADD, XID) for each in wanted}) == 100
    assert [flow_mod(each, Command.ADD, XID) for each in wanted] == [
        flow_mod(each, Command.ADD, XID) for each in wanted
    ]
