"""A list of rows in a form, whose values are checked where the form is read."""

from typing import Any, override

import probatio

from homeassistant.helpers.selector import ObjectSelector


class RowListSelector(ObjectSelector):
    """A list of rows with known fields; whoever reads the form checks the values.

    The plain selector would say what is wrong with a value, in English, but not in
    which of the rows.
    """

    @override
    def __call__(self, data: Any) -> list[dict[str, Any]]:
        """Check only that it is a list of rows with known fields."""
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise probatio.Invalid("Value should be a list of rows")
        for key in (key for row in data for key in row):
            if key not in self.config["fields"]:
                raise probatio.Invalid(f"Field {key} is not allowed")
        return data
