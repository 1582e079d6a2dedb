import json
import sqlite3
from pathlib import Path

import pytest

from app.policy import Assignment, Match, Policy
from app.store import Store
from app.store.sqlite import MIGRATIONS, SqliteStore, StoreError
from app.wire import EndpointReport
from flows.model import EndpointKey
from flows.transition import Place

WEB1, WEB2 = EndpointKey("h1", "aaa", "eth0"), EndpointKey("h1", "bbb", "eth0")
REPORT = EndpointReport(container="aaa", interface="eth0", name="web1", mac="02:c7:00:00:00:01", ofport=1)


def test_what_was_kept_is_there_after_a_kill(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "state.db")
    store: Store = SqliteStore(path)
    with store.writing():
        store.keep_meter(WEB1, "up", 3)
        store.keep_policy(Policy.model_validate({"networks": {"blue": {"vlan": 10}}}))
        store.keep_generation(7)
        store.keep_endpoint(WEB1, REPORT)
        store.keep_place(WEB1, Place(10, 1, 20))
        owner = store.owner("endpoint", str(WEB1))

    again = SqliteStore(path)  # the first is not closed: as if it had been killed

    assert again.policy().networks["blue"].vlan == 10
    assert again.generation() == 7
    assert again.endpoints() == {WEB1: (REPORT, (10, 1, 20))}
    assert again.owner("endpoint", str(WEB1)) == owner
    assert again.meters() == {(WEB1, "up"): 3}


def test_a_policy_of_the_first_schema_is_taken_over(tmp_path: Path) -> None:
    document = {
        "networks": {"green": {"vlan": 20, "vni": 4020}, "blue": {"vlan": 10}},
        "assign": [{"match": {"name": "wöb", "host": "h1"}, "vlan": 10}, {"match": {"label": "a=b"}, "up": "1mbit"}],
    }
    path = str(tmp_path / "state.db")
    db = sqlite3.connect(path)
    db.executescript(MIGRATIONS[0])
    db.execute("INSERT INTO fact VALUES ('policy', ?)", (json.dumps(document),))
    db.execute("PRAGMA user_version = 1")
    db.commit()

    store = SqliteStore(path)
    assert store.policy().as_json() == document

    head = Assignment(match=Match(name="wöb", host="h1"), vlan=30)
    store.keep_heads([head])
    assert store.policy().assign == (head, Policy.model_validate(document).assign[1])


def test_a_place_of_an_earlier_schema_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    db = sqlite3.connect(path)
    for script in MIGRATIONS[:4]:
        db.executescript(script)
    row = (*WEB1, REPORT.model_dump_json(), 10, 20)
    db.execute(
        "INSERT INTO endpoint (host, container, interface, report, sends, besides) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    db.execute("PRAGMA user_version = 4")
    db.commit()

    assert SqliteStore(path).endpoints() == {WEB1: (REPORT, Place(10))}


def test_a_write_that_fails_leaves_nothing() -> None:
    store = SqliteStore(":memory:")

    with pytest.raises(StoreError), store.writing():
        _keep_and_fail(store)

    assert store.generation() == 0
    with store.writing():
        store.keep_generation(8)
    assert store.generation() == 8


def _keep_and_fail(store: Store) -> None:
    store.keep_generation(7)
    raise StoreError


def test_owners_never_come_again() -> None:
    store = SqliteStore(":memory:")
    store.keep_meter(WEB1, "up", 1)
    owner = store.owner("endpoint", str(WEB1))

    store.forget_endpoint(WEB1)

    assert store.meters() == {}
    assert store.owner("endpoint", str(WEB1)) > owner


def test_a_host_is_forgotten_whole() -> None:
    store = SqliteStore(":memory:")
    other = EndpointKey("h10", "aaa", "eth0")
    for key in (WEB1, other):
        store.keep_endpoint(key, REPORT)
        store.owner("endpoint", str(key))
        store.keep_meter(key, "up", 1)

    store.forget_host("h1")

    assert list(store.endpoints()) == [other]
    assert list(store.owners().values()) == [("endpoint", str(other))]
    assert list(store.meters()) == [(other, "up")]


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(StoreError, match="written by a newer Containet"):
        SqliteStore(str(path))


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("not a database, but long enough to look like one" * 100)

    with pytest.raises(StoreError, match=r"cannot be used"):
        SqliteStore(str(path))


def test_a_commit_that_fails_does_not_stop_what_comes_after() -> None:
    store = SqliteStore(":memory:")
    store._db.execute("PRAGMA foreign_keys = ON")
    store._db.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    store._db.execute(
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"  # held at COMMIT
    )

    with pytest.raises(sqlite3.IntegrityError), store.writing():
        store._db.execute("INSERT INTO child VALUES (1)")

    with store.writing():
        store.keep_generation(9)
    assert store.generation() == 9
