"""Files that people upload to have them imported: kept until their job has ended.

They lie in Home Assistant's storage folder, named after their hub, so that an import
goes on after a restart and nothing is left behind by a hub that is gone. Blocking,
for threads.
"""

from collections.abc import Collection
from dataclasses import dataclass
import logging
from pathlib import Path
import shutil
from typing import Final

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util.ulid import ulid_now

from ..const import DOMAIN
from ..errors import ImportFileError, ImportGoneError, ImportTooLargeError

_LOGGER = logging.getLogger(__name__)

_FOLDER: Final = "imports"
_SUFFIX: Final = ".csv"
# Ten years of a value a minute are about 300 MB. It lies beside Home Assistant's own
# files until it is read, often on a card, and goes into its backups meanwhile.
MAX_IMPORT_BYTES: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUpload:
    """An upload that this integration has taken over.

    Attributes:
        key: Name of the file in the folder of imports.
        name: What the person calls it.
    """

    key: str
    name: str


def get_import_path(hass: HomeAssistant, key: str) -> Path:
    """Return where a kept upload is.

    Args:
        key: As in `KeptUpload`; anything before the last slash is not looked at.
    """
    return _get_folder(hass) / Path(key).name


def keep_upload(hass: HomeAssistant, entry_id: str, file_id: str) -> KeptUpload:
    """Take an upload over; Home Assistant's own copy is gone afterwards in any case.

    Args:
        entry_id: The hub that will import it.
        file_id: What the browser calls the upload.

    Raises:
        ImportGoneError: There is none.
        ImportTooLargeError: It is too large.
        ImportFileError: It cannot be kept.
    """
    key = f"{entry_id}.{ulid_now()}{_SUFFIX}"
    target = get_import_path(hass, key)
    try:
        with process_uploaded_file(hass, file_id) as path:
            size_bytes = path.stat().st_size
            if size_bytes > MAX_IMPORT_BYTES:
                raise ImportTooLargeError(size_bytes)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Often it lies on another disk, so this may copy.
            shutil.move(path, target)
            target.chmod(0o600)
            return KeptUpload(key=key, name=path.name)
    except ValueError as err:
        raise ImportGoneError("The upload is gone") from err
    except OSError as err:
        delete_import(hass, key)
        raise ImportFileError(err.strerror or type(err).__name__) from err


def delete_import(hass: HomeAssistant, key: str) -> None:
    """Delete a kept upload that nobody needs any more."""
    _delete(get_import_path(hass, key))


def delete_imports(
    hass: HomeAssistant, entry_id: str, *, needed: Collection[str] = ()
) -> None:
    """Delete the kept uploads of a hub.

    Args:
        needed: Keys of those that stay.
    """
    folder = _get_folder(hass)
    for path in folder.glob(f"{entry_id}.*{_SUFFIX}"):
        if path.name not in needed:
            _delete(path)
    try:
        folder.rmdir()
    except OSError:
        # It is not there, or holds what other jobs need.
        return


def _get_folder(hass: HomeAssistant) -> Path:
    return Path(hass.config.path(STORAGE_DIR, DOMAIN, _FOLDER))


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as err:
        # The next start of the hub tries again.
        _LOGGER.warning("The file %s cannot be deleted: %s", path, err.strerror)
