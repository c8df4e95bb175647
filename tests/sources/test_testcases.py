"""Every provider answers every case below testcases/ as it is expected to."""

from typing import Any

import pytest

from custom_components.ha_ingestor.coordinators.environment import create_source
from custom_components.ha_ingestor.errors import SourceError
from custom_components.ha_ingestor.sources.catalog import SOURCES
from homeassistant.core import HomeAssistant
from tests.sources.kit import (
    Case,
    ProviderServer,
    create_case_context,
    list_cases,
)

CASES = list_cases()


def _ids(case: Case) -> str:
    return f"{case.kind}-{case.provider}-{case.folder.name}"


async def _fetch(hass: HomeAssistant, provider: ProviderServer, case: Case) -> Any:
    args = case.read("args.json")
    provider.answers = case.read_answers()
    source = create_source(hass, SOURCES[case.provider], args["arguments"])
    try:
        return await source.async_fetch(create_case_context(args))
    finally:
        await source.async_close()


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.is_error], ids=_ids
)
async def test_an_answer_is_understood(
    hass: HomeAssistant, provider: ProviderServer, case: Case
) -> None:
    result = await _fetch(hass, provider, case)

    data = result.data
    assert {
        "place": result.place,
        "valid_until": data.valid_until.isoformat(),
        "summary": data.summary,
        "data": data.to_json(),
    } == case.read("expected.json")
    assert type(data).from_json(data.to_json()) == data


@pytest.mark.parametrize("case", [case for case in CASES if case.is_error], ids=_ids)
async def test_an_error_is_understood(
    hass: HomeAssistant, provider: ProviderServer, case: Case
) -> None:
    with pytest.raises(SourceError) as caught:
        await _fetch(hass, provider, case)

    error = caught.value
    fields = ("argument", "key", "retry_after_s", "is_rate_limited")
    assert {
        "error": type(error).__name__,
        "words": str(error),
        **{
            name: value
            for name in fields
            if (value := getattr(error, name, None)) not in {None, False}
        },
    } == case.read("expected_error.json")


@pytest.mark.parametrize("key", SOURCES)
def test_every_provider_has_cases(key: str) -> None:
    cases = {case.folder.name for case in CASES if case.provider == key}

    assert cases
