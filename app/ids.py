"""Owner ids: the numbers that cookies lead back by, given out by the store, once for each thing and never again."""

from collections.abc import Mapping
from types import MappingProxyType

from app.store import Store
from flows.model import EndpointKey


class Ids:
    """All owner ids that are given out, both ways."""

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

    def forget(self, kind: str, name: str) -> None:
        """The thing is gone, from the store too; if it comes again it is another one."""
        self._things.pop(self._numbers.pop((kind, name), -1), None)
