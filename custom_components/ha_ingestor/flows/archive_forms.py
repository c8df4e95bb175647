"""The forms of the archive, and what was entered in them."""

from collections.abc import Mapping
from typing import Any, Final

import probatio

from homeassistant.const import CONF_REGION, CONF_VERIFY_SSL
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from ..const import (
    CONF_ACCESS_KEY_ID,
    CONF_BUCKET,
    CONF_COMPRESSION,
    CONF_ENDPOINT_URL,
    CONF_EXPIRY_YEARS,
    CONF_FOLDER,
    CONF_HAS_LIFECYCLE,
    CONF_IS_PATH_STYLE,
    CONF_PREFIX,
    CONF_SECRET_ACCESS_KEY,
    CONF_SERVICE,
    CONF_STORAGE_CLASS,
    CONF_TIERS,
)
from ..maintenance.archive_settings import (
    DEFAULT_EXPIRY_YEARS,
    DEFAULT_PREFIX,
    OPTIONAL_TIERS,
    ArchiveService,
    default_storage_class,
)
from ..retention.keys import ArchiveKeys, clean_prefix
from ..retention.parquet import Compression
from ..retention.tiers import Tier
from .problems import FormProblemError

# Readable at once; those that must be thawed first cannot be read back and compared.
STORAGE_CLASSES: Final = (
    "GLACIER_IR",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "STANDARD",
)
MAX_EXPIRY_YEARS: Final = 100

_TEXT: Final = TextSelector()
_URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
_SECRET: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_KEYS: Final[dict[probatio.Marker, Any]] = {
    probatio.Optional(CONF_ACCESS_KEY_ID): _TEXT,
    probatio.Optional(CONF_SECRET_ACCESS_KEY): _SECRET,
}
_PLACE: Final[dict[probatio.Marker, Any]] = {
    probatio.Optional(CONF_PREFIX): _TEXT,
    probatio.Required(CONF_FOLDER): _TEXT,
}

TARGET_SCHEMAS: Final[Mapping[ArchiveService, probatio.Schema]] = {
    ArchiveService.AWS: probatio.Schema(
        {
            probatio.Required(CONF_BUCKET): _TEXT,
            probatio.Optional(CONF_REGION): _TEXT,
            **_KEYS,
            probatio.Required(CONF_STORAGE_CLASS): SelectSelector(
                SelectSelectorConfig(
                    options=list(STORAGE_CLASSES), mode=SelectSelectorMode.DROPDOWN
                )
            ),
            **_PLACE,
        }
    ),
    ArchiveService.OTHER: probatio.Schema(
        {
            probatio.Required(CONF_ENDPOINT_URL): _URL,
            probatio.Required(CONF_BUCKET): _TEXT,
            **_KEYS,
            probatio.Optional(CONF_REGION): _TEXT,
            probatio.Required(CONF_IS_PATH_STYLE, default=True): BooleanSelector(),
            probatio.Required(CONF_VERIFY_SSL, default=True): BooleanSelector(),
            probatio.Optional(CONF_STORAGE_CLASS): _TEXT,
            **_PLACE,
        }
    ),
}
SETTINGS_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(CONF_TIERS, default=[]): SelectSelector(
            SelectSelectorConfig(
                options=[tier.value for tier in OPTIONAL_TIERS],
                multiple=True,
                mode=SelectSelectorMode.LIST,
                translation_key="archive_tiers",
            )
        ),
        probatio.Required(
            CONF_COMPRESSION, default=Compression.GZIP.value
        ): SelectSelector(
            SelectSelectorConfig(
                options=[kind.value for kind in Compression],
                mode=SelectSelectorMode.DROPDOWN,
                translation_key="archive_compression",
            )
        ),
        probatio.Required(
            CONF_EXPIRY_YEARS, default=DEFAULT_EXPIRY_YEARS
        ): NumberSelector(
            NumberSelectorConfig(
                min=0, max=MAX_EXPIRY_YEARS, mode=NumberSelectorMode.BOX
            )
        ),
        probatio.Required(CONF_HAS_LIFECYCLE, default=True): BooleanSelector(),
    }
)


def target_defaults(service: ArchiveService, entry_id: str) -> dict[str, Any]:
    """Return what the form of a new archive begins with."""
    defaults: dict[str, Any] = {CONF_PREFIX: DEFAULT_PREFIX, CONF_FOLDER: entry_id}
    if storage_class := default_storage_class(service):
        defaults[CONF_STORAGE_CLASS] = storage_class
    return defaults


def shown_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form may show of what is stored: no secret."""
    return {key: value for key, value in data.items() if key != CONF_SECRET_ACCESS_KEY}


def read_target_values(
    service: ArchiveService,
    user_input: Mapping[str, Any],
    stored: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what was entered, as it is stored.

    A secret that is left empty stays as it is, as long as its key does.

    Raises:
        FormProblemError: Something cannot be right.
    """
    values = {
        key: value.strip() if isinstance(value, str) else value
        for key, value in user_input.items()
    }
    values[CONF_SERVICE] = service.value
    key_id = values.setdefault(CONF_ACCESS_KEY_ID, "")
    if (
        key_id
        and stored is not None
        and stored[CONF_ACCESS_KEY_ID] == key_id
        and not values.get(CONF_SECRET_ACCESS_KEY)
    ):
        values[CONF_SECRET_ACCESS_KEY] = stored[CONF_SECRET_ACCESS_KEY]
    secret = values.setdefault(CONF_SECRET_ACCESS_KEY, "")
    if key_id and not secret:
        raise FormProblemError(CONF_SECRET_ACCESS_KEY, "secret_needed")
    if secret and not key_id:
        raise FormProblemError(CONF_ACCESS_KEY_ID, "key_needed")
    try:
        values[CONF_PREFIX] = clean_prefix(values.get(CONF_PREFIX, ""))
    except ValueError as err:
        raise FormProblemError(CONF_PREFIX, "invalid_prefix") from err
    try:
        get_root(values)
    except ValueError as err:
        raise FormProblemError(CONF_FOLDER, "invalid_folder") from err
    return values


def get_root(values: Mapping[str, Any]) -> str:
    """Return the prefix of everything of the hub, with a slash at its end.

    Raises:
        ValueError: Prefix or folder is no name that a key can have.
    """
    keys = ArchiveKeys(
        prefix=values[CONF_PREFIX], hub=values[CONF_FOLDER], tier=Tier.DAILY.value
    )
    return keys.hub_root
