"""Flows that somebody else deleted or changed, put back one by one: at the price of what they are about."""

from collections.abc import Collection

from flows.cookie import OWNER_MASK
from flows.flow import Flow
from flows.intent import Intent
from flows.pipeline import compile_change


def put_back(intent: Intent, host: str, spoilt: Collection[Flow]) -> tuple[Flow, ...] | None:
    """What is wanted in the places of these; None if they do not tell: only a read of the whole bridge helps then.

    They tell by their cookies, if these are of endpoints.
    """
    owners = {flow.cookie & OWNER_MASK for flow in spoilt}
    about = [key for key, endpoint in intent.endpoints.items() if endpoint.owner in owners]
    _, wanted = compile_change(intent.changed(dict.fromkeys(about)), intent, host)
    if any(flow.key not in wanted.flows for flow in spoilt):
        return None
    return tuple(wanted.flows[flow.key] for flow in spoilt)
