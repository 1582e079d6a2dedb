"""A host with as little on it as a test wants."""

from app.wire import EndpointDown, EndpointReport, EndpointUp, HostUp
from scripts.helper.ovs.record import Key


class Bare:
    """Whoever knows how it is on a host where nothing is but the endpoints that a test puts there."""

    def __init__(self) -> None:
        self.endpoints: dict[Key, EndpointReport] = {}
        self.introduced: list[EndpointReport] = []

    def everything(self) -> HostUp:
        endpoints = tuple(self.endpoints.values())
        return HostUp(dpid=1, vtep="198.18.0.1", underlay_mtu=1500, endpoints=endpoints)  # type: ignore[arg-type]

    def event(self, subject: Key) -> EndpointUp | EndpointDown:
        if report := self.endpoints.get(subject):
            return EndpointUp(endpoint=report)
        return EndpointDown(container=subject.container, interface=subject.interface)

    def reports(self) -> dict[Key, EndpointReport]:
        return dict(self.endpoints)

    def tunnels(self) -> dict[str, int]:
        return {}

    def networks(self) -> tuple[()]:
        return ()

    def note_clashes(self, leases: object) -> None:
        pass

    def introduce(self, report: EndpointReport) -> None:
        self.introduced.append(report)
