"""HTTP as the engine speaks it: POST to /Type.Method, JSON both ways whatever the headers say, errors with status 200.

A retried call may come with an empty body, since the engine has sent it once already: that is an error in words.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import falcon
from pydantic import ValidationError

from scripts.helper.net.firewall import NatError
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.vswitch import VswitchError
from scripts.helper.plugin.ipam import IpamDriver
from scripts.helper.plugin.network import NetworkDriver
from scripts.helper.plugin.said import (
    CreateEndpoint,
    CreateNetwork,
    Nothing,
    OfEndpoint,
    OfNetwork,
    OfPool,
    Publish,
    ReleaseAddress,
    RequestAddress,
    RequestPool,
    Said,
)
from scripts.helper.problem import RefusedError

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
LARGEST_BODY = 1 << 20  # bytes
ACTIVATE = {"Implements": ["NetworkDriver", "IpamDriver"]}

S = TypeVar("S", bound=Said)
Work = Callable[[Any], Mapping[str, Any]]

log = logging.getLogger(__name__)


def application(network: NetworkDriver, ipam: IpamDriver) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application. A method that is not here is answered 404, and the engine goes on without."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    calls: tuple[tuple[str, type[Said], Work], ...] = (
        ("Plugin.Activate", Nothing, lambda _: ACTIVATE),
        ("NetworkDriver.GetCapabilities", Nothing, network.capabilities),
        ("NetworkDriver.CreateNetwork", CreateNetwork, network.create_network),
        ("NetworkDriver.DeleteNetwork", OfNetwork, network.delete_network),
        ("NetworkDriver.CreateEndpoint", CreateEndpoint, network.create_endpoint),
        ("NetworkDriver.EndpointOperInfo", OfEndpoint, network.info),
        ("NetworkDriver.DeleteEndpoint", OfEndpoint, network.delete_endpoint),
        ("NetworkDriver.Join", OfEndpoint, network.join),
        ("NetworkDriver.Leave", OfEndpoint, network.leave),
        ("NetworkDriver.ProgramExternalConnectivity", Publish, network.publish),
        ("NetworkDriver.RevokeExternalConnectivity", OfEndpoint, network.unpublish),
        ("NetworkDriver.DiscoverNew", Nothing, network.nothing),
        ("NetworkDriver.DiscoverDelete", Nothing, network.nothing),
        ("IpamDriver.GetCapabilities", Nothing, ipam.capabilities),
        ("IpamDriver.GetDefaultAddressSpaces", Nothing, ipam.spaces),
        ("IpamDriver.RequestPool", RequestPool, ipam.request_pool),
        ("IpamDriver.ReleasePool", OfPool, ipam.release_pool),
        ("IpamDriver.RequestAddress", RequestAddress, ipam.request_address),
        ("IpamDriver.ReleaseAddress", ReleaseAddress, ipam.release_address),
    )
    for name, kind, work in calls:
        app.add_route(f"/{name}", _Call(name, kind, work))
    return app


class _Call:
    """One method of the protocol."""

    def __init__(self, name: str, kind: type[Said], work: Work) -> None:
        self._name, self._kind, self._work = name, kind, work
        self._error = "Error" if name.startswith("IpamDriver") else "Err"  # so it is

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Do it; what goes wrong is told the engine in words, which it shows to whoever asked."""
        resp.content_type = MEDIA_TYPE
        try:
            answer = self._work(self._read(req))
        except RefusedError as refusal:
            log.warning("%s is refused: %s", self._name, refusal)
            answer = {self._error: f"containet: {refusal}"}
        except (PlumbError, VswitchError, NatError) as error:
            log.error("%s failed: %s", self._name, error)
            answer = {self._error: f"containet: {error}"}
        except Exception as error:
            log.exception("%s failed", self._name)
            answer = {self._error: f"containet: the helper failed ({type(error).__name__}): its log says more"}
        resp.data = json.dumps(answer).encode()

    def _read(self, req: falcon.Request) -> Said:
        body = req.bounded_stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise RefusedError(413, "too-large", f"a body of more than {LARGEST_BODY >> 20} MiB")
        if self._kind is Nothing:
            return Nothing()
        if not body.strip():
            raise RefusedError(400, "empty-body", f"{self._name} came without a body: try again")
        try:
            return self._kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            raise RefusedError(422, "invalid", f"{self._name}: {where}: {first['msg']}") from error
