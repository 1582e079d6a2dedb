"""What becomes an event, and in which words."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from app.desk import Change, Kind
from app.events import Events
from app.openflow.monitor import Drifted, News, What

LOG = logging.getLogger(__name__)
TOLD_APART = 20  # changes by others on one host, until it was put right: of more only their number
NAMED = 5  # endpoints in one event


class Diary:
    """Writes events. `endpoint` names the endpoint that a flow with this cookie is there for, if it is for one."""

    def __init__(self, events: Events, endpoint: Callable[[int], str | None]) -> None:
        self._events = events
        self._endpoint = endpoint
        self._told: Counter[str] = Counter()  # host -> changes by others since it was put right
        self._uncounted: set[str] = set()  # hosts where more was changed than was told
        self._foreign: Counter[str] = Counter()  # host -> flows of others that people know of

    # Switches

    def switch(self, host: str, up: bool) -> None:
        """A host's switch connected, or its connection ended."""
        if up:
            self._foreign.pop(host, None)  # it is counted anew
            self._events.add(Kind.SWITCH_UP, "its Open vSwitch is connected", host)
        else:
            self._events.add(Kind.SWITCH_DOWN, "its Open vSwitch is not connected any more", host)

    def drift(self, host: str, news: News) -> bool:
        """Somebody else changed something in a switch; whether that has to be put right."""
        if not isinstance(news, Drifted):
            self._uncounted.add(host)
            self._write_drift(host, "more was changed by somebody else than the switch could tell: it is read anew")
            return True
        if news.ours:
            self._write_drift(host, news.words, news.cookie)
            return True
        if news.what in (What.ADDED, What.REMOVED):
            self._foreign[host] += 1 if news.what is What.ADDED else -1
        if news.what is not What.REMOVED and self._few(host):
            self._events.add(Kind.FOREIGN, news.words, host)
        return False

    def found(self, host: str, foreign: int) -> None:
        """A switch was read, and has so many flows of others."""
        if foreign > self._foreign[host]:
            which = "1 flow in its bridge is" if foreign == 1 else f"{foreign} flows in its bridge are"
            what = f"{which} not Containet's and may take packets away: see “containet flows”"
            self._events.add(Kind.FOREIGN, what, host)
        self._foreign[host] = foreign

    def differed(self, host: str, flows: int) -> None:
        """A switch has so many flows that are not what its marker says."""
        which = "1 flow was" if flows == 1 else f"{flows} flows were"
        self._write_drift(host, f"{which} changed by somebody else while the controller could not see it")

    def stood(self, host: str, changes: int) -> None:
        """A switch has what is wanted; so many changes of others were put right with that."""
        self._told.pop(host, None)
        if changes:
            number = f" ({changes} changes{' and more' if host in self._uncounted else ''})" if changes > 1 else ""
            self._events.add(Kind.REPAIRED, f"what was changed by somebody else stands again{number}", host)
        self._uncounted.discard(host)

    def whose(self, cookie: int) -> str | None:
        """The endpoint that a flow with this cookie is there for; None if it is for none."""
        return self._endpoint(cookie)

    def refused(self, host: str, why: str) -> None:
        """A switch or a helper did not take what is wanted."""
        self._events.add(Kind.REFUSED, why, host)

    # Helpers

    def helper_up(self, host: str, endpoints: int) -> None:
        """A helper said what its host has."""
        self._events.add(Kind.HELPER_UP, f"its helper is connected and reports {endpoints} endpoints", host)

    def helper_down(self, host: str) -> None:
        """A helper does not listen any more."""
        self._events.add(Kind.HELPER_DOWN, "its helper is not connected any more", host)

    def helper_drift(self, host: str, what: str, repaired: bool) -> None:
        """A helper found that somebody else changed something in OVSDB."""
        self._write_drift(host, what)
        if repaired:
            self._told.pop(host, None)
            self._events.add(Kind.REPAIRED, f"it stands again: {what}", host)

    def endpoint(self, host: str, name: str, up: bool) -> None:
        """A container's interface came or went."""
        kind, what = (Kind.ENDPOINT_UP, "it is attached") if up else (Kind.ENDPOINT_DOWN, "it is gone")
        self._events.add(kind, what, host, name)

    # People

    def policy_replaced(self) -> None:
        """There is another policy."""
        self._events.add(Kind.POLICY, "the policy was replaced")

    def assigned(self, names: Sequence[str], change: Change) -> None:
        """These endpoints, by their full names, are to get something else."""
        said = {"VLAN": change.vlan, "up": change.up, "down": change.down}
        wanted = ", ".join(f"{field} {value}" for field, value in said.items() if value is not None)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        self._events.add(
            Kind.POLICY,
            f"{', '.join(names[:NAMED])}{more}: {wanted or 'as before'}",
            names[0].partition(":")[0] if len(names) == 1 else None,
            names[0] if len(names) == 1 else None,
        )

    def _write_drift(self, host: str, what: str, cookie: int | None = None) -> None:
        if self._few(host):  # to look an endpoint up takes long, if it is for thousands of flows
            LOG.warning("%s: %s", host, what)
            self._events.add(Kind.DRIFT, what, host, None if cookie is None else self._endpoint(cookie))

    def _few(self, host: str) -> bool:
        """Whether this one more change is told by itself."""
        self._told[host] += 1
        return self._told[host] <= TOLD_APART
