import pytest

from app.openflow.bundle import Bundle, BundleError, Send, State


def test_what_nobody_refuses_is_committed() -> None:
    bundle = Bundle()

    assert [bundle.start(), bundle.answered(), bundle.answered()] == [Send.FILL, Send.COMMIT, None]
    assert bundle.state is State.COMMITTED


def test_one_refusal_discards_all() -> None:
    bundle = Bundle()
    bundle.start()
    bundle.refused(3, "bad match: bad value")

    assert [bundle.answered(), bundle.answered()] == [Send.DISCARD, None]
    assert bundle.state is State.DISCARDED
    assert bundle.reasons == [(3, "bad match: bad value")]


def test_a_refusal_of_the_commit_names_the_change_if_it_can() -> None:
    bundle = Bundle()
    bundle.start()
    bundle.answered()
    bundle.refused(7, "meter mod failed: invalid meter")
    bundle.refused(None, "bundle failed: msg failed")

    assert bundle.answered() is None
    assert bundle.state is State.FAILED
    assert bundle.reasons == [(7, "meter mod failed: invalid meter")]


def test_a_bundle_that_cannot_be_is_not_committed() -> None:
    bundle = Bundle()
    bundle.start()
    bundle.refused(None, "bundle failed: out of bundles")

    assert bundle.answered() is Send.DISCARD
    bundle.refused(None, "bundle failed: bad id")  # nothing to discard

    assert bundle.answered() is None
    assert bundle.reasons == [(None, "bundle failed: out of bundles")]


def test_what_cannot_come_is_an_error() -> None:
    bundle = Bundle()
    with pytest.raises(BundleError, match="while a bundle is new"):
        bundle.answered()
    bundle.start()
    with pytest.raises(BundleError, match="while a bundle is filling"):
        bundle.start()
    bundle.answered()
    bundle.answered()
    with pytest.raises(BundleError, match="while a bundle is committed"):
        bundle.refused(0, "late")
