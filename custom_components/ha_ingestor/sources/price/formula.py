"""From the provider's price to what the user pays."""

from dataclasses import dataclass
from typing import Final

_PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """Surcharges and tax on a price, in the order of an electricity bill.

    ```
    (price + |price| * surcharge_percent / 100 + surcharge) * (1 + tax_percent / 100)
    ```

    The surcharge in percent is one on the amount: it makes a negative price dearer,
    not cheaper, as suppliers with such a surcharge charge it. The tax is one on the
    sum, also where that is negative.

    Attributes:
        surcharge_percent: Of the price's amount.
        surcharge: Currency/kWh.
        tax_percent: Of the sum of price and surcharges.
    """

    surcharge_percent: float = 0.0
    surcharge: float = 0.0
    tax_percent: float = 0.0

    @property
    def is_neutral(self) -> bool:
        """Whether it leaves every price as it is."""
        return not (self.surcharge_percent or self.surcharge or self.tax_percent)

    def apply(self, price: float) -> float:
        """Return what the user pays, currency/kWh."""
        net = price + abs(price) * self.surcharge_percent / _PERCENT + self.surcharge
        return net * (1 + self.tax_percent / _PERCENT)
