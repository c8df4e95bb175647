"""Diagnostics: what helps to find a fault, and nothing that is nobody's business.

No line, no state, no name of an entity and no address is in them; a list of
entities is shown as its length.
"""

from collections.abc import Collection, Iterable, Mapping
import dataclasses
import re
import sqlite3
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PATH,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    __version__ as HA_VERSION,  # noqa: N812
)
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

from .const import (
    CONF_AGE_OVERRIDES,
    CONF_ARGUMENTS,
    CONF_CA_CERTIFICATE,
    CONF_CARBON_ENTITY,
    CONF_EXCLUDE_AREAS,
    CONF_EXCLUDE_DEVICES,
    CONF_EXCLUDE_ENTITIES,
    CONF_EXCLUDE_GLOBS,
    CONF_EXCLUDE_LABELS,
    CONF_INCLUDE_AREAS,
    CONF_INCLUDE_DEVICES,
    CONF_INCLUDE_ENTITIES,
    CONF_INCLUDE_GLOBS,
    CONF_INCLUDE_LABELS,
    CONF_ORGANIZATION,
    CONF_OUTDOOR_TEMPERATURE_ENTITY,
    CONF_PRESENCE_ENTITIES,
    CONF_PRICE_ENTITY,
    CONF_PROVIDER,
    CONF_SAMPLING,
    CONF_SETTINGS,
    CONF_STATIC_TAGS,
    CONF_WEATHER_ENTITY,
    DOMAIN,
    SUBENTRY_ARCHIVE,
)
from .coordinators.health import find_state
from .data import IngestorConfigEntry
from .errors import StoreError
from .maintenance.figures import StorageFigures
from .maintenance.journal import to_stored
from .pipeline import Pipeline
from .retention.tiers import STORED_TIERS
from .sources.base import Argument, ArgumentType
from .sources.catalog import SETTINGS
from .store.schema import SCHEMA_VERSION

TO_REDACT: Final = frozenset(
    {
        CONF_CA_CERTIFICATE,
        CONF_HOST,
        CONF_ORGANIZATION,
        CONF_PASSWORD,
        CONF_PATH,
        CONF_TOKEN,
        CONF_URL,
        CONF_USERNAME,
    }
)
# Names of rooms and people are in these; how many there are is enough.
_TO_COUNT: Final = frozenset(
    {
        CONF_AGE_OVERRIDES,
        CONF_EXCLUDE_AREAS,
        CONF_EXCLUDE_DEVICES,
        CONF_EXCLUDE_ENTITIES,
        CONF_EXCLUDE_GLOBS,
        CONF_EXCLUDE_LABELS,
        CONF_INCLUDE_AREAS,
        CONF_INCLUDE_DEVICES,
        CONF_INCLUDE_ENTITIES,
        CONF_INCLUDE_GLOBS,
        CONF_INCLUDE_LABELS,
        CONF_PRESENCE_ENTITIES,
        CONF_SAMPLING,
        CONF_STATIC_TAGS,
    }
)
_TO_DENOTE: Final = frozenset(
    {
        CONF_CARBON_ENTITY,
        CONF_OUTDOOR_TEMPERATURE_ENTITY,
        CONF_PRICE_ENTITY,
        CONF_WEATHER_ENTITY,
    }
)
# Of what the user has told a source only these say nothing of who and where they
# are; a number may be that of a station on their own roof.
_SHOWN_ARGUMENTS: Final = frozenset(
    {
        ArgumentType.BOOLEAN,
        ArgumentType.DURATION,
        ArgumentType.MULTI_SELECT,
        ArgumentType.SELECT,
        ArgumentType.TIME,
    }
)
_SHOWN_SETTINGS: Final = _SHOWN_ARGUMENTS | {ArgumentType.NUMBER}
# Names of people and rooms are in these, also where an error repeats them.
_ENTITY_ID: Final = re.compile(r"\b[a-z][a-z0-9_]*\.[a-z0-9_]+\b")
_ADDRESS: Final = re.compile(
    r"\w+://[^\s\"']+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    # IPv6: in brackets, shortened, or whole; a time of day is none.
    r"|\[[0-9a-f.]*:[0-9a-f:.]*\](?::\d+)?"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::[0-9a-f:]*"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b",
    re.IGNORECASE,
)


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: IngestorConfigEntry
) -> dict[str, Any]:
    """Return what is known of a hub."""
    pipeline = entry.runtime_data.pipeline
    figures = dataclasses.asdict(pipeline.snapshot())
    for key in ("last_error", "buffer_error"):
        figures[key] = redact_words(figures[key], entry.data)
    integration = await async_get_integration(hass, DOMAIN)
    return {
        "data": async_redact_data(entry.data, TO_REDACT),
        "options": _redact_options(entry.options),
        "figures": figures,
        "work": dataclasses.asdict(pipeline.work_report()),
        "buffer": {
            "schema_version": SCHEMA_VERSION,
            "damaged_file_count": len(pipeline.buffer.damaged_files),
        },
        "sources": _describe_sources(entry),
        "storage": _describe_storage(entry),
        "archive": _describe_archive(entry),
        "server": await _async_describe_server(pipeline, entry.data),
        "versions": {
            "home_assistant": HA_VERSION,
            "integration": str(integration.version),
            "sqlite": sqlite3.sqlite_version,
        },
    }


def _describe_storage(entry: IngestorConfigEntry) -> dict[str, Any]:
    """Return how the tiers are; names of entities in errors are taken out."""
    storage = entry.runtime_data.storage
    health, options = storage.coordinator.data, storage.options
    return {
        "is_enabled": options.is_enabled,
        "ages": {tier.value: str(options.ages.of(tier)) for tier in STORED_TIERS},
        "override_count": len(options.overrides),
        "error": redact_words(storage.error, entry.data),
        "problems": [problem.value for problem in health.problems],
        "figures": _describe_figures(health.figures),
        "archive": None
        if health.archive is None
        else {
            "file_count": health.archive.file_count,
            "size_bytes": health.archive.size_bytes,
            "is_ready": health.archive.is_ready,
        },
        "next_run_at": health.next_run_at,
        "records_moved": health.records_moved,
        "last_runs": [
            {
                **to_stored(record),
                "problems": [_redact_run(text, entry.data) for text in record.problems],
                "error": _redact_run(record.error, entry.data),
            }
            for record in health.records.values()
        ],
    }


def _describe_figures(figures: StorageFigures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {
        "read_at": figures.read_at,
        "tiers": {
            tier.value: dataclasses.asdict(one) for tier, one in figures.tiers.items()
        },
        "all_raw_bytes": figures.all_raw_bytes,
    }


def _redact_run(words: str | None, data: Mapping[str, Any]) -> str | None:
    words = redact_words(words, data)
    return None if words is None else _ENTITY_ID.sub(REDACTED, words)


def _describe_sources(entry: IngestorConfigEntry) -> list[dict[str, Any]]:
    """Return how the sources are, and those that do not run."""
    running = {
        source.subentry.subentry_id: source
        for source in entry.runtime_data.sources.coordinators
    }
    described: list[dict[str, Any]] = []
    for subentry_id, subentry in entry.subentries.items():
        if subentry.subentry_type == SUBENTRY_ARCHIVE:
            continue
        item: dict[str, Any] = {
            "kind": subentry.subentry_type,
            "provider": subentry.data.get(CONF_PROVIDER),
            "state": None,
        }
        described.append(item)
        if (source := running.get(subentry_id)) is None:
            continue
        item |= {
            "state": find_state(source),
            "arguments": _redact_arguments(
                source.description.arguments,
                subentry.data.get(CONF_ARGUMENTS, {}),
                _SHOWN_ARGUMENTS,
            ),
            "settings": _redact_arguments(
                SETTINGS.get(source.kind, ()),
                subentry.data.get(CONF_SETTINGS, {}),
                _SHOWN_SETTINGS,
            ),
            "fetched_at": source.fetched_at,
            "next_refresh_at": source.next_refresh_at,
            "valid_until": source.answer.valid_until if source.answer else None,
            "attempts": source.success_rate.attempts,
            "success_rate": source.success_rate.percent,
            "last_error": _redact_source_error(source.last_error),
        }
    return described


def _describe_archive(entry: IngestorConfigEntry) -> dict[str, Any] | None:
    """Return what was chosen for the archive and how it is; not where it is."""
    archive = entry.runtime_data.storage.archive
    settings, figures = archive.settings, archive.figures
    if settings is None or figures is None:
        return None
    return {
        "service": settings.service.value,
        "storage_class": settings.target.storage_class,
        "has_keys": bool(settings.target.access_key_id),
        "is_path_style": settings.target.is_path_style,
        "verify_ssl": settings.target.verify_ssl,
        "tiers": sorted(settings.tiers),
        "compression": settings.compression.value,
        "expiry_years": settings.expiry_years,
        "has_lifecycle": settings.has_lifecycle,
        "is_ready": figures.is_ready,
        "file_count": figures.file_count,
        "size_bytes": figures.size_bytes,
        "problem": _redact_source_error(figures.problem),
    }


def _redact_arguments(
    arguments: Iterable[Argument], values: Mapping[str, Any], shown: Collection[str]
) -> dict[str, Any]:
    """Return what a source was told; of lists how long they are."""
    types = {argument.key: argument.type for argument in arguments}
    redacted: dict[str, Any] = {}
    for key, value in values.items():
        if types.get(key) in shown:
            redacted[key] = value
        elif isinstance(value, list):
            redacted[key] = len(value)
        else:
            redacted[key] = REDACTED
    return redacted


def _redact_source_error(words: str | None) -> str | None:
    if words is None:
        return None
    return _ENTITY_ID.sub(REDACTED, _ADDRESS.sub(REDACTED, words))


async def _async_describe_server(
    pipeline: Pipeline, data: Mapping[str, Any]
) -> dict[str, str | None]:
    """Ask the server what it is."""
    try:
        return {"version": await pipeline.async_ping(), "error": None}
    except StoreError as err:
        return {
            "version": None,
            "error": f"{type(err).__name__}: {redact_words(str(err), data)}",
        }


def _redact_options(options: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, value in options.items():
        if key in _TO_COUNT and isinstance(value, Collection):
            shown[key] = len(value)
        elif key in _TO_DENOTE:
            shown[key] = REDACTED if value else None
        else:
            shown[key] = value
    return shown


def redact_words(words: str | None, data: Mapping[str, Any]) -> str | None:
    """Take out of an error what says where the server is and who uses it."""
    if words is None:
        return None
    for key in sorted(TO_REDACT):
        if isinstance(secret := data.get(key), str) and secret:
            words = words.replace(secret, REDACTED)
    return _ADDRESS.sub(REDACTED, words)
