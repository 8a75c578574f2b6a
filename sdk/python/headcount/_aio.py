"""The client for asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Iterable, List, Optional

from ._client import AnyEvent, Headcount, Options
from ._errors import Receipt
from ._events import Event
from ._metrics import Day, FeatureUsage, PlatformMetrics, UserEngagement

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncHeadcount:
    """`Headcount` for asyncio, with the same options: what waits for the network runs on a thread and is awaited."""

    def __init__(self, **options: Unpack[Options]) -> None:
        self._client = Headcount(**options)

    async def track_event(self, event: Optional[AnyEvent] = None, /, **fields: Unpack[Event]) -> Receipt:
        """As `Headcount.track_event`."""
        return await asyncio.to_thread(self._client.track_event, event, **fields)

    async def track_event_batch(self, events: Iterable[AnyEvent], /) -> List[Receipt]:
        """As `Headcount.track_event_batch`."""
        return await asyncio.to_thread(self._client.track_event_batch, list(events))

    def queue_event(self, event: Optional[AnyEvent] = None, /, **fields: Unpack[Event]) -> Receipt:
        """As `Headcount.queue_event`, which never waits."""
        return self._client.queue_event(event, **fields)

    async def flush(self) -> None:
        """As `Headcount.flush`."""
        await asyncio.to_thread(self._client.flush)

    async def close(self) -> None:
        """As `Headcount.close`."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> AsyncHeadcount:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get_platform_metrics(
        self, start: Day, end: Optional[Day] = None, *, compare: bool = False
    ) -> PlatformMetrics:
        """As `Headcount.get_platform_metrics`."""
        return await asyncio.to_thread(self._client.get_platform_metrics, start, end, compare=compare)

    async def get_feature_usage(self, start: Day, end: Optional[Day] = None) -> FeatureUsage:
        """As `Headcount.get_feature_usage`."""
        return await asyncio.to_thread(self._client.get_feature_usage, start, end)

    async def get_user_engagement(self, start: Day, end: Optional[Day] = None) -> UserEngagement:
        """As `Headcount.get_user_engagement`."""
        return await asyncio.to_thread(self._client.get_user_engagement, start, end)
