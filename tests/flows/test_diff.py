from hypothesis import given, settings

from flows.diff import Plan, apply, plan, spare, without
from flows.intent import Intent
from flows.pipeline import compile_bridge
from tests.flows.intents import intents


@settings(max_examples=100, deadline=None)
@given(intents(), intents())
def test_a_plan_leads_to_what_is_desired_and_the_second_is_empty(one: Intent, other: Intent) -> None:
    installed, desired = compile_bridge(one, "h1"), compile_bridge(other, "h1")

    after = apply(installed, plan(installed, desired))

    assert after == desired
    assert plan(after, desired) == Plan()
    assert not plan(after, desired)


@settings(max_examples=60, deadline=None)
@given(intents(), intents())
def test_what_is_spared_stays_and_all_else_is_as_desired(one: Intent, other: Intent) -> None:
    installed, desired = compile_bridge(one, "h1"), compile_bridge(other, "h1")
    leftovers = without(installed, desired)

    after = apply(installed, spare(plan(installed, desired), leftovers))

    assert without(after, leftovers) == desired
    assert without(leftovers, after).flows == {}
