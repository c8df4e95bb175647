"""The packages that only the archive needs: fetched when it is turned on.

Both are large, so they are no requirements in the manifest, and nothing at the top
of a module imports them: the integration loads without them.
"""

from importlib import import_module
from types import ModuleType
from typing import Final

from ..errors import ArchiveLibraryError

# Home Assistant constrains boto3 to one version, which several of its integrations
# share: an open range follows it wherever it goes.
BOTO3_REQUIREMENT: Final = "boto3>=1.42.97,<2"
# Wheels for Home Assistant OS (Python 3.14, musl, aarch64 and x86_64) exist from 22 on;
# 23 and 26 are tested. A range lets a version stay that another integration uses.
PYARROW_REQUIREMENT: Final = "pyarrow>=23,<27"
REQUIREMENTS: Final = (BOTO3_REQUIREMENT, PYARROW_REQUIREMENT)


def load(name: str) -> ModuleType:
    """Import a module of one of the packages; blocks for up to seconds.

    Raises:
        ArchiveLibraryError: It is not installed, or does not run on this machine.
    """
    try:
        return import_module(name)
    # Compiled code that does not fit the machine fails in other ways than a missing
    # package, all of which are reported the same.
    except (ImportError, OSError, AttributeError, ValueError) as err:
        package = name.partition(".")[0]
        raise ArchiveLibraryError(f"The package {package} cannot be used") from err
