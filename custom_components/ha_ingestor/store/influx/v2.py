"""InfluxDB 2.x through its v1 API: the bucket is the database.

Since 2.5 a bucket whose name has no slash is its own default mapping (2.7:
dbrp/service.go:249-255), so that neither a mapping nor a retention policy needs to
be named.
"""

from typing import Final, override

from .target import Target
from .v1 import V1Dialect

# Any user goes with a token as the password (2.7: v1/authorization/authorizer.go:48).
# A v1 user of this name would be asked for its own password instead.
BASIC_USER: Final = "ha_ingestor"


class V2Dialect(V1Dialect):
    """2.5 and later, OSS and Cloud."""

    @override
    def credentials(self, target: Target) -> tuple[str, str] | None:
        return (BASIC_USER, target.token) if target.token else None
