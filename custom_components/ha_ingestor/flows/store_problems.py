"""What a person can do about an error of InfluxDB, and in which field."""

from collections.abc import Mapping
import ssl
from typing import Any, Final

from homeassistant.const import (
    CONF_HOST,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_SSL,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
)

from ..const import CONF_ORGANIZATION, CONF_STORE
from ..errors import (
    StoreAuthError,
    StoreError,
    StoreHostUnknownError,
    StoreMissingError,
    StoreOrganizationMissingError,
    StorePermissionError,
    StoreProtocolError,
    StoreRefusedError,
    StoreRight,
    StoreTimeoutError,
    StoreTlsError,
    StoreUnavailableError,
    StoreUnsupportedError,
    StoreVersionError,
)
from ..store.influx.target import ApiVersion, Target
from .hub_forms import SECTION_TLS
from .problems import FIELD_BASE, FormProblem

# The two problems that lead to another form instead of a mark in this one.
KEY_STORE_MISSING: Final = "store_missing"
KEY_WRONG_GENERATION: Final = "wrong_generation"

# Errors whose cause is the address, the most special ones first.
_ADDRESS_KEYS: Final = (
    (StoreHostUnknownError, "host_unknown"),
    (StoreRefusedError, "connection_refused"),
    (StoreTimeoutError, "timeout"),
    (StoreUnavailableError, "unavailable"),
    (StoreProtocolError, "not_influxdb"),
    (StoreUnsupportedError, "too_old"),
)
_RIGHT_KEYS: Final = {
    StoreRight.READ: "right_missing_read",
    StoreRight.WRITE: "right_missing_write",
    StoreRight.DELETE: "right_missing_delete",
    None: "right_missing",
}


def describe_store_error(error: StoreError, target: Target) -> FormProblem:
    """Return what is wrong with the form of a generation.

    Args:
        error: What trying the target raised.
        target: What the form says.
    """
    field = CONF_HOST if target.api_version is ApiVersion.V1 else CONF_URL
    match error:
        case StoreVersionError():
            return FormProblem(
                field,
                KEY_WRONG_GENERATION,
                {"expected": error.expected, "found": error.found},
            )
        case StoreAuthError():
            return _describe_auth_error(target)
        case StorePermissionError():
            return _describe_permission_error(error, target)
        case StoreOrganizationMissingError():
            return FormProblem(
                CONF_ORGANIZATION,
                "organization_missing",
                {"organization": target.organization},
            )
        case StoreMissingError():
            return FormProblem(CONF_STORE, KEY_STORE_MISSING, {"store": target.store})
    return _describe_address_error(
        error,
        field,
        host=target.host,
        port=target.port,
        verify_ssl=target.verify_ssl,
    )


def describe_detect_error(
    error: StoreError, address: Mapping[str, Any], *, verify_ssl: bool
) -> FormProblem:
    """Return what is wrong with the form that asks only for a URL.

    Args:
        error: What asking the server raised.
        address: Host and port, under their keys in entry data.
        verify_ssl: Whether the certificate was checked.
    """
    if isinstance(error, StoreAuthError | StorePermissionError):
        return FormProblem(FIELD_BASE, "credentials_needed", {"reason": str(error)})
    return _describe_address_error(
        error,
        CONF_URL,
        host=address[CONF_HOST],
        port=address[CONF_PORT],
        verify_ssl=verify_ssl,
    )


def _describe_address_error(
    error: StoreError, field: str, *, host: str, port: int, verify_ssl: bool
) -> FormProblem:
    """Return what is wrong on the way to the server."""
    placeholders = {"host": host, "port": str(port), "reason": str(error)}
    if isinstance(error, StoreTlsError):
        if verify_ssl and _is_about_certificate(error):
            return FormProblem(SECTION_TLS, "certificate_not_trusted", placeholders)
        field = CONF_SSL if field == CONF_HOST else field
        return FormProblem(field, "tls_not_spoken", placeholders)
    for error_type, key in _ADDRESS_KEYS:
        if isinstance(error, error_type):
            return FormProblem(field, key, placeholders)
    return FormProblem(FIELD_BASE, "test_failed", placeholders)


def _is_about_certificate(error: StoreTlsError) -> bool:
    """Tell an untrusted certificate from a port that does not speak TLS."""
    cause = error.__cause__
    if cause is None:
        return True
    return any(
        isinstance(part, ssl.SSLCertVerificationError) for part in (cause, *cause.args)
    )


def _describe_auth_error(target: Target) -> FormProblem:
    """Mark the secret, or what was left out although the server asks for it."""
    if target.api_version is not ApiVersion.V1:
        key = "token_refused" if target.token else "token_needed"
        return FormProblem(CONF_TOKEN, key)
    if not target.username:
        return FormProblem(CONF_USERNAME, "user_needed")
    return FormProblem(CONF_PASSWORD, "password_refused")


def _describe_permission_error(
    error: StorePermissionError, target: Target
) -> FormProblem:
    """Name the right that is missing, and what gives it."""
    placeholders = {
        "store": target.store,
        "reason": str(error),
        "command": _get_grant_command(target),
    }
    if error.right is StoreRight.CREATE:
        command = get_create_command(target)
        return FormProblem(
            FIELD_BASE, "create_not_allowed", {**placeholders, "command": command}
        )
    field = CONF_USERNAME if target.api_version is ApiVersion.V1 else CONF_TOKEN
    return FormProblem(field, _RIGHT_KEYS[error.right], placeholders)


def get_create_command(target: Target) -> str:
    """Return what an administrator types on the server to create the store."""
    if target.api_version is ApiVersion.V3:
        return f'influxdb3 create database "{target.store}"'
    if target.api_version is ApiVersion.V2:
        return (
            f'influx bucket create --name "{target.store}"'
            f' --org "{target.organization}" --retention 0'
        )
    command = f'CREATE DATABASE "{target.store}"'
    return f"{command}; {_get_grant_command(target)}" if target.username else command


def _get_grant_command(target: Target) -> str:
    """Return what an administrator types on the server to give the rights."""
    if target.api_version is ApiVersion.V3:
        return "influxdb3 create token --admin"
    if target.api_version is ApiVersion.V2:
        return (
            f'influx auth create --org "{target.organization}"'
            " --read-buckets --write-buckets"
        )
    return f'GRANT ALL ON "{target.store}" TO "{target.username}"'
