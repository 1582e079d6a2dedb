"""A live copy of Open vSwitch's database, and transactions on it. Knows nothing of what is in it.

A thread (ovsdbapp's) keeps the copy, comes back by itself when the server went, and is the only one that talks to it;
everybody else reads and waits under its lock. All waits are bounded. Only the columns that are asked for are copied:
statistics change every five seconds and would wake everybody.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ovs.db.idl import ROW_CREATE, ROW_DELETE, Transaction
from ovsdbapp.backend.ovs_idl import idlutils
from ovsdbapp.backend.ovs_idl.command import BaseCommand
from ovsdbapp.backend.ovs_idl.connection import Connection, OvsdbIdl
from ovsdbapp.backend.ovs_idl.transaction import Transaction as QueuedTransaction
from ovsdbapp.exceptions import TimeoutException

from scripts.helper.ovs import scanner

SCHEMA = "Open_vSwitch"
NAMED = {"Bridge", "Port", "Interface"}  # tables whose rows keep the one name that they have
PROBE_MS = 5_000  # a server that is stopped, not gone, is found out by this

T = TypeVar("T")


class VswitchError(Exception):
    """Open vSwitch or its database could not do what was asked, in words."""


class _Copy(OvsdbIdl):  # type: ignore[misc]
    """The rows, and whoever waits for them to change.

    Names are kept in a dict: the library's index takes each row out and puts it in again with every change of it.
    """

    def __init__(self, remote: str, schema: object) -> None:
        super().__init__(remote, schema, probe_interval=PROBE_MS)
        self.changed: threading.Condition | None = None
        self.changes: Counter[str] = Counter()  # of rows, by table
        self._named: dict[tuple[str, str], Any] = {}

    def notify(self, event: str, row: Any, updates: object = None) -> None:  # noqa: ARG002
        table = row._table.name
        self.changes[table] += 1
        if table in NAMED:
            key = table, row.name
            if event == ROW_CREATE:
                self._named[key] = row
            elif event == ROW_DELETE and self._named.get(key) is row:
                del self._named[key]

    def named(self, table: str, name: str) -> Any:
        """The row of this name, or None."""
        row = self._named.get((table, name))
        if row is not None and self.tables[table].rows.get(row.uuid) is not row:  # it went while nobody told of it
            del self._named[table, name]
            return None
        return row

    def run(self) -> bool:
        differs = bool(super().run())
        if differs and self.changed:  # once for all rows: whoever wakes wants the lock
            self.changed.notify_all()
        return differs

    @property
    def connected(self) -> bool:
        # `state` alone stays MONITORING until the next connection begins; the library offers no other way to ask.
        return self.state == self.IDL_S_MONITORING and bool(self._session.is_connected())


class _Work(BaseCommand):  # type: ignore[misc]
    """A function as one of ovsdbapp's commands. It may be called again, on newer rows, if the server says so."""

    def __init__(self, work: Callable[[Transaction], None]) -> None:
        super().__init__(None)
        self.run_idl = work


class Ovsdb:
    """The database at `remote` (`unix:/run/openvswitch/db.sock`). Any thread may call."""

    def __init__(self, remote: str, columns: Mapping[str, Sequence[str]], timeout_s: float) -> None:
        """Connect and copy; VswitchError if that takes longer than the time-out."""
        scanner.use()
        self._remote, self._timeout_s = remote, timeout_s
        schema = self._fetch_schema()
        for table, names in columns.items():
            schema.register_columns(table, list(names))
        self._copy = _Copy(remote, schema)
        self._connection = Connection(self._copy, timeout_s)
        self._changed = self._copy.changed = threading.Condition(self._connection.lock)
        try:
            self._connection.start()
        except TimeoutException as error:
            raise self._silent() from error

    @property
    def connected(self) -> bool:
        """Whether the copy is kept up to date now."""
        return self._copy.connected

    def close(self) -> None:
        """End the thread and the connection."""
        self._connection.stop(self._timeout_s)

    def row(self, table: str, name: str) -> Any:
        """The row of that name in one of NAMED, as far as it is committed, or None.

        To be called within `transact`, `read` and `wait` only.
        """
        return self._copy.named(table, name)

    def rows(self, table: str) -> list[Any]:
        """All rows. To be called within `transact`, `read` and `wait` only."""
        return list(self._copy.tables[table].rows.values())

    def insert(self, txn: Transaction, table: str) -> Any:
        """A new row of this transaction."""
        return txn.insert(self._copy.tables[table])

    def transact(self, work: Callable[[Transaction], None]) -> None:
        """What `work` writes becomes true as a whole, or VswitchError is raised and (nearly always) nothing does.

        After a time-out it is not known: who has to know queues the opposite, which is done after it in any case.
        """
        queued = QueuedTransaction(self._connection, self._connection, self._timeout_s, True, log_errors=False)
        queued.add(_Work(work))
        try:
            queued.commit()
        except TimeoutException as error:
            raise self._silent() from error
        except RuntimeError as error:  # what ovsdbapp makes of the server's refusals
            raise VswitchError(f"Open vSwitch's database refused a change: {error}.") from error

    def read(self, look: Callable[[], T]) -> T:
        """What `look` finds while nothing changes."""
        with self._still():
            return look()

    def wait(self, look: Callable[[], T | None], otherwise: str) -> T:
        """What `look` finds as soon as it is not None; VswitchError with `otherwise` after the time-out."""
        deadline = time.monotonic() + self._timeout_s
        with self._still():
            while (found := look()) is None:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise VswitchError(otherwise)
            return found

    def changes(self, table: str) -> int:
        """How many rows of this table have come, gone or changed; never waits."""
        return self._copy.changes[table]

    def changed_since(self, seen: int) -> int:
        """Wait until the copy is otherwise than at this number, for the time-out at most; its number now."""
        with self._still():
            self._changed.wait_for(lambda: self._copy.change_seqno != seen, self._timeout_s)
            return int(self._copy.change_seqno)

    @contextmanager
    def _still(self) -> Iterator[None]:
        if not self._connection.lock.acquire(timeout=self._timeout_s):
            raise self._silent()
        try:
            yield
        finally:
            self._connection.lock.release()

    def _fetch_schema(self) -> Any:
        """In a thread of its own, because the library waits for ever for a server that is stopped."""
        found: list[Any] = []

        def fetch() -> None:
            try:
                found.append(idlutils.get_schema_helper(self._remote, SCHEMA))
            except Exception as error:  # it raises a bare Exception when nobody listens
                found.append(error)

        thread = threading.Thread(target=fetch, name="ovsdb-schema", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not found or isinstance(found[0], Exception):
            raise self._silent() from (found[0] if found else None)
        return found[0]

    def _silent(self) -> VswitchError:
        return VswitchError(
            f"Open vSwitch's database does not answer at “{self._remote}” (waited up to {self._timeout_s:g} s). "
            "Is Open vSwitch installed and ovsdb-server running? `ovsdb` in the helper's configuration says where."
        )


def put(row: Any, **columns: object) -> None:
    """Write the columns that are not so already. Optional columns are lists, as the library has them."""
    for column, value in columns.items():
        if getattr(row, column, None) != value:
            setattr(row, column, value)


def put_keys(row: Any, column: str, keys: Mapping[str, str]) -> None:
    """Write these keys of a map and leave the others as they are."""
    put(row, **{column: {**getattr(row, column, {}), **keys}})
