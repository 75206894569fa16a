"""A PolicyReplica as Ray Serve runs it."""

from __future__ import annotations

import asyncio
from typing import Any

from rt_vla_ros.serving.cluster.replica import PolicyReplica, ReplicaSource

OWNER = 5.0  # between two checks of the owner [s]


class RayReplica(PolicyReplica):
    """Ends the application when the server that started it has ended, as Serve's applications outlive their drivers."""

    def __init__(self, source: ReplicaSource, application: str, owner: Any = None) -> None:
        """owner: an actor of the server's, which ends with it; None: the whole cluster ends with it."""
        self._application, self._owner = application, owner
        if owner is None:
            listen_locally()
        super().__init__(source)
        self._watching: asyncio.Task[None] | None = None

    async def check_health(self) -> None:
        """Called by Serve, in the event loop of the calls."""
        if self._owner is not None and self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        from ray import serve
        from ray.exceptions import RayActorError

        while True:
            try:
                await self._owner.alive.remote()
            except RayActorError:
                await asyncio.to_thread(serve.delete, self._application, False)
                return
            await asyncio.sleep(OWNER)


def listen_locally() -> None:
    """Makes the gRPC server of this replica listen on 127.0.0.1; Serve always uses all interfaces."""
    from ray.serve._private import replica

    original = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: original(server, address.replace("[::]", "127.0.0.1"))
