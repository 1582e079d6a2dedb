"""The store in one SQLite file: WAL, so that a kill at any moment loses nothing that was acknowledged.

`synchronous=NORMAL` in WAL mode survives the death of the process; a power cut may take the last moments with it, but
never half of a change (https://sqlite.org/pragma.html#pragma_synchronous).
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from app.policy import Assignment, NetworkRule, Policy
from app.store import KeptEndpoint
from app.wire import EndpointReport, HostUp, Lease
from flows.model import EndpointKey
from flows.transition import Place

MIGRATIONS = (
    """
    CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE host (name TEXT PRIMARY KEY, report TEXT NOT NULL) STRICT;
    CREATE TABLE endpoint (
        host TEXT NOT NULL, container TEXT NOT NULL, interface TEXT NOT NULL,
        report TEXT NOT NULL, segment INTEGER,
        PRIMARY KEY (host, container, interface)
    ) STRICT;
    CREATE TABLE owner (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name)
    ) STRICT;
    CREATE TABLE meter (
        host TEXT NOT NULL, meter INTEGER NOT NULL,
        container TEXT NOT NULL, interface TEXT NOT NULL, direction TEXT NOT NULL,
        PRIMARY KEY (host, meter), UNIQUE (host, container, interface, direction)
    ) STRICT;
    """,
    """
    CREATE TABLE network (name TEXT PRIMARY KEY, rule TEXT NOT NULL) STRICT;
    CREATE TABLE assignment (rank INTEGER PRIMARY KEY, match TEXT NOT NULL, rule TEXT NOT NULL) STRICT;
    CREATE INDEX assignment_match ON assignment (match);
    """,
    """
    ALTER TABLE endpoint RENAME COLUMN segment TO sends;
    ALTER TABLE endpoint ADD COLUMN besides INTEGER;
    """,
    """
    CREATE TABLE lease (
        vlan INTEGER NOT NULL, subnet TEXT NOT NULL, block TEXT NOT NULL, host TEXT NOT NULL,
        PRIMARY KEY (vlan, subnet, block)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE endpoint RENAME COLUMN sends TO segment;
    ALTER TABLE endpoint RENAME COLUMN besides TO beside;
    ALTER TABLE endpoint ADD COLUMN company INTEGER;
    UPDATE endpoint SET beside = NULL;
    """,
)


class StoreError(Exception):
    """The file cannot be used: which, why, what to do."""


class SqliteStore:
    """A `Store` in a file; `:memory:` keeps nothing."""

    def __init__(self, path: str) -> None:
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._migrate(path)
            self._depth = 0
            self._split_policy()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the state file {path} cannot be used: {error}") from error

    def _migrate(self, path: str) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the state file {path} was written by a newer Containet (schema {version}, this one knows "
                f"{len(MIGRATIONS)}): start that one, or move the file away to begin anew"
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    def _split_policy(self) -> None:
        """The first schema kept the policy as one document."""
        with self.writing():
            if document := self._fact("policy", ""):
                self.keep_policy(Policy.model_validate_json(document))
                self._db.execute("DELETE FROM fact WHERE name = 'policy'")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; a block inside a block joins it."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self._db.execute("COMMIT")
        except BaseException:
            if self._depth == 1 and self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._depth -= 1

    def policy(self) -> Policy:
        """The policy, empty at first."""
        networks = self._db.execute("SELECT name, rule FROM network ORDER BY rowid")
        assign = self._db.execute("SELECT rule FROM assignment ORDER BY rank")
        return Policy(
            networks={name: NetworkRule.model_validate_json(rule) for name, rule in networks},
            assign=tuple(Assignment.model_validate_json(rule) for (rule,) in assign),
        )

    def keep_policy(self, policy: Policy) -> None:
        """Replace the policy."""
        networks = [(name, _json(rule)) for name, rule in policy.networks.items()]
        assign = [(rank, _json(rule.match), _json(rule)) for rank, rule in enumerate(policy.assign)]
        with self.writing():
            self._db.execute("DELETE FROM network")
            self._db.execute("DELETE FROM assignment")
            self._db.executemany("INSERT INTO network (name, rule) VALUES (?, ?)", networks)
            self._db.executemany("INSERT INTO assignment VALUES (?, ?, ?)", assign)

    def keep_heads(self, heads: Sequence[Assignment]) -> None:
        """These assignments go first, in place of those with the same match."""
        with self.writing():
            self._db.executemany("DELETE FROM assignment WHERE match = ?", [(_json(head.match),) for head in heads])
            self._db.executemany(
                "INSERT INTO assignment SELECT coalesce(min(rank), 0) - 1, ?, ? FROM assignment",
                [(_json(head.match), _json(head)) for head in reversed(heads)],
            )

    def generation(self) -> int:
        """The number of the newest intent."""
        return int(self._fact("generation", "0"))

    def keep_generation(self, generation: int) -> None:
        """Remember that intents up to this number were given out."""
        self._keep_fact("generation", str(generation))

    def hosts(self) -> Mapping[str, HostUp]:
        """What each host last said of itself, without its endpoints."""
        rows = self._db.execute("SELECT name, report FROM host ORDER BY name")
        return {name: HostUp.model_validate_json(report) for name, report in rows}

    def keep_host(self, name: str, report: HostUp) -> None:
        """Remember what a host said of itself; its endpoints are kept one by one."""
        text = report.model_copy(update={"endpoints": (), "leases": ()}).model_dump_json()
        self._db.execute("INSERT OR REPLACE INTO host VALUES (?, ?)", (name, text))

    def forget_host(self, name: str) -> None:
        """A host is gone, with its endpoints, its ids and its meters."""
        for statement in (
            "DELETE FROM host WHERE name = ?",
            "DELETE FROM endpoint WHERE host = ?",
            "DELETE FROM meter WHERE host = ?",
            "DELETE FROM lease WHERE host = ?",
        ):
            self._db.execute(statement, (name,))
        self.forget_owner("host", name)
        self._db.execute(
            "DELETE FROM owner WHERE kind = 'endpoint' AND substr(name, 1, ?) = ?", (len(name) + 1, f"{name}/")
        )

    def endpoints(self) -> Mapping[EndpointKey, KeptEndpoint]:
        """All endpoints."""
        rows = self._db.execute(
            "SELECT host, container, interface, report, segment, company, beside FROM endpoint ORDER BY 1, 2, 3"
        )
        return {
            EndpointKey(*key): KeptEndpoint(
                EndpointReport.model_validate_json(text),
                None if segment is None else Place(segment, company, beside),
            )
            for *key, text, segment, company, beside in rows
        }

    def keep_endpoint(self, key: EndpointKey, report: EndpointReport) -> None:
        """Remember an endpoint; its place stays as it is."""
        self._db.execute(
            "INSERT INTO endpoint (host, container, interface, report) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (host, container, interface) DO UPDATE SET report = excluded.report",
            (*key, report.model_dump_json(exclude_defaults=True)),
        )

    def keep_place(self, key: EndpointKey, place: Place) -> None:
        """The step that begins now has this endpoint there."""
        self._db.execute(
            "UPDATE endpoint SET segment = ?, company = ?, beside = ? "
            "WHERE host = ? AND container = ? AND interface = ?",
            (*place, *key),
        )

    def forget_endpoint(self, key: EndpointKey) -> None:
        """An endpoint is gone, with its meters; its owner id is never given out again."""
        for table in ("endpoint", "meter"):
            self._db.execute(f"DELETE FROM {table} WHERE host = ? AND container = ? AND interface = ?", key)  # noqa: S608
        self.forget_owner("endpoint", str(key))

    def forget_owner(self, kind: str, name: str) -> None:
        """Its owner id is never given out again; the next call for it gives a new one."""
        self._db.execute("DELETE FROM owner WHERE kind = ? AND name = ?", (kind, name))

    def owner(self, kind: str, name: str) -> int:
        """The owner id of an endpoint, network or host: given out at the first call, the same ever after."""
        found = self._db.execute("SELECT id FROM owner WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        if found is None:
            cursor = self._db.execute("INSERT INTO owner (kind, name) VALUES (?, ?) RETURNING id", (kind, name))
            found = cursor.fetchone()
        return int(found[0])

    def owners(self) -> Mapping[int, tuple[str, str]]:
        """Owner id -> kind and name."""
        return {number: (kind, name) for number, kind, name in self._db.execute("SELECT id, kind, name FROM owner")}

    def meters(self) -> Mapping[tuple[EndpointKey, str], int]:
        """The meter ids on each endpoint's host, by endpoint and direction."""
        rows = self._db.execute("SELECT host, container, interface, direction, meter FROM meter")
        return {(EndpointKey(*key), direction): meter for *key, direction, meter in rows}

    def keep_meter(self, key: EndpointKey, direction: str, meter: int) -> None:
        """Remember it until the endpoint is forgotten."""
        self._db.execute(
            "INSERT INTO meter VALUES (?, ?, ?, ?, ?)", (key.host, meter, key.container, key.interface, direction)
        )

    def leases(self) -> Sequence[tuple[Lease, str]]:
        """All leases, each with the host that has it."""
        rows = self._db.execute("SELECT nullif(vlan, 0), subnet, block, host FROM lease")
        return [(Lease(vlan=vlan, subnet=subnet, block=block), host) for vlan, subnet, block, host in rows]

    def keep_lease(self, lease: Lease, host: str) -> None:
        """Remember whose it is."""
        self._db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)", (*_lease_key(lease), host))

    def forget_lease(self, lease: Lease) -> None:
        """It is free again."""
        self._db.execute("DELETE FROM lease WHERE vlan = ? AND subnet = ? AND block = ?", _lease_key(lease))

    def _fact(self, name: str, default: str) -> str:
        found = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return default if found is None else str(found[0])

    def _keep_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))


def _lease_key(lease: Lease) -> tuple[int, str, str]:
    return lease.vlan or 0, str(lease.subnet), str(lease.block)


def _json(part: BaseModel) -> str:
    """The same text for the same value."""
    return part.model_dump_json(exclude_none=True)
