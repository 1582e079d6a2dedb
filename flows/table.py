"""The pipeline's tables, in packet order, and the priorities within one.

Packets only move to a higher number. Gaps of ten leave room for what comes. Open vSwitch keeps tables 128 and up for
itself. The names are written into OVSDB (`Bridge.flow_tables`), so a dump of a live switch reads
`table=l2_lookup ... goto_table:output`.
"""

from enum import IntEnum


class Table(IntEnum):
    """One step of a packet's way through a bridge."""

    CLASSIFY = 0  # (in_port, eth_src) or tunnel key -> segment, sender, origin; nothing else
    SPOOF_GUARD = 10  # from an endpoint: only its own address, in IP and in ARP
    RATE_LIMIT = 20  # meter of the sender
    ARP_RESPONDER = 30  # who-has and neighbour solicitations for known endpoints are answered here
    ADVERTISE = 40  # what became of such a solicitation gets the one option that it could not get there
    COMPANY = 50  # from a tunnel: who sent it, where somebody here changes the segment together with him
    L2_LOOKUP = 60  # (segment, eth_dst) -> the port to it, or to the tunnel of the host that has it
    FLOOD = 70  # broadcast and multicast within the segment; never tunnel to tunnel
    OUTPUT = 90  # meter of the receiver, tunnel key, output
    MARKER = 120  # no packet comes here: one flow, which says what the bridge was given (flows.marker)

    @property
    def label(self) -> str:
        """The name that people and OVSDB see."""
        return self.name.lower()


class Priority(IntEnum):
    """Which of two flows of a table is asked first."""

    MISS = 0  # what no other flow of the table took
    NORMAL = 100
    SUSPECT = 150  # dropped, where NORMAL is to let more through than this
    EXCEPTION = 200  # decided before NORMAL
