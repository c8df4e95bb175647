"""The currency of prices that name none themselves."""

from collections.abc import Mapping
import re
from typing import Any, Final

from ...errors import SourceArgumentError
from ..base import SourceContext

CONF_CURRENCY: Final = "currency"

_CODE: Final = re.compile("[A-Z]{3}")


def read_currency(arguments: Mapping[str, Any], context: SourceContext) -> str:
    """Return the currency that was entered, or the home's; ISO 4217 code.

    Raises:
        SourceArgumentError: It is no code of a currency.
    """
    currency = str(arguments.get(CONF_CURRENCY) or context.currency).strip().upper()
    if not _CODE.fullmatch(currency):
        raise SourceArgumentError(CONF_CURRENCY, "invalid_currency")
    return currency
