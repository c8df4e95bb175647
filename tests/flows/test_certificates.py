"""Certificates of authorities that a user uploads, and servers that need them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
import ssl
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ha_ingestor.const import DOMAIN
from custom_components.ha_ingestor.flows.certificate import (
    MAX_CERTIFICATE_BYTES,
    CertificateError,
    convert_to_pem,
    read_uploaded_certificate,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.conftest import Upload
from tests.flows.kit import TLS, start, submit
from tests.flows.texts import get_field_names, get_suggestions
from tests.stand_ins.influxdb_v3 import ADMIN_TOKEN as V3_TOKEN, InfluxDb3StandIn

ADMIN = ("admin", "secret of the admin")
WRITER = ("writer", "secret of the writer")
UNKNOWN_FILE_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """An authority and a server that it vouches for."""

    authority: x509.Certificate
    other_authority: x509.Certificate
    key_pem: bytes
    context: ssl.SSLContext

    @property
    def pem(self) -> bytes:
        return self.authority.public_bytes(Encoding.PEM)


def make_certificate(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def make_authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return (
        make_certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )


def make_server_certificate(
    issuer: str, issuer_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    return (
        make_certificate("influxdb", issuer, key)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def make_context(
    folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> ssl.SSLContext:
    path = folder / "server.pem"
    path.write_bytes(key_to_pem(key) + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    authority_key, key, other_key = (
        ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
    )
    server = make_server_certificate("Home CA", authority_key, key)
    return Certificates(
        authority=make_authority("Home CA", authority_key),
        other_authority=make_authority("Other CA", other_key),
        key_pem=key_to_pem(authority_key),
        context=make_context(tmp_path_factory.mktemp("tls"), server, key),
    )


@pytest.fixture
def https(certificates: Certificates) -> Iterator[InfluxDb3StandIn]:
    """A server with a certificate of an authority that nobody knows."""
    with InfluxDb3StandIn(
        databases=("home_assistant",), tls=certificates.context
    ) as server:
        yield server


def https_input(server: InfluxDb3StandIn, **tls: Any) -> dict[str, Any]:
    return {
        "url": server.url,
        "token": V3_TOKEN,
        "store": "home_assistant",
        "tls": TLS | tls,
    }


async def test_own_authority(
    hass: HomeAssistant,
    https: InfluxDb3StandIn,
    certificates: Certificates,
    upload: Upload,
) -> None:
    form = await start(hass, "v3")
    form = await submit(hass, form, https_input(https))
    assert form["errors"] == {"tls": "certificate_not_trusted"}
    assert "certificate" in form["description_placeholders"]["reason"]

    other = await upload(certificates.other_authority.public_bytes(Encoding.PEM))
    form = await submit(hass, form, https_input(https, ca_certificate=other))
    assert form["errors"] == {"tls": "certificate_not_trusted"}

    # A key in the same file does not belong into Home Assistant's configuration.
    right = await upload(certificates.key_pem + certificates.pem)
    result = await submit(hass, form, https_input(https, ca_certificate=right))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["ca_certificate"] == certificates.pem.decode()
    assert result["data"]["verify_ssl"] is True


async def test_self_signed_server(
    hass: HomeAssistant, tmp_path: Path, upload: Upload
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = make_server_certificate("influxdb", key, key)
    context = await hass.async_add_executor_job(
        make_context, tmp_path, certificate, key
    )
    with InfluxDb3StandIn(databases=("home_assistant",), tls=context) as server:
        form = await start(hass, "v3")
        form = await submit(hass, form, https_input(server))
        assert form["errors"] == {"tls": "certificate_not_trusted"}
        file_id = await upload(certificate.public_bytes(Encoding.PEM))
        result = await submit(hass, form, https_input(server, ca_certificate=file_id))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_verification_off(hass: HomeAssistant, https: InfluxDb3StandIn) -> None:
    form = await start(hass, "v3")
    result = await submit(hass, form, https_input(https, verify_ssl=False))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["verify_ssl"] is False
    assert result["data"]["ca_certificate"] == ""


async def test_own_authority_in_detection_is_kept_for_the_form(
    hass: HomeAssistant,
    https: InfluxDb3StandIn,
    certificates: Certificates,
    upload: Upload,
) -> None:
    form = await start(hass, "detect")
    entered = {"url": https.url, "token": V3_TOKEN}
    form = await submit(hass, form, {**entered, "tls": TLS})
    assert form["errors"] == {"tls": "certificate_not_trusted"}
    file_id = await upload(certificates.pem)
    tls = {**TLS, "ca_certificate": file_id}
    form = await submit(hass, form, {**entered, "tls": tls})
    assert form["step_id"] == "v3"
    # Home Assistant has removed the file by now, the flow knows it nevertheless.
    shown = get_suggestions(form["data_schema"])
    assert shown["tls"] == tls
    result = await submit(hass, form, {**shown, "store": "home_assistant"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["ca_certificate"] == certificates.pem.decode()


async def test_upload_that_is_no_certificate(
    hass: HomeAssistant,
    https: InfluxDb3StandIn,
    certificates: Certificates,
    upload: Upload,
) -> None:
    form = await start(hass, "v3")
    wrong = await upload(b"no certificate")
    form = await submit(hass, form, https_input(https, ca_certificate=wrong))
    assert form["errors"] == {"tls": "invalid_certificate"}
    # The same id again: the file has been removed.
    form = await submit(hass, form, https_input(https, ca_certificate=wrong))
    assert form["errors"] == {"tls": "invalid_certificate"}
    right = await upload(certificates.authority.public_bytes(Encoding.DER))
    result = await submit(hass, form, https_input(https, ca_certificate=right))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["ca_certificate"] == certificates.pem.decode()


@pytest.fixture
def stored_entry(
    hass: HomeAssistant, https: InfluxDb3StandIn, certificates: Certificates
) -> MockConfigEntry:
    """A hub with an authority of its own."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={
            "api_version": "3",
            "host": "127.0.0.1",
            "port": https.port,
            "ssl": True,
            "path": "",
            "verify_ssl": True,
            "ca_certificate": certificates.pem.decode(),
            "username": "",
            "password": "",
            "token": V3_TOKEN,
            "organization": "",
            "store": "home_assistant",
        },
    )
    entry.add_to_hass(hass)
    return entry


async def test_reconfigure_keeps_the_certificate(
    hass: HomeAssistant, https: InfluxDb3StandIn, stored_entry: MockConfigEntry
) -> None:
    stored = dict(stored_entry.data)
    form: Any = await stored_entry.start_reconfigure_flow(hass)
    result = await submit(hass, form, get_suggestions(form["data_schema"]))
    assert result["reason"] == "reconfigure_successful"
    assert dict(stored_entry.data) == stored


async def test_reconfigure_removes_the_certificate(
    hass: HomeAssistant, https: InfluxDb3StandIn, stored_entry: MockConfigEntry
) -> None:
    form: Any = await stored_entry.start_reconfigure_flow(hass)
    entered = get_suggestions(form["data_schema"])
    entered["tls"] = {"verify_ssl": True, "remove_ca_certificate": True}
    form = await submit(hass, form, entered)
    assert form["errors"] == {"tls": "certificate_not_trusted"}
    entered["tls"] = {"verify_ssl": False, "remove_ca_certificate": True}
    await submit(hass, form, entered)
    assert stored_entry.data["ca_certificate"] == ""
    # There is nothing left to remove.
    form = await stored_entry.start_reconfigure_flow(hass)
    assert get_field_names(form["data_schema"].schema["tls"].schema) == [
        "verify_ssl",
        "ca_certificate",
    ]


def test_bundle_of_certificates(certificates: Certificates) -> None:
    other = certificates.other_authority.public_bytes(Encoding.PEM)
    bundle = b"Home CA\n" + certificates.pem + b"\r\nOther CA\n" + other
    assert convert_to_pem(bundle) == (certificates.pem + other).decode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nx\n", id="cut off"),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="key"
        ),
        pytest.param(b"\x30" * 100, id="DER that is none"),
        pytest.param(b"#" * (MAX_CERTIFICATE_BYTES + 1), id="too large"),
    ],
)
def test_no_certificate(content: bytes) -> None:
    with pytest.raises(CertificateError):
        convert_to_pem(content)


@pytest.mark.usefixtures("upload")
async def test_upload_that_does_not_exist(hass: HomeAssistant) -> None:
    with pytest.raises(CertificateError):
        await hass.async_add_executor_job(
            read_uploaded_certificate, hass, UNKNOWN_FILE_ID
        )
