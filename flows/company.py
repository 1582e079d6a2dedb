"""COMPANY: those who change their segment together hear each other in both, and nobody else in the one they are not in.

Switches do not learn of a change in the same moment. What one sends by the new policy another gets that has the old
one, and the other way round. So each bridge lets in, from a tunnel and in the other segment of a company, what one
member sends to another:

| table     | match                                          | actions                                  |
|-----------|------------------------------------------------|------------------------------------------|
| COMPANY   | the other segment, eth_src of a member         | company=its number, goto L2_LOOKUP       |
| COMPANY   | other                                          | goto L2_LOOKUP                           |
| L2_LOOKUP | that segment, company, eth_dst of a member here| out=its port, goto OUTPUT                |
| L2_LOOKUP | that segment, company, broadcast or multicast  | every member's port here, goto FLOOD     |

That a MAC is its sender's own was seen to where the packet came from. Those of one bridge learn of a change together:
where all of a company are on one there are no such flows, and none go into a tunnel.
"""

from collections.abc import Collection, Iterator

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import COMPANY, ETH_DST, ETH_SRC, MULTICAST, OUT, within
from flows.flow import Flow, Goto, Output, Set, flow
from flows.intent import Intent
from flows.model import Endpoint, Host, Role, on_one_host
from flows.table import Priority, Table

ON = Goto(Table.L2_LOOKUP)


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """One flow for what no member sent."""
    yield flow(Table.COMPANY, Priority.MISS, (), (ON,), pack(Feature.COMPANY, PIPELINE))


def of_company(intent: Intent, number: int, host: Host) -> Iterator[Flow]:
    """One flow for each member, and one more; none if all are here."""
    company = intent.companies[number]
    if on_one_host(company.members):
        return
    members = [intent.endpoints[key] for key in company.members]
    here = [member for member in members if member.key.host == host.name and member.role is not Role.RESOLVER]
    own = members[0].segment
    for segment in company.segments - {own}:
        for member in here:
            yield _to_one(segment, number, member)
        # A port of a joined bridge that somebody of that segment shares has its copy from FLOOD.
        flooded = {other.ofport for other in intent.members.get(segment, {}).get(host.name, ())}
        ports = {member.ofport for member in here} - flooded
        # The owner is the network that they are in: that of the other segment may be gone.
        yield _to_all(segment, number, ports, intent.networks[own].owner)
        for member in members:
            # What every host has speaks with one MAC everywhere, so the one that is here stands for all.
            if (member.key.host == host.name) == member.role.everywhere:
                yield _from(segment, number, member)


def _from(segment: int, number: int, member: Endpoint) -> Flow:
    return flow(
        Table.COMPANY,
        Priority.NORMAL,
        (within(segment), ETH_SRC(member.mac)),
        (Set(COMPANY, number), ON),
        pack(Feature.COMPANY, member.owner),
    )


def _to_one(segment: int, number: int, member: Endpoint) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.NORMAL,
        (within(segment), COMPANY(number), ETH_DST(member.mac)),
        (Set(OUT, member.ofport), Goto(Table.OUTPUT)),
        pack(Feature.COMPANY, member.owner),
    )


def _to_all(segment: int, number: int, ports: Collection[int], owner: int) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.EXCEPTION,
        (within(segment), COMPANY(number), MULTICAST),
        (*map(Output, sorted(ports)), Goto(Table.FLOOD)),
        pack(Feature.COMPANY, owner),
    )
