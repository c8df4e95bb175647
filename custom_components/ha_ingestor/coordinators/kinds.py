"""What runs the sources of each kind."""

from collections.abc import Mapping
from typing import Any, Final

from ..models import SourceKind
from .carbon import CarbonCoordinator
from .source import SourceCoordinator

COORDINATORS: Final[Mapping[SourceKind, type[SourceCoordinator[Any, Any]]]] = {
    SourceKind.CARBON_INTENSITY: CarbonCoordinator,
}
