"""What is answered to a question about a name: pure, bytes in and bytes out, in DNS's own format (RFC 1035).

What dnspython raises cannot be caught by its class: eventlet, which Open vSwitch's library imports, makes a second set
of dnspython's modules. So whatever it raises means that the bytes were not what they should be.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from dns import flags, message, rcode, rdataclass, rdatatype, rrset

TTL_S = 5  # an address may soon be another's
UDP_SIZE = 512  # bytes, of an answer to one who does not say how much he takes (RFC 1035, 4.2.1)
MOST_UDP_SIZE = 4096  # bytes, to one who says more (RFC 6891, 6.2.5)

VERSIONS = {rdatatype.A: 4, rdatatype.AAAA: 6}

Names = Mapping[str, Sequence[IPv4Address | IPv6Address]]  # in lower case


def question(wire: bytes) -> message.QueryMessage | None:
    """The question that this is; None if it is none, or not one that can be answered."""
    try:
        asked = message.from_wire(wire)
    except Exception:
        return None
    if not isinstance(asked, message.QueryMessage) or asked.flags & flags.QR or len(asked.question) != 1:
        return None
    return asked


def known(asked: message.QueryMessage, names: Names) -> message.Message | None:
    """The answer out of these names; None if it is not one of them. One without IPv6 has no address there: no error."""
    (about,) = asked.question
    addresses = names.get(about.name.to_text(omit_final_dot=True).lower())
    if addresses is None or about.rdclass != rdataclass.IN:
        return None
    found = message.make_response(asked, recursion_available=True)
    found.flags |= flags.AA
    fitting = [str(address) for address in addresses if address.version == VERSIONS.get(about.rdtype)]
    if fitting:
        found.answer.append(rrset.from_text(about.name, TTL_S, "IN", about.rdtype, *fitting))
    return found


def answer(asked: message.QueryMessage, wire: bytes) -> message.Message | None:
    """The answer to this question that somebody else gave; None if it is none."""
    try:
        said = message.from_wire(wire, ignore_trailing=True)
    except Exception:
        return None
    return said if asked.is_response(said) else None


def nobody(asked: message.QueryMessage) -> message.Message:
    """That nobody is called so, here or anywhere. It says nothing of how long, so nobody remembers it (RFC 2308, 5)."""
    found = message.make_response(asked, recursion_available=True)
    found.flags |= flags.AA
    found.set_rcode(rcode.NXDOMAIN)
    return found


def failed(asked: message.QueryMessage) -> message.Message:
    """That nobody could be asked."""
    found = message.make_response(asked, recursion_available=True)
    found.set_rcode(rcode.SERVFAIL)
    return found


def datagram(asked: message.QueryMessage, answer: message.Message) -> bytes:
    """The answer as whoever asked takes it; if it is too long only that it is: then it is asked for over TCP."""
    try:
        return answer.to_wire(max_size=min(max(UDP_SIZE, asked.payload), MOST_UDP_SIZE))
    except Exception:  # TooBig
        short = message.make_response(asked, recursion_available=True)
        short.flags |= flags.TC
        return short.to_wire()
