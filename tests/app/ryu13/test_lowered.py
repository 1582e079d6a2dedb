"""Laws of the way down to OpenFlow 1.3. What a real switch says is held against it in tests/system/test_stats.py."""

from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_5 as ofp
from os_ken.ofproto import ofproto_v1_5_parser as parser

from app.ryu13 import lowered

BITS_64 = st.integers(0, (1 << 64) - 1)
BITS_128 = st.integers(0, (1 << 128) - 1)


@given(BITS_128, BITS_128)
def test_the_loads_write_what_the_masked_field_wrote(bits: int, mask: int) -> None:
    bits &= mask
    loads = list(lowered.actions([parser.OFPActionSetField(xxreg0=(bits, mask))]))

    written = masked = 0
    for load in loads:
        start, width = load.ofs_nbits >> 6, (load.ofs_nbits & 0x3F) + 1
        assert load.value < 1 << width
        assert not masked & ((1 << width) - 1) << start
        masked |= ((1 << width) - 1) << start
        written |= load.value << start
    assert (written, masked) == (bits, mask)


@given(BITS_64, BITS_64)
def test_a_pair_of_registers_is_matched_as_the_two(bits: int, mask: int) -> None:
    bits &= mask
    match = lowered.match(parser.OFPMatch(_ordered_fields=[("xreg2", (bits, mask))]))

    halves = {name: value if isinstance(value, tuple) else (value, 0xFFFFFFFF) for name, value in match.items()}
    high, low = halves.get("reg4", (0, 0)), halves.get("reg5", (0, 0))
    assert (high[0] << 32 | low[0], high[1] << 32 | low[1]) == (bits, mask)


def test_a_meter_comes_first_and_leaves_no_empty_list_behind() -> None:
    applied = parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, [parser.OFPActionMeter(7)])
    goto = parser.OFPInstructionGotoTable(9)
    goto.len = 8

    meter, then = lowered.instructions([applied, goto])

    assert (meter.meter_id, meter.len) == (7, 8)
    assert then.table_id == 9


def test_actions_within_a_conntrack_action_go_down_too() -> None:
    inner = parser.OFPActionSetField(ct_mark=(1, 3))
    inner.len = 16
    outer = parser.NXActionCT(1, "", 0, 255, 0, [inner])
    outer.len = 40

    (lower,) = lowered.actions([outer])

    assert [type(action).__name__ for action in lower.actions] == ["NXActionRegLoad"]
    assert lower.len == 48
