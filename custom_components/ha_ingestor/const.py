"""Constants that more than one module uses; no logic."""

from datetime import timedelta
from typing import Final

DOMAIN: Final = "ha_ingestor"

# --- entry.data: where the hub writes to (see store/influx/target.py) ---
CONF_API_VERSION: Final = "api_version"  # "1", "2" or "3"
CONF_CA_CERTIFICATE: Final = "ca_certificate"  # PEM text
CONF_ORGANIZATION: Final = "organization"
CONF_STORE: Final = "store"  # database on 1.x and 3.x, bucket on 2.x

# --- entry.options (see options.py for defaults and meaning) ---
CONF_INCLUDE_DOMAINS: Final = "include_domains"
CONF_INCLUDE_ENTITIES: Final = "include_entities"
CONF_INCLUDE_GLOBS: Final = "include_globs"
CONF_EXCLUDE_DOMAINS: Final = "exclude_domains"
CONF_EXCLUDE_ENTITIES: Final = "exclude_entities"
CONF_EXCLUDE_GLOBS: Final = "exclude_globs"
CONF_EVENT_KINDS: Final = "event_kinds"
CONF_ATTRIBUTES: Final = "attributes"
CONF_CONTEXT_FIELDS: Final = "context_fields"
CONF_WEATHER_ENTITY: Final = "weather_entity"
CONF_OUTDOOR_TEMPERATURE_ENTITY: Final = "outdoor_temperature_entity"
CONF_CARBON_ENTITY: Final = "carbon_intensity_entity"
CONF_PRICE_ENTITY: Final = "electricity_price_entity"
CONF_PRESENCE_ENTITIES: Final = "presence_entities"
CONF_FLUSH_INTERVAL_S: Final = "flush_interval_s"
CONF_BUFFER_MIB: Final = "buffer_mib"
CONF_IS_FULL_SYNC: Final = "full_sync"
CONF_STATIC_TAGS: Final = "static_tags"

# --- measurements ---
MEASUREMENT_EVENTS: Final = "home_assistant_events"
MEASUREMENT_ACTIVITY: Final = "home_assistant_activity"
MEASUREMENT_PROBE: Final = "ha_ingestor_probe"

# --- actions ---
SERVICE_FLUSH: Final = "flush"
SERVICE_PREVIEW: Final = "preview"
ATTR_CONFIG_ENTRY_ID: Final = "config_entry_id"

# Health sensors need no finer step, and each update is written to the
# recorder's database, which may be an SD card.
PIPELINE_UPDATE_INTERVAL: Final = timedelta(seconds=30)
