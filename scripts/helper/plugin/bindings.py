"""What `-p` says, as ports that can be published; or why they cannot."""

from collections.abc import Iterable

from app.wire import MOST_PORTS, PublishedPort
from scripts.helper.plugin.said import Binding
from scripts.helper.problem import RefusedError

PROTOCOLS = {6: "tcp", 17: "udp"}  # IANA's numbers


def published(bindings: Iterable[Binding]) -> tuple[PublishedPort, ...]:
    """All of them, in order; RefusedError for the first that cannot be."""
    ports = tuple(dict.fromkeys(_port(binding) for binding in bindings))
    if len(ports) > MOST_PORTS:
        raise RefusedError(422, "port", f"{len(ports)} ports are too many: a container publishes {MOST_PORTS} at most")
    return ports


def _port(binding: Binding) -> PublishedPort:
    protocol = PROTOCOLS.get(binding.protocol)
    if protocol is None:
        raise RefusedError(422, "port", f"port {binding.port} is neither tcp nor udp: it cannot be published")
    if binding.host_port == 0 or binding.host_port_end > binding.host_port:
        raise RefusedError(
            422,
            "port",
            f"which port of the host is to lead to {binding.port}/{protocol}? "
            f"Docker could not be told which was chosen: say -p HOSTPORT:{binding.port}",
        )
    address = binding.host_address
    if address is not None and (address.is_loopback or (address.version == 6 and address.is_link_local)):
        raise RefusedError(
            422, "port", f"{address}: ports are published on addresses that others reach, from other links too"
        )
    anywhere = address is None or address.is_unspecified
    return PublishedPort.model_validate(
        {
            "protocol": protocol,
            "host_address": None if anywhere else address,
            "host_port": binding.host_port,
            "port": binding.port,
        }
    )
