"""All features together: everything that a bridge should hold, or a refusal to say it."""

from collections.abc import Callable, Iterable, Iterator

from flows import arp, classify, flood, l2, output, rate_limit, spoof_guard
from flows.flow import Contents, Flow, Goto, Key, Meter, MeterEntry
from flows.model import Host, Intent

FEATURES: tuple[Callable[[Intent, Host], Iterator[Flow]], ...] = (
    classify.classify_flows,
    spoof_guard.spoof_guard_flows,
    rate_limit.rate_limit_flows,
    arp.arp_flows,
    l2.l2_flows,
    flood.flood_flows,
    output.output_flows,
)


class FlowConflictError(Exception):
    """Two flows with one key, a goto that does not go forward, a meter that is not there."""


def compile_bridge(intent: Intent, host: str) -> Contents:
    """Everything that this host's bridge should hold for the intent; FlowConflictError if that cannot be."""
    here = intent.hosts[host]
    meters = {entry.meter: entry for entry in rate_limit.meters(intent, here)}
    return Contents(_joined((flow for feature in FEATURES for flow in feature(intent, here)), meters), meters)


def _joined(flows: Iterable[Flow], meters: dict[int, MeterEntry]) -> dict[Key, Flow]:
    by_key: dict[Key, Flow] = {}
    for flow in flows:
        other = by_key.setdefault(flow.key, flow)
        if other is not flow and other != flow:
            raise FlowConflictError(f"one key, two flows:\n{other}\n{flow}")
        for action in flow.actions:
            if isinstance(action, Goto) and action.table <= flow.table:
                raise FlowConflictError(f"a packet only moves forward: {flow}")
            if isinstance(action, Meter) and action.meter not in meters:
                raise FlowConflictError(f"no such meter: {flow}")
    return by_key


def listing(contents: Contents) -> str:
    """The contents as `ovs-ofctl add-flows` reads them, in packet order; meters as comments."""
    lines = [f"# meter={m.meter} kbps burst={m.burst_kbits} rate={m.rate_kbps}" for m in contents.meters.values()]
    lines += [str(contents.flows[key]) for key in sorted(contents.flows, key=lambda key: (key[0], -key[1], key[2]))]
    return "\n".join(lines) + "\n"
