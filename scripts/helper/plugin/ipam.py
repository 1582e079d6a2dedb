"""The IPAM driver: what each of the engine's calls does here."""

from typing import Any

from scripts.helper.attached.driven import Driven
from scripts.helper.attached.pools import Pools
from scripts.helper.plugin import options
from scripts.helper.plugin.said import Nothing, OfPool, ReleaseAddress, RequestAddress, RequestPool
from scripts.helper.problem import RefusedError

EMPTY: dict[str, Any] = {}


class IpamDriver:
    """Answers the engine. Any thread may call."""

    def __init__(self, pools: Pools, driven: Driven) -> None:
        self._pools, self._driven = pools, driven

    def capabilities(self, _: Nothing) -> dict[str, Any]:
        """What was given out is kept here, so nothing needs to be said again."""
        return {"RequiresMACAddress": False, "RequiresRequestReplay": False}

    def spaces(self, _: Nothing) -> dict[str, Any]:
        """Names that the engine keeps pools apart by."""
        return {"LocalDefaultAddressSpace": "ContainetLocal", "GlobalDefaultAddressSpace": "ContainetGlobal"}

    def request_pool(self, asked: RequestPool) -> dict[str, Any]:
        """A pool; the same for the same request. Without a subnet it is refused, as the engine would ask for ever."""
        if asked.pool is None and asked.v6:
            raise RefusedError(
                422, "subnet", "say which IPv6 addresses: docker network create --ipv6 … --subnet fd00:42::/64 …"
            )
        if asked.pool is None:
            raise RefusedError(422, "subnet", "say which addresses: docker network create --subnet 172.15.42.0/24 …")
        vlan = options.vlan(options.known(asked.options, options.POOL))
        return {
            "PoolID": self._pools.request(asked.pool, vlan, asked.ip_range),
            "Pool": str(asked.pool),
            "Data": EMPTY,
        }

    def release_pool(self, asked: OfPool) -> dict[str, Any]:
        """It is not used any more, if its network is gone; else it goes with that."""
        pool = self._pools.records().get(asked.pool)
        if pool is not None:
            self._pools.release_unused(pool.subnet, self._driven.networks().values())
        return EMPTY

    def request_address(self, asked: RequestAddress) -> dict[str, Any]:
        """An address that nobody has on any host."""
        if asked.is_gateway:
            given = self._pools.set_gateway(asked.pool, asked.address)
        else:
            given = self._pools.give(asked.pool, asked.address)
        return {"Address": str(given), "Data": EMPTY}

    def release_address(self, asked: ReleaseAddress) -> dict[str, Any]:
        """It is free again."""
        self._pools.take_back(asked.pool, asked.address)
        return EMPTY
