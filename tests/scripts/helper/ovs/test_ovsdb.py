"""The copy of a real database: which row has a name, and whether a table has changed."""

from collections.abc import Iterator

import pytest

from scripts.helper.ovs.ovsdb import Ovsdb
from scripts.helper.ovs.vswitch import Vswitch
from tests.scripts.helper.conftest import BRIDGE, Ovs, until

COLUMNS = {"Open_vSwitch": ("other_config",), "Port": ("name", "external_ids")}


@pytest.fixture
def copy(vswitch: Vswitch, ovs: Ovs) -> Iterator[Ovsdb]:  # noqa: ARG001 - there is a bridge
    made = Ovsdb(ovs.remote, COLUMNS, 5)
    yield made
    made.close()
    ovs.vsctl("--if-exists", "del-port", "one")


def said(copy: Ovsdb) -> str | None:
    """What is said of the port `one`, if there is one."""

    def look() -> str | None:
        row = copy.row("Port", "one")
        return None if row is None else str(row.external_ids.get("said"))

    return copy.read(look)


def add(what: str) -> tuple[str, ...]:
    return ("--", "add-port", BRIDGE, "one", "--", "set", "Port", "one", f"external_ids:said={what}")


def test_a_name_is_that_of_the_row_that_is_there(copy: Ovsdb, ovs: Ovs) -> None:
    assert said(copy) is None

    ovs.vsctl("--no-wait", *add("first"))
    until(lambda: said(copy) == "first")
    ovs.vsctl("--no-wait", "del-port", "one", *add("second"))
    until(lambda: said(copy) == "second")
    ovs.vsctl("--no-wait", "--retry", "del-port", "one")

    until(lambda: said(copy) is None)


def test_a_row_that_went_while_the_server_was_away_has_its_name_no_more(copy: Ovsdb, ovs: Ovs) -> None:
    ovs.vsctl("--no-wait", *add("first"))
    until(lambda: said(copy) == "first")
    ovs.kill("ovsdb-server")
    until(lambda: not copy.connected)
    ovs.start_database()
    ovs.vsctl("--no-wait", "--retry", "del-port", "one")

    until(lambda: copy.connected and said(copy) is None)
    ovs.vsctl("--no-wait", *add("second"))
    until(lambda: said(copy) == "second")


def test_a_change_is_counted_in_its_table_alone(copy: Ovsdb, ovs: Ovs) -> None:
    ports, settings = copy.changes("Port"), copy.changes("Open_vSwitch")

    ovs.vsctl("--no-wait", *add("first"))
    until(lambda: said(copy) == "first")
    assert copy.changes("Port") > ports
    assert copy.changes("Open_vSwitch") == settings

    ovs.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:max-revalidator=200")
    until(lambda: copy.changes("Open_vSwitch") > settings)
    ovs.vsctl("--no-wait", "remove", "Open_vSwitch", ".", "other_config", "max-revalidator")


def test_rounds_begin_as_often_as_is_said_now(vswitch: Vswitch, ovs: Ovs) -> None:
    assert vswitch.revalidates_s() == 0.5
    ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-revalidator=200")
    until(lambda: vswitch.revalidates_s() == 0.2)
    ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "max-revalidator")
    until(lambda: vswitch.revalidates_s() == 0.5)
