"""What the helpers use: the channel that app/wire.py describes."""

from contextlib import ExitStack
from itertools import chain
from typing import Literal

from pydantic import Field

from app.api.operation import Lines, Operation, Query, operation
from app.api.places import Places
from app.desk import Desk
from app.wire import (
    Admission,
    Admitted,
    Ask,
    Coming,
    Done,
    Event,
    HostName,
    HostUp,
    Lease,
    LeaseAsk,
    NetworkReport,
    Outcome,
    Release,
    Want,
    Welcome,
    Wire,
)

HOST_UP_LIMIT = 16 << 20  # bytes: some 40,000 endpoints


class Beat(Wire):
    """The stream is alive."""

    beat: Literal[True] = True


class InSession(Query):
    """Which session this belongs to; 409 if it is not the newest."""

    session: int = Field(description="The number that the answer to HostUp gave.")


def operations(desk: Desk, streams: int) -> list[Operation]:
    """What a helper asks; at most so many streams of wants at a time, so that they never take all places."""
    places = Places(
        streams,
        "Is a helper starting again and again? Else let the controller open more files (LimitNOFILE=, ulimit -n).",
    )

    def host_up(host: HostName, body: HostUp) -> Welcome:
        """A helper begins a session and says everything that the host has."""
        return desk.host_up(host, body)

    def host_wants(host: HostName, query: InSession) -> Lines[Want | Beat]:
        """What is wanted of the host: all that stands, then each change, and a beat every two seconds."""
        places.take()
        with ExitStack() as undo:
            undo.callback(places.free)
            wants = desk.wants(host, query.session)
            undo.callback(getattr(wants, "close", lambda: None))
            # The first is asked for here, so that a refusal (a stale session) is still an answer of its own.
            first = next(wants, None)
            lines = (Beat() if want is None else want for want in chain((first,), wants))
            return Lines(lines, undo.pop_all().close)

    def host_event(host: HostName, query: InSession, body: Event) -> Outcome:
        """Something came or went on the host."""
        return desk.heard(host, query.session, body)

    def host_done(host: HostName, query: InSession, body: Done) -> None:
        """A want stands, or could not be done."""
        desk.done(host, query.session, body)

    def host_admit(host: HostName, body: Ask) -> Admission:
        """Whether an endpoint may be, before anything is touched."""
        return desk.admit(host, body)

    def host_coming(host: HostName, query: InSession, body: Coming) -> Lines[Admitted | Outcome]:
        """An endpoint comes if it may: whether it may, and once its flows are in all switches concerned, that."""
        said = desk.come(host, query.session, body)
        first = next(said)  # here, so that a refusal is an answer of its own
        return Lines(chain((first,), said), lambda: None)

    def host_network(host: HostName, body: NetworkReport) -> None:
        """Whether Docker may have a network there, before it is made."""
        desk.admit_network(host, body)

    def host_lease(host: HostName, query: InSession, body: LeaseAsk) -> Lease:
        """Addresses that the host may hand out to Docker's containers by itself."""
        return desk.lease(host, query.session, body)

    def host_release(host: HostName, query: InSession, body: Release) -> None:
        """Addresses that the host gives back."""
        desk.release(host, query.session, body)

    return [
        operation("PUT", "/v1/hosts/{host}", host_up, limit=HOST_UP_LIMIT),
        operation("GET", "/v1/hosts/{host}/wants", host_wants),
        operation("POST", "/v1/hosts/{host}/events", host_event),
        operation("POST", "/v1/hosts/{host}/done", host_done),
        operation("POST", "/v1/hosts/{host}/admit", host_admit),
        operation("POST", "/v1/hosts/{host}/comings", host_coming),
        operation("POST", "/v1/hosts/{host}/networks", host_network),
        operation("POST", "/v1/hosts/{host}/leases", host_lease),
        operation("POST", "/v1/hosts/{host}/releases", host_release),
    ]
