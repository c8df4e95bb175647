"""What a form has to say about a wrong entry."""

from collections.abc import Container, Mapping
import dataclasses
from typing import Final

FIELD_BASE: Final = "base"


@dataclasses.dataclass(frozen=True, slots=True)
class FormProblem:
    """One thing that is wrong, and where.

    Attributes:
        field: Key of the form field to mark.
        key: Key of the text under `error` in the translations.
        placeholders: Values for that text.
    """

    field: str
    key: str
    placeholders: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def as_errors(self, fields: Container[str]) -> dict[str, str]:
        """Return it as a form takes it.

        Args:
            fields: Keys of the form. What belongs to a field that the form does not
                have is shown above the form.
        """
        return {self.field if self.field in fields else FIELD_BASE: self.key}


class FormProblemError(Exception):
    """A form cannot be read; holds the reason."""

    def __init__(
        self, field: str, key: str, placeholders: Mapping[str, str] | None = None
    ) -> None:
        """Keep the problem."""
        super().__init__(f"{field}: {key}")
        self.problem = FormProblem(field, key, placeholders or {})
