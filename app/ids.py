"""Numbers that are given out: owner ids, which cookies lead back by, and meter ids. The store keeps them."""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from types import MappingProxyType

from app.store import Store
from flows.model import EndpointKey


class Ids:
    """All owner ids that are given out, both ways: once for each thing, and never again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._things: dict[int, tuple[str, str]] = dict(store.owners())
        self._numbers = {thing: number for number, thing in self._things.items()}

    @property
    def things(self) -> Mapping[int, tuple[str, str]]:
        """Owner id -> kind and name."""
        return MappingProxyType(self._things)

    def of(self, kind: str, name: str) -> int:
        """The owner id of an endpoint, network or host: given out at the first call, the same ever after."""
        number = self._numbers.get((kind, name))
        if number is None:
            number = self._numbers[kind, name] = self._store.owner(kind, name)
            self._things[number] = kind, name
        return number

    def of_endpoint(self, key: EndpointKey) -> int:
        """The owner id of an endpoint."""
        return self.of("endpoint", str(key))

    def find(self, kind: str, name: str) -> int | None:
        """The owner id if there is one; gives none out."""
        return self._numbers.get((kind, name))

    def forget(self, kind: str, name: str) -> None:
        """The thing is gone, from the store too; if it comes again it is another one."""
        self._things.pop(self._numbers.pop((kind, name), -1), None)


class Meters:
    """The meter ids of each host: the lowest free one for an endpoint's direction, the same until that is gone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given: dict[tuple[EndpointKey, str], int] = dict(store.meters())
        self._highest: dict[str, int] = {}
        for (key, _), meter in self._given.items():
            self._highest[key.host] = max(meter, self._highest.get(key.host, 0))
        used = {(key.host, meter) for (key, _), meter in self._given.items()}
        self._free: dict[str, list[int]] = {}
        for host, highest in self._highest.items():
            self._free[host] = [meter for meter in range(1, highest) if (host, meter) not in used]
            heapify(self._free[host])

    def of(self, key: EndpointKey, direction: str) -> int:
        """The meter id for `up` or `down`: given out at the first call."""
        meter = self._given.get((key, direction))
        if meter is None:
            free = self._free.setdefault(key.host, [])
            meter = heappop(free) if free else self._highest.get(key.host, 0) + 1
            self._highest[key.host] = max(meter, self._highest.get(key.host, 0))
            self._store.keep_meter(key, direction, meter)
            self._given[key, direction] = meter
        return meter

    def forget(self, key: EndpointKey) -> None:
        """The endpoint is gone, from the store too."""
        for direction in ("up", "down"):
            meter = self._given.pop((key, direction), None)
            if meter is not None:
                heappush(self._free.setdefault(key.host, []), meter)
