"""What the helpers reported of each endpoint, found by its key, by its host and by what people call it."""

from collections.abc import Iterable, Iterator, Mapping, Set

from app.wire import EndpointReport
from flows.model import EndpointKey


class Roster(Mapping[EndpointKey, EndpointReport]):
    """The reports, with those first that came first."""

    def __init__(self, reports: Iterable[tuple[EndpointKey, EndpointReport]] = ()) -> None:
        self._reports: dict[EndpointKey, EndpointReport] = {}
        self._by_host: dict[str, set[EndpointKey]] = {}
        self._by_name: dict[str, set[EndpointKey]] = {}
        for key, report in reports:
            self.put(key, report)

    def __getitem__(self, key: EndpointKey) -> EndpointReport:
        return self._reports[key]

    def __iter__(self) -> Iterator[EndpointKey]:
        return iter(self._reports)

    def __len__(self) -> int:
        return len(self._reports)

    def put(self, key: EndpointKey, report: EndpointReport) -> None:
        """The newest report of an endpoint."""
        before = self._reports.get(key)
        if before is not None:
            _leave(self._by_name, before.name, key)
        self._reports[key] = report
        self._by_host.setdefault(key.host, set()).add(key)
        for called in (report.name, key.container):
            self._by_name.setdefault(called, set()).add(key)

    def remove(self, key: EndpointKey) -> None:
        """It is gone; KeyError if it never came."""
        report = self._reports.pop(key)
        _leave(self._by_host, key.host, key)
        for called in (report.name, key.container):
            _leave(self._by_name, called, key)

    def came_last(self, key: EndpointKey) -> None:
        """As if it had come only now."""
        self._reports[key] = self._reports.pop(key)

    def of_host(self, host: str) -> Set[EndpointKey]:
        """The endpoints of a host."""
        return self._by_host.get(host, frozenset())

    def called(self, name: str) -> Set[EndpointKey]:
        """The endpoints of the containers with this name or id, on all hosts."""
        return self._by_name.get(name, frozenset())


def _leave(index: dict[str, set[EndpointKey]], name: str, key: EndpointKey) -> None:
    index.get(name, set()).discard(key)
    if not index.get(name, True):
        del index[name]
