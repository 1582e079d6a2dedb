"""What happened, once as a list, or as it comes as a stream of server-sent events (HTML Living Standard, 9.2)."""

from pydantic import Field, TypeAdapter

from app.api.operation import Lines, Operation, Query, operation
from app.api.places import Places
from app.desk import Desk, Happening
from app.wire import HostName

EVENT_STREAM = "text/event-stream"
MOST_NUMBER = 1 << 62


class EventFilter(Query):
    """Which events; all that is said must hold."""

    since: int | None = Field(None, ge=0, le=MOST_NUMBER, description="Those after the event of this number.")
    host: HostName | None = Field(None, description="Those of this host.")


def operations(desk: Desk, followers: int) -> list[Operation]:
    """What is asked about events; so many may follow at a time."""
    places = Places(followers, "Ask without following (GET /v1/events?since=NUMBER), or end one who follows.")

    def follow_events(query: EventFilter) -> Lines[Happening | None]:
        """The events that are kept, then what comes."""
        places.take()
        return Lines(desk.follow_events(query.since, query.host), places.free)

    def list_events(query: EventFilter) -> list[Happening]:
        """What happened: drift and its repair, refusals, who came and went. The last 1,000, oldest first."""
        return list(desk.events(query.since, query.host))

    stream = operation("GET", "/v1/events", follow_events, writers={EVENT_STREAM: _write}, resumes="since")
    return [operation("GET", "/v1/events", list_events, stream=stream)]


_ADAPTER = TypeAdapter(Happening)


def _write(event: Happening | None) -> bytes:
    """One message, its last empty line left to the stream; a comment is the beat."""
    return b":\n" if event is None else b"id: %d\ndata: %s\n" % (event.number, _ADAPTER.dump_json(event))
