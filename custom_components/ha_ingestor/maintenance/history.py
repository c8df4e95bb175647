"""The past of entities, as the rest of the integration asks for it. Event loop only."""

from ..history.query import HistoryPage, HistoryQuery
from ..history.reader import HistoryReader
from .storage import HubStorage


async def async_read_history(storage: HubStorage, query: HistoryQuery) -> HistoryPage:
    """Answer a question about the past, or a page of it.

    Who may see it is for the caller to say. History goes by entity_id: what an entity
    was called before is in `home_assistant_activity`.

    Raises:
        HistoryArgumentError: It is asked for wrongly.
        StoreError: InfluxDB cannot answer it.
        ArchiveError: The archive cannot.
        RetentionError: It is not known which tier holds what.
    """
    reader = HistoryReader(
        storage.tiers,
        storage.checkpoint,
        zone=storage.zone,
        archive=storage.archive.open_reader,
    )
    return await storage.async_ask(lambda work: reader.read(query, work))
