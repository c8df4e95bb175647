"""The rule by which a bucket forgets old archives."""

from typing import Any

import pytest

from custom_components.ha_ingestor.errors import (
    ArchiveBucketMissingError,
    ArchiveError,
    ArchiveMismatchError,
    ArchivePermissionError,
    ArchiveProtocolError,
    ArchiveUnsupportedError,
)
from custom_components.ha_ingestor.retention.lifecycle import (
    add_expiry_rule,
    expiry_configuration,
)
from custom_components.ha_ingestor.retention.s3 import S3Bucket
from devlib.s3_server import S3Server
from tests.faults.proxy import Fault, FaultProxy
from tests.retention.archive_kit import (
    BUCKET,
    KEYS,
    only,
    page_for_all,
    s3_error,
    target,
    through,
)

RULE: dict[str, Any] = {
    "ID": "ha_ingestor homes/mine/01HUB/",
    "Status": "Enabled",
    "Filter": {"Prefix": "homes/mine/01HUB/"},
    "Expiration": {"Days": 1_826},
}
OTHERS: list[dict[str, Any]] = [
    {
        "ID": "logs",
        "Status": "Disabled",
        "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}]}},
        "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
        "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
    },
    {
        "ID": "uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
    },
]


def rules_of(bucket: S3Bucket) -> list[dict[str, Any]]:
    answer = bucket.client.get_bucket_lifecycle_configuration(Bucket=BUCKET)
    rules: list[dict[str, Any]] = answer["Rules"]
    return rules


def set_rules(bucket: S3Bucket, rules: list[dict[str, Any]]) -> None:
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=BUCKET, LifecycleConfiguration={"Rules": rules}
    )


def test_the_rule_is_added_once(bucket: S3Bucket) -> None:
    assert add_expiry_rule(bucket, KEYS.hub_root) is True
    assert add_expiry_rule(bucket, KEYS.hub_root) is False

    assert rules_of(bucket) == [RULE]


def test_rules_of_others_stay_as_they_are(bucket: S3Bucket) -> None:
    set_rules(bucket, OTHERS)
    before = rules_of(bucket)

    add_expiry_rule(bucket, KEYS.hub_root)
    add_expiry_rule(bucket, KEYS.hub_root, days=30)
    add_expiry_rule(bucket, "homes/other/")

    rules = rules_of(bucket)
    assert rules[:2] == before
    assert rules[2] == {**RULE, "Expiration": {"Days": 30}}
    assert rules[3]["Filter"] == {"Prefix": "homes/other/"}


def test_the_rule_can_be_shown_instead() -> None:
    assert expiry_configuration(KEYS.hub_root) == {"Rules": [RULE]}


def xml_answer(body: str) -> Fault:
    data = body.encode()

    def fault(connection: Any) -> None:
        connection.answer(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
            b"x-amz-transition-default-minimum-object-size: varies_by_storage_class\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(data), data)
        )

    return fault


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(
            xml_answer(
                "<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status>"
                "<Prefix>a</Prefix><AllVersionsExpiration><Days>1</Days>"
                "</AllVersionsExpiration></Rule></LifecycleConfiguration>"
            ),
            ArchiveUnsupportedError,
            id="kind-of-another-service",
        ),
        pytest.param(page_for_all, ArchiveProtocolError, id="page"),
        pytest.param(xml_answer(""), ArchiveProtocolError, id="nothing"),
        pytest.param(
            s3_error(501, "NotImplemented"), ArchiveUnsupportedError, id="501"
        ),
        pytest.param(s3_error(403, "AccessDenied"), ArchivePermissionError, id="403"),
        pytest.param(
            s3_error(404, "NoSuchBucket"), ArchiveBucketMissingError, id="404"
        ),
    ],
)
def test_where_rules_cannot_be_read_none_is_written(
    far_bucket: S3Bucket,
    bucket: S3Bucket,
    proxy: FaultProxy,
    fault: Fault,
    expected: type[ArchiveError],
) -> None:
    set_rules(bucket, OTHERS)
    before = rules_of(bucket)
    proxy.fault = only("GET", fault)

    with pytest.raises(ArchiveError) as raised:
        add_expiry_rule(far_bucket, KEYS.hub_root)

    assert type(raised.value) is expected
    assert rules_of(bucket) == before


def test_the_default_size_of_transitions_is_kept(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    seen: list[bytes] = []

    def watch(connection: Any) -> None:
        seen.append(connection.raw.lower())
        through(connection)

    answers = {b"GET": xml_answer("<LifecycleConfiguration></LifecycleConfiguration>")}

    def fault(connection: Any) -> None:
        answers.get(connection.raw[:3], watch)(connection)

    proxy.fault = fault

    with pytest.raises(ArchiveMismatchError):
        add_expiry_rule(far_bucket, KEYS.hub_root)

    assert (
        b"x-amz-transition-default-minimum-object-size: varies_by_storage_class"
        in seen[0]
    )


def test_a_rule_that_did_not_arrive_is_noticed(
    far_bucket: S3Bucket, proxy: FaultProxy
) -> None:
    proxy.fault = only("PUT", xml_answer(""))

    with pytest.raises(ArchiveError):
        add_expiry_rule(far_bucket, KEYS.hub_root)


def test_a_missing_bucket_has_no_rules(s3: S3Server) -> None:
    bucket = S3Bucket(target(s3.url, bucket="not-mine"))

    with pytest.raises(ArchiveBucketMissingError):
        add_expiry_rule(bucket, KEYS.hub_root)
    bucket.close()
