"""Flows with every action and every field, as Open vSwitch takes them and gives them back."""

from hypothesis import strategies as st

from flows.cookie import Feature, pack
from flows.diff import Parts, Plan
from flows.fields import (
    ARP_OP,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_ARP,
    ETH_DST,
    ETH_IPV4,
    ETH_IPV6,
    ETH_SRC,
    ETH_TYPE,
    ICMPV6_TYPE,
    IN_PORT,
    IP_ICMPV6,
    IPV4_SRC,
    IPV6_DST,
    IPV6_SRC,
    ND_OPTIONS_TYPE,
    ND_RESERVED,
    ND_SLL,
    ND_TARGET,
    ND_TLL,
    ORIGIN,
    OUT,
    SEGMENT,
    SENDER,
    TUN_ID,
    Field,
    Term,
)
from flows.flow import IN_PORT_NUMBER, Action, Flow, Goto, Meter, MeterEntry, Move, Output, OutputBy, Set, flow
from flows.pipeline import FlowConflictError
from flows.table import Table

METERS = (MeterEntry(1, 1000, 600), MeterEntry(2, 10_000, 1000))
ANYTHING = (IN_PORT, ETH_SRC, ETH_DST, TUN_ID, SEGMENT, SENDER, ORIGIN, OUT)
SOLICITATION = (ETH_IPV6, IP_ICMPV6, ICMPV6_TYPE(135))
ADVERTISEMENT = (ETH_IPV6, IP_ICMPV6, ICMPV6_TYPE(136))
OF_KIND: dict[tuple[Term, ...], tuple[Field, ...]] = {
    (): (),
    (ETH_IPV4,): (IPV4_SRC,),
    (ETH_IPV6,): (IPV6_SRC, IPV6_DST),
    SOLICITATION: (IPV6_SRC, IPV6_DST, ND_TARGET, ND_SLL),
    ADVERTISEMENT: (IPV6_SRC, IPV6_DST, ND_TARGET, ND_TLL),
    (ETH_ARP,): (ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA),
    (ETH_TYPE(0x88CC),): (),
}
UNMASKED = (IN_PORT, ARP_OP)  # ovs-fields(7)
SETTABLE = (ETH_SRC, ETH_DST, TUN_ID, SEGMENT, SENDER, ORIGIN, OUT)
REGISTERS = (SEGMENT, SENDER, ORIGIN, OUT)
HIGHEST_OFPORT = 0xFEFF  # of 16 bits, as Open vSwitch has them inside
ALSO_SETTABLE: dict[tuple[Term, ...], tuple[Field, ...]] = {
    (ETH_ARP,): (ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA),
    (ETH_IPV6,): (IPV6_SRC, IPV6_DST),
    SOLICITATION: (IPV6_SRC, IPV6_DST, ICMPV6_TYPE, ND_TARGET, ND_SLL, ND_RESERVED, ND_OPTIONS_TYPE),
    ADVERTISEMENT: (IPV6_SRC, IPV6_DST, ICMPV6_TYPE, ND_TARGET, ND_TLL, ND_RESERVED, ND_OPTIONS_TYPE),
}


@st.composite
def terms(draw: st.DrawFn, field: Field) -> Term:
    full = (1 << field.bits) - 1
    most = HIGHEST_OFPORT if field == IN_PORT else 0xFF if field == ARP_OP else full
    value = draw(st.integers(1 if field == IN_PORT else 0, most))
    if field in UNMASKED or draw(st.booleans()):
        return field(value)
    mask = draw(st.integers(1, full - 1))
    return field(value & mask, mask)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    table = draw(st.sampled_from([table for table in Table if table is not Table.MARKER]))
    kind = draw(st.sampled_from(list(OF_KIND)))
    fields = draw(st.sets(st.sampled_from(ANYTHING + OF_KIND[kind])))
    match = [draw(terms(field)) for field in sorted(fields)] + list(kind)
    settable = SETTABLE + ALSO_SETTABLE.get(kind, ())
    actions: list[Action] = [Meter(draw(st.sampled_from(METERS)).meter)] if draw(st.booleans()) else []
    for what in draw(st.lists(st.sampled_from((Set, Move, Output, OutputBy)), max_size=5)):
        if what is Set:
            field = draw(st.sampled_from(settable))
            most = 0xFF if field == ARP_OP else (1 << field.bits) - 1
            actions.append(Set(field, draw(st.integers(0, most))))
        elif what is Move:
            source, target = draw(st.sampled_from(settable)), draw(st.sampled_from(settable))
            actions.append(Move(source, target, draw(st.integers(1, min(source.bits, target.bits)))))
        elif what is Output:
            actions.append(Output(draw(st.sampled_from((1, 2, 3, 4, IN_PORT_NUMBER)))))
        else:
            actions.append(OutputBy(draw(st.sampled_from(REGISTERS))))
    later = [other for other in Table if table < other < Table.MARKER]
    if draw(st.booleans()) and later:
        actions.append(Goto(draw(st.sampled_from(later))))
    cookie = pack(draw(st.sampled_from(Feature)), draw(st.integers(0, (1 << 48) - 1)))
    return flow(table, draw(st.integers(0, 0xFFFF)), match, actions, cookie)


def parted(change: Plan, breaks_at: int | None = None) -> Parts[str]:
    """The change three flows at a time, with places to wait; what it returns."""
    yield Plan(add_meters=change.add_meters, change_meters=change.change_meters)
    for start in range(0, len(change.add), 3):
        if breaks_at is not None and start >= breaks_at:
            raise FlowConflictError("two flows")
        yield None
        yield Plan(add=change.add[start : start + 3])
    yield Plan(delete=change.delete)
    yield Plan(delete_meters=change.delete_meters, mark=change.mark)
    return "made out"
