"""Adding and changing the archive in the UI, against a real S3 API."""

import asyncio
from collections.abc import Generator
import json
import re
import threading
from typing import Any
from unittest.mock import MagicMock, patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.errors import (
    ArchiveDiskError,
    ArchiveError,
    ArchiveTargetError,
)
from custom_components.ha_ingestor.flows.archive_problems import (
    describe_archive_error,
)
from custom_components.ha_ingestor.maintenance.archive_settings import ArchiveService
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from devlib.s3_server import S3Server
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from tests.archive.kit import SUBENTRY_ID, archive_data, subentry_of
from tests.faults.proxy import FaultProxy, reset
from tests.flows.texts import find_faults, get_suggestions, load_translations
from tests.retention.archive_kit import (
    BUCKET,
    KEY_ID,
    SECRET,
    Fault,
    only,
    page_for_all,
    s3_error,
    turn_bit,
)

INSTALL = "homeassistant.util.package.install_package"
IS_INSTALLED = "homeassistant.util.package.is_installed"
TEXTS = load_translations()["config_subentries"]["archive"]


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    """A hub that does not run: what matters here is what is stored."""
    entry = MockConfigEntry(domain=DOMAIN, title="Test", data={}, entry_id="01HUB")
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def changed(hass: HomeAssistant, s3: S3Server) -> MockConfigEntry:
    """One that has an archive already."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Test",
        data={},
        entry_id="01HUB",
        subentries_data=[subentry_of(archive_data(s3.url, tiers=["raw"]))],
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def installer(hass: HomeAssistant) -> Generator[MagicMock]:
    """Answer for pip, as if the packages were not there yet."""
    hass.config.skip_pip = False
    with (
        patch(
            IS_INSTALLED,
            side_effect=lambda package: not package.startswith(("boto3", "pyarrow")),
        ),
        patch(INSTALL, return_value=True) as install,
    ):
        yield install


def other_input(url: str, **changes: Any) -> dict[str, Any]:
    """Fill the form of a service at home."""
    return {
        "endpoint_url": f" {url} ",
        "bucket": BUCKET,
        "access_key_id": KEY_ID,
        "secret_access_key": SECRET,
        "path_style": True,
        "verify_ssl": True,
        "prefix": "/homes/",
        "folder": "01HUB",
    } | changes


SETTINGS: dict[str, Any] = {
    "tiers": [],
    "compression": "gzip",
    "expiry_years": 5,
    "add_lifecycle_rule": False,
}


async def begin(
    hass: HomeAssistant, entry: MockConfigEntry, service: str = "other"
) -> dict[str, Any]:
    """Begin the flow and choose in its menu."""
    menu = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "archive"), context={"source": SOURCE_USER}
    )
    assert menu["menu_options"] == ["aws", "other"]
    assert find_faults(TEXTS, menu) == []
    return await submit(hass, menu, {"next_step_id": service})


async def begin_change(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    return dict(
        await hass.config_entries.subentries.async_init(
            (entry.entry_id, "archive"),
            context={"source": SOURCE_RECONFIGURE, "subentry_id": SUBENTRY_ID},
        )
    )


async def submit(
    hass: HomeAssistant, form: Any, user_input: dict[str, Any]
) -> dict[str, Any]:
    """Send a form; whatever is shown has all of its texts."""
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], user_input
    )
    assert find_faults(TEXTS, result) == []
    return dict(result)


def only_subentry(entry: MockConfigEntry) -> Any:
    (subentry,) = entry.subentries.values()
    return subentry


async def test_a_service_at_home(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server, bucket: S3Bucket
) -> None:
    form = await begin(hass, entry)
    assert get_suggestions(form["data_schema"]) == {
        "prefix": "home-assistant",
        "folder": "01HUB",
    }

    form = await submit(hass, form, other_input(s3.url))

    assert form["step_id"] == "settings"
    # What was tried is gone again.
    assert list(bucket.list_all("")) == []
    result = await submit(hass, form, SETTINGS | {"tiers": ["hourly"]})
    assert result["type"] == "create_entry"
    subentry = only_subentry(entry)
    assert subentry.title == BUCKET
    expected = archive_data(s3.url, tiers=["hourly"])
    assert {**expected, **subentry.data} == {**expected, "tiers": ["hourly"]}
    again = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "archive"), context={"source": SOURCE_USER}
    )
    assert again["reason"] == "already_configured"
    assert find_faults(TEXTS, again) == []


async def test_a_bucket_of_aws(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server
) -> None:
    form = await begin(hass, entry, "aws")
    assert get_suggestions(form["data_schema"]) == {
        "prefix": "home-assistant",
        "folder": "01HUB",
        "storage_class": "GLACIER_IR",
    }

    with patch.dict("os.environ", {"AWS_ENDPOINT_URL_S3": s3.url}):
        form = await submit(
            hass,
            form,
            {
                "bucket": BUCKET,
                "region": "us-east-1",
                "access_key_id": KEY_ID,
                "secret_access_key": SECRET,
                "storage_class": "GLACIER_IR",
                "prefix": "",
                "folder": "01HUB",
            },
        )

    assert form["step_id"] == "settings"
    await submit(hass, form, SETTINGS | {"expiry_years": 0, "add_lifecycle_rule": True})
    data = only_subentry(entry).data
    assert (data["service"], data["storage_class"]) == ("aws", "GLACIER_IR")
    assert (data["expiry_years"], data["add_lifecycle_rule"]) == (0, False)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"secret_access_key": ""}, {"secret_access_key": "secret_needed"}),
        ({"access_key_id": ""}, {"access_key_id": "key_needed"}),
        ({"prefix": "a b"}, {"prefix": "invalid_prefix"}),
        ({"folder": "a/b"}, {"folder": "invalid_folder"}),
        ({"endpoint_url": "nas"}, {"endpoint_url": "archive_wrong_target"}),
        ({"bucket": "other-bucket"}, {"bucket": "archive_bucket_missing"}),
        (
            {"endpoint_url": "http://127.0.0.1:9"},
            {"endpoint_url": "archive_unavailable"},
        ),
    ],
)
async def test_what_is_wrong_is_marked(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    s3: S3Server,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await begin(hass, entry)

    form = await submit(hass, form, other_input(s3.url, **changes))

    assert form["errors"] == errors
    shown = get_suggestions(form["data_schema"])
    assert "secret_access_key" not in shown
    assert SECRET not in json.dumps(form["description_placeholders"])
    form = await submit(hass, form, other_input(s3.url))
    assert form["step_id"] == "settings"


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        (
            only("PUT", s3_error(403, "InvalidAccessKeyId")),
            {"access_key_id": "archive_keys_refused"},
        ),
        (only("PUT", s3_error(403, "AccessDenied")), {"base": "archive_forbidden"}),
        (
            only("PUT", s3_error(400, "InvalidStorageClass")),
            {"storage_class": "archive_unsupported"},
        ),
        (
            only("GET", s3_error(403, "InvalidObjectState")),
            {"storage_class": "archive_frozen"},
        ),
        (only("GET", turn_bit, key="_probe"), {"base": "archive_mismatch"}),
        (only("PUT", page_for_all), {"endpoint_url": "archive_protocol"}),
        (only("HEAD", reset), {"endpoint_url": "archive_unavailable"}),
        (
            only("PUT", s3_error(301, "PermanentRedirect")),
            {"endpoint_url": "archive_wrong_target"},
        ),
    ],
)
async def test_what_a_service_answers(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    proxy: FaultProxy,
    fault: Fault,
    errors: dict[str, str],
) -> None:
    url = f"http://127.0.0.1:{proxy.port}"
    form = await begin(hass, entry)
    proxy.fault = fault

    form = await submit(hass, form, other_input(url))

    assert form["errors"] == errors
    proxy.fault = None
    form = await submit(hass, form, other_input(url))
    assert form["step_id"] == "settings"


@pytest.mark.parametrize(
    ("err", "service", "field", "key"),
    [
        (ArchiveDiskError("x"), ArchiveService.AWS, "base", "archive_failed"),
        (ArchiveTargetError("x"), ArchiveService.AWS, "region", "archive_wrong_target"),
    ],
)
def test_other_errors(
    err: ArchiveError, service: ArchiveService, field: str, key: str
) -> None:
    problem = describe_archive_error(err, service)

    assert (problem.field, problem.key) == (field, key)
    assert problem.placeholders == {"error": "x"}
    assert key in TEXTS["error"]


async def test_keys_that_may_not_delete_are_welcome(
    hass: HomeAssistant, entry: MockConfigEntry, proxy: FaultProxy
) -> None:
    form = await begin(hass, entry)
    proxy.fault = only("DELETE", s3_error(403, "AccessDenied"))

    form = await submit(hass, form, other_input(f"http://127.0.0.1:{proxy.port}"))

    assert form["step_id"] == "settings"


async def test_something_unexpected(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    s3: S3Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    form = await begin(hass, entry)
    with patch.object(S3Bucket, "upload", side_effect=RuntimeError(SECRET)):
        form = await submit(hass, form, other_input(s3.url))

    assert form["errors"] == {"base": "unknown"}
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_the_bucket_gets_the_rule(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server, bucket: S3Bucket
) -> None:
    form = await begin(hass, entry)
    form = await submit(hass, form, other_input(s3.url))

    await submit(hass, form, SETTINGS | {"add_lifecycle_rule": True})

    (rule,) = bucket.client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert rule["Filter"] == {"Prefix": "homes/01HUB/"}
    assert rule["Expiration"]["Days"] == 1_826
    assert only_subentry(entry).data["add_lifecycle_rule"] is True


async def test_a_rule_to_be_added_by_hand(
    hass: HomeAssistant, entry: MockConfigEntry, proxy: FaultProxy
) -> None:
    form = await begin(hass, entry)
    form = await submit(hass, form, other_input(f"http://127.0.0.1:{proxy.port}"))
    proxy.fault = only("GET", s3_error(501, "NotImplemented"), key="lifecycle")

    form = await submit(
        hass, form, SETTINGS | {"add_lifecycle_rule": True, "expiry_years": 2}
    )

    assert form["step_id"] == "lifecycle"
    shown = form["description_placeholders"]
    rule = json.loads(re.sub("(?m)^    ", "", shown["rule"]))
    assert rule["Rules"][0]["Expiration"] == {"Days": 730}
    assert "NotImplemented" in shown["error"]
    result = await submit(hass, form, {})
    assert result["type"] == "create_entry"
    assert only_subentry(entry).data["add_lifecycle_rule"] is False


async def test_changing_it_keeps_the_secret(
    hass: HomeAssistant, changed: MockConfigEntry, s3: S3Server
) -> None:
    form = await begin_change(hass, changed)
    assert find_faults(TEXTS, form) == []
    shown = get_suggestions(form["data_schema"])
    assert shown["access_key_id"] == KEY_ID
    assert "secret_access_key" not in shown
    assert SECRET not in repr(form["data_schema"].schema)
    user_input = other_input(s3.url, prefix="new")
    del user_input["secret_access_key"]

    form = await submit(hass, form, user_input)

    assert get_suggestions(form["data_schema"])["tiers"] == ["raw"]
    result = await submit(hass, form, SETTINGS | {"compression": "zstd"})
    assert result["reason"] == "reconfigure_successful"
    data = only_subentry(changed).data
    assert data["secret_access_key"] == SECRET
    assert (data["prefix"], data["compression"], data["tiers"]) == ("new", "zstd", [])


async def test_another_key_needs_its_own_secret(
    hass: HomeAssistant, changed: MockConfigEntry, s3: S3Server
) -> None:
    form = await begin_change(hass, changed)
    user_input = other_input(s3.url, access_key_id="AKIAOTHER")
    del user_input["secret_access_key"]

    form = await submit(hass, form, user_input)

    assert form["errors"] == {"secret_access_key": "secret_needed"}
    # Without any, those of the environment are used.
    del user_input["access_key_id"]
    with patch.dict(
        "os.environ", {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    ):
        form = await submit(hass, form, user_input)
    assert form["step_id"] == "settings"
    await submit(hass, form, SETTINGS)
    data = only_subentry(changed).data
    assert (data["access_key_id"], data["secret_access_key"]) == ("", "")


async def test_a_long_installation_is_shown(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server, installer: MagicMock
) -> None:
    is_done = threading.Event()
    installer.side_effect = lambda *_, **__: is_done.wait(30)
    form = await begin(hass, entry)

    result = await submit(hass, form, other_input(s3.url))

    assert result["type"] == "progress"
    assert result["progress_action"] == "install"
    assert set(TEXTS["progress"]) == {"install"}
    is_done.set()
    await hass.async_block_till_done()
    form = dict(await hass.config_entries.subentries.async_configure(result["flow_id"]))
    assert form["step_id"] == "settings"
    assert sorted(call.args[0] for call in installer.call_args_list) == [
        "boto3>=1.42.97,<2",
        "pyarrow>=23,<27",
    ]


async def test_a_form_that_is_sent_twice_at_once(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server, installer: MagicMock
) -> None:
    has_begun, is_done = threading.Event(), threading.Event()

    def install(*_: Any, **__: Any) -> bool:
        has_begun.set()
        return is_done.wait(30)

    installer.side_effect = install
    form = await begin(hass, entry)
    patience = "custom_components.ha_ingestor.flows.archive_flow._INSTALL_PATIENCE_S"
    with patch(patience, 30):
        sent = [
            hass.async_create_task(submit(hass, form, other_input(s3.url)))
            for _ in range(2)
        ]
        assert await hass.async_add_executor_job(has_begun.wait, 30)
        is_done.set()
        results = await asyncio.gather(*sent)

    assert [result["step_id"] for result in results] == ["settings"] * 2
    assert installer.call_count == 2  # a call for each package
    result = await submit(hass, form, SETTINGS)
    assert result["type"] == "create_entry"


async def test_a_failed_installation_is_tried_again(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server, installer: MagicMock
) -> None:
    installer.return_value = False
    form = await begin(hass, entry)

    form = await submit(hass, form, other_input(s3.url))

    assert form["errors"] == {"base": "not_installed"}
    assert form["description_placeholders"]["error"].startswith("Cannot be installed")
    installer.return_value = True
    form = await submit(hass, form, other_input(s3.url))
    assert form["step_id"] == "settings"


async def test_an_installation_that_breaks(
    hass: HomeAssistant, entry: MockConfigEntry, s3: S3Server
) -> None:
    form = await begin(hass, entry)
    with patch(
        "custom_components.ha_ingestor.maintenance.archive.load",
        side_effect=RuntimeError("broken"),
    ):
        form = await submit(hass, form, other_input(s3.url))

    assert form["errors"] == {"base": "unknown"}
