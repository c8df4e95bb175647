"""A provider that accepts connections and says nothing, or never gets to the end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class SilentServer:
    """What the test may look at and let go.

    Attributes:
        url: Base URL.
        asked: How many connections have sent something.
        gone: How many clients have given up.
    """

    url: str
    asked: int = 0
    gone: int = 0


@asynccontextmanager
async def serve_silence(first_words: bytes = b"") -> AsyncGenerator[SilentServer]:
    """Serve, until the end of the block, nothing after these words."""
    connections: set[asyncio.StreamWriter] = set()

    async def handle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connections.add(writer)
        await reader.readline()
        silent.asked += 1
        writer.write(first_words)
        while await reader.read(65_536):
            pass
        silent.gone += 1
        connections.discard(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = SilentServer(f"http://127.0.0.1:{port}")
    try:
        yield silent
    finally:
        server.close()
        for writer in connections:
            writer.close()
        await server.wait_closed()
