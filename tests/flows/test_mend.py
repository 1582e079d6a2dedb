"""What is put back is what the whole bridge has there."""

from hypothesis import given
from hypothesis import strategies as st

from flows.cookie import OWNER_MASK
from flows.flow import Flow
from flows.intent import Intent
from flows.mend import put_back
from flows.pipeline import compile_bridge
from tests.flows.intents import intents


def is_of_endpoint(flow: Flow, intent: Intent) -> bool:
    return flow.cookie & OWNER_MASK in {endpoint.owner for endpoint in intent.endpoints.values()}


@given(intents(), st.data())
def test_what_is_put_back_is_what_was_there(intent: Intent, data: st.DataObject) -> None:
    host = data.draw(st.sampled_from(sorted(intent.hosts)))
    whole = compile_bridge(intent, host).flows
    spoilt = data.draw(st.lists(st.sampled_from(list(whole.values())), max_size=5, unique_by=lambda flow: flow.key))
    as_they_are = [data.draw(st.sampled_from([flow, flow._replace(actions=())])) for flow in spoilt]

    back = put_back(intent, host, as_they_are)

    assert back in (None, tuple(spoilt))
    assert back is not None or not all(is_of_endpoint(flow, intent) for flow in spoilt)


@given(intents(), st.data())
def test_what_nobody_wants_cannot_be_put_back(intent: Intent, data: st.DataObject) -> None:
    host = data.draw(st.sampled_from(sorted(intent.hosts)))
    known = data.draw(st.sampled_from(list(compile_bridge(intent, host).flows.values())))

    assert put_back(intent, host, [known, known._replace(priority=7)]) is None
