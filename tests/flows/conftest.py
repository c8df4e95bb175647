"""Fixtures of the tests of the flows."""

from collections.abc import Iterator
from unittest.mock import AsyncMock, MagicMock, patch

import pytest

from tests.flows.kit import SERVER, SUCCESS
from tests.flows.texts import check_flow_texts

FLOW = "custom_components.ha_ingestor.config_flow"


@pytest.fixture(autouse=True)
def _checked_texts() -> Iterator[None]:
    with check_flow_texts():
        yield


@pytest.fixture(autouse=True)
def setup_entry() -> Iterator[AsyncMock]:
    """Keep new hubs from starting: what matters here is what is stored."""
    with patch(
        "custom_components.ha_ingestor.async_setup_entry",
        AsyncMock(return_value=True),
    ) as mock:
        yield mock


@pytest.fixture
def probe() -> Iterator[MagicMock]:
    """Answer for the connection test; it succeeds unless told otherwise."""
    with patch(f"{FLOW}.probe_target", autospec=True, return_value=SUCCESS) as mock:
        yield mock


@pytest.fixture
def detect() -> Iterator[MagicMock]:
    with patch(f"{FLOW}.detect", autospec=True, return_value=SERVER) as mock:
        yield mock
