"""Certificates of authorities that a person uploads in a form."""

from pathlib import Path
from typing import Any, Final, override

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    Certificate,
    load_der_x509_certificate,
    load_pem_x509_certificates,
)

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import FileSelector, FileSelectorConfig

# A bundle of all public authorities is about 250 kB; what is far larger is no
# certificate, and it would be kept in Home Assistant's configuration.
MAX_CERTIFICATE_BYTES: Final = 1024 * 1024
ACCEPTED_FILES: Final = ".pem,.crt,.cer"
_PEM_MARK: Final = b"-----BEGIN"


class CertificateError(Exception):
    """A file holds no readable certificate."""


class RemovableFileSelector(FileSelector):
    """A file selector that also takes the empty text.

    That is what the browser sends for a file inside a section after a person has
    taken it out again; the plain selector refuses the whole form then.
    """

    @override
    def __call__(self, data: Any) -> str:
        """Validate the id of an upload, or nothing."""
        return "" if data == "" else super().__call__(data)


def create_certificate_selector() -> RemovableFileSelector:
    """Return the form field for a certificate."""
    return RemovableFileSelector(FileSelectorConfig(accept=ACCEPTED_FILES))


def convert_to_pem(content: bytes) -> str:
    """Return the certificates of a file as PEM text and nothing else of it.

    Writing them anew leaves out what was never meant to be stored, such as a
    private key in the same file.

    Args:
        content: A file in PEM (one certificate or several) or DER form.

    Raises:
        CertificateError: It is neither.
    """
    if len(content) > MAX_CERTIFICATE_BYTES:
        raise CertificateError("The file is too large")
    certificates: list[Certificate]
    try:
        if _PEM_MARK in content:
            certificates = load_pem_x509_certificates(content)
        else:
            certificates = [load_der_x509_certificate(content)]
    except ValueError as err:
        raise CertificateError("The file holds no certificate") from err
    return "".join(
        certificate.public_bytes(Encoding.PEM).decode("ascii")
        for certificate in certificates
    )


def read_uploaded_certificate(hass: HomeAssistant, file_id: str) -> str:
    """Return an uploaded file as PEM text and remove it; blocks.

    Raises:
        CertificateError: It holds no certificate, or is gone.
    """
    try:
        with process_uploaded_file(hass, file_id) as path:
            content = _read_start(path)
    except ValueError as err:
        raise CertificateError("The upload is gone") from err
    return convert_to_pem(content)


def _read_start(path: Path) -> bytes:
    """Read no more than it takes to see that a file is too large."""
    with path.open("rb") as file:
        return file.read(MAX_CERTIFICATE_BYTES + 1)
