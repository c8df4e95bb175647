"""How bodies are compressed: on disk as they go over the network."""

from typing import Final
import zlib

# gzip's header; level 1 is an eighth of the text already, more costs more than
# the network.
_GZIP_WBITS: Final = 31
GZIP_LEVEL: Final = 1


def compress(body: bytes) -> bytes:
    """Return a body as one gzip member."""
    return zlib.compress(body, GZIP_LEVEL, _GZIP_WBITS)


def decompress(body: bytes) -> bytes:
    """Return what `compress` was given."""
    return zlib.decompress(body, _GZIP_WBITS)
