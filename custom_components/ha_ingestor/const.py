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
CONF_INCLUDE_AREAS: Final = "include_areas"
CONF_EXCLUDE_AREAS: Final = "exclude_areas"
CONF_INCLUDE_LABELS: Final = "include_labels"
CONF_EXCLUDE_LABELS: Final = "exclude_labels"
CONF_INCLUDE_DEVICES: Final = "include_devices"
CONF_EXCLUDE_DEVICES: Final = "exclude_devices"
CONF_SAMPLING: Final = "sampling"
CONF_GLOB: Final = "glob"
CONF_MIN_INTERVAL_S: Final = "min_interval_s"
CONF_DEADBAND: Final = "deadband"
CONF_DEADBAND_PERCENT: Final = "deadband_percent"
CONF_HEARTBEAT_S: Final = "heartbeat_s"
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
CONF_IS_NEWEST_FIRST: Final = "newest_first"
CONF_STATIC_TAGS: Final = "static_tags"
# How long each tier keeps its rows (see maintenance/storage_options.py).
CONF_STORAGE_ENABLED: Final = "storage_enabled"
CONF_RAW_DAYS: Final = "raw_days"  # here and below: 0 for ever
CONF_HOURLY_DAYS: Final = "hourly_days"
CONF_DAILY_DAYS: Final = "daily_days"
CONF_ACTIVITY_DAYS: Final = "activity_days"
CONF_AGE_OVERRIDES: Final = "age_overrides"
CONF_TARGET: Final = "target"
CONF_HOURLY_AT: Final = "hourly_at"
CONF_DAILY_AT: Final = "daily_at"
CONF_PRICE_PER_GB_MONTH: Final = "price_per_gb_month"

# Subentry that feeds a context field, where there are several of its kind.
CONF_CARBON_SOURCE: Final = "carbon_intensity_source"
CONF_PRICE_SOURCE: Final = "electricity_price_source"
CONF_OCCUPANCY_SOURCE: Final = "occupancy_source"

# --- subentry.data: a source (see sources/base.py) ---
CONF_PROVIDER: Final = "provider"  # key of its SourceDescription
CONF_ARGUMENTS: Final = "arguments"  # what the provider has to know
CONF_SETTINGS: Final = "settings"  # what its kind makes of the answers

# --- subentry.data: the archive (see maintenance/archive_settings.py) ---
SUBENTRY_ARCHIVE: Final = "archive"
CONF_SERVICE: Final = "service"  # "aws", or "other" that speaks S3
CONF_BUCKET: Final = "bucket"
CONF_ENDPOINT_URL: Final = "endpoint_url"
CONF_IS_PATH_STYLE: Final = "path_style"
CONF_ACCESS_KEY_ID: Final = "access_key_id"
CONF_SECRET_ACCESS_KEY: Final = "secret_access_key"  # noqa: S105 - a name
CONF_PREFIX: Final = "prefix"
CONF_FOLDER: Final = "folder"  # tells two hubs in one bucket apart
CONF_STORAGE_CLASS: Final = "storage_class"
CONF_COMPRESSION: Final = "compression"
CONF_TIERS: Final = "tiers"  # beside the daily one
CONF_EXPIRY_YEARS: Final = "expiry_years"  # 0 for never
CONF_HAS_LIFECYCLE: Final = "add_lifecycle_rule"

# --- measurements ---
MEASUREMENT_EVENTS: Final = "home_assistant_events"
MEASUREMENT_ACTIVITY: Final = "home_assistant_activity"
MEASUREMENT_STATISTICS: Final = "home_assistant_statistics"
MEASUREMENT_HOURLY: Final = "hourly_aggregates"
MEASUREMENT_DAILY: Final = "daily_aggregates"
MEASUREMENT_PROBE: Final = "ha_ingestor_probe"
MEASUREMENT_ARCHIVE: Final = "archive_metadata"
MEASUREMENT_CARBON: Final = "carbon_intensity"
MEASUREMENT_CARBON_FORECAST: Final = "carbon_intensity_forecast"
MEASUREMENT_PRICE: Final = "electricity_pricing"
MEASUREMENT_PRICE_FORECAST: Final = "electricity_pricing_forecast"
MEASUREMENT_AIR_QUALITY: Final = "air_quality"
MEASUREMENT_OCCUPANCY: Final = "occupancy_prediction"
MEASUREMENT_METER: Final = "smart_meter"
MEASUREMENT_METER_CIRCUIT: Final = "smart_meter_circuit"

# --- actions ---
SERVICE_DISCARD_DEAD_LETTERS: Final = "discard_dead_letters"
SERVICE_FLUSH: Final = "flush"
SERVICE_GET_SOURCES: Final = "get_sources"
SERVICE_LIST_DEAD_LETTERS: Final = "list_dead_letters"
SERVICE_PREVIEW: Final = "preview"
SERVICE_REPLAY_DEAD_LETTERS: Final = "replay_dead_letters"
SERVICE_BACKFILL: Final = "backfill"
SERVICE_BACKFILL_CSV: Final = "backfill_csv"
SERVICE_LIST_JOBS: Final = "list_jobs"
SERVICE_CANCEL_JOB: Final = "cancel_job"
SERVICE_FIND_BEST_WINDOW: Final = "find_best_window"
SERVICE_FIND_CHEAPEST_WINDOW: Final = "find_cheapest_window"
SERVICE_FIND_GREENEST_WINDOW: Final = "find_greenest_window"
SERVICE_DOWNSAMPLE_HOURLY: Final = "downsample_hourly"
SERVICE_DOWNSAMPLE_DAILY: Final = "downsample_daily"
SERVICE_RUN_MAINTENANCE: Final = "run_maintenance"
SERVICE_REFRESH_VIEWS: Final = "refresh_views"
SERVICE_GET_HISTORY: Final = "get_history"
SERVICE_QUERY_VIEW: Final = "query_view"
SERVICE_RETENTION_STATS: Final = "retention_stats"
SERVICE_RETENTION_HISTORY: Final = "retention_history"
SERVICE_ARCHIVE_TO_S3: Final = "archive_to_s3"
SERVICE_LIST_ARCHIVES: Final = "list_archives"
SERVICE_RESTORE_FROM_ARCHIVE: Final = "restore_from_archive"
ATTR_CURSOR: Final = "cursor"
ATTR_TIER: Final = "tier"
ATTR_WRITE_BACK: Final = "write_back"
ATTR_DRY_RUN: Final = "dry_run"
ATTR_ACCEPT_MISSING: Final = "accept_missing"
ATTR_END: Final = "end"
ATTR_JOB_ID: Final = "job_id"
ATTR_PATH: Final = "path"
ATTR_START: Final = "start"
ATTR_STATISTICS: Final = "statistics"
ATTR_CONFIG_ENTRY_ID: Final = "config_entry_id"
ATTR_REASON_CLASS: Final = "reason_class"

# Health sensors need no finer step, and each update is written to the
# recorder's database, which may be an SD card.
PIPELINE_UPDATE_INTERVAL: Final = timedelta(seconds=30)
