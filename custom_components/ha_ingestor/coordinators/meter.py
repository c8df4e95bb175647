"""A meter at work: power, energy, cost and carbon of today, and the base load."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import MEASUREMENT_METER, MEASUREMENT_METER_CIRCUIT
from ..models import FieldValue, Point, SourceKind, to_time_ns
from ..sources.meter.model import MeterData
from ..sources.meter.settings import CONF_POWER_LIMIT, CONF_TARIFF
from ..sources.slots import day_bounds
from .carbon import CarbonCoordinator
from .hub import SourceHub
from .meter_day import BaseLoad, DayTotals
from .meter_energy import EnergyTracker
from .price import PriceCoordinator
from .source import SourceCoordinator

EVENT_POWER_LIMIT: Final = "power_limit"
LIMIT_EXCEEDED: Final = "limit_exceeded"
LIMIT_RESTORED: Final = "limit_restored"

# So far below the limit the power has to fall, lest it goes to and fro at it.
LIMIT_HYSTERESIS: Final = 0.1
# After so many of its intervals a source has missed readings.
HOLD_INTERVALS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitView:
    """A circuit at a moment; `share` in percent of what the home uses."""

    key: str
    name: str
    power_w: float | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """What the entities of a meter show at a moment.

    Attributes:
        is_derived: Whether the power is the mean between the counter's steps.
        day_start: Since when the sums of today are; UTC.
        carbon_today_g: gCO2eq; None without a source of carbon intensity.
    """

    meter_id: str
    measured_at: datetime
    power_w: float | None
    is_derived: bool
    day_start: datetime
    energy_today_kwh: float
    estimated_kwh: float
    yesterday_kwh: float | None
    currency: str
    cost_today: float | None
    unpriced_kwh: float
    carbon_today_g: float | None
    uncounted_kwh: float
    peak_w: float | None
    peak_at: datetime | None
    quarter_peak_w: float | None
    base_load_w: float | None
    base_load_nights: int
    base_load_yearly_cost: float | None
    circuits: Mapping[str, CircuitView]


class MeterCoordinator(SourceCoordinator[MeterData, MeterView]):
    """Owns one meter."""

    kind = SourceKind.SMART_METER
    data_type = MeterData
    # Meters that report every second would fill the store and the recorder.
    cooldown_s = 10.0

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        subentry: ConfigSubentry,
        hub: SourceHub,
    ) -> None:
        """Prepare; nothing has been used yet."""
        self._energy = EnergyTracker()
        self._day: DayTotals | None = None
        self._base = BaseLoad()
        self._meter_id: str | None = None
        self._is_over_limit = False
        self._fresh_points: tuple[Point, ...] = ()
        super().__init__(hass, entry, subentry, hub)

    # --- what it uses of others ---

    @property
    def _time_zone(self) -> tzinfo:
        return dt_util.get_default_time_zone()

    @property
    def _hold(self) -> timedelta:
        """For how long a reading says what is drawn after it."""
        return HOLD_INTERVALS * self.description.update_interval

    @property
    def currency(self) -> str:
        """Of the cost; ISO 4217 code."""
        prices, own = self._prices, self.hass.config.currency
        if prices is None:
            return own
        if prices.answer is None:
            # It has none of its own yet, such as after a start.
            return (self._day.currency if self._day else None) or own
        return prices.currency

    @property
    def _prices(self) -> PriceCoordinator | None:
        found = self.hub.get(SourceKind.ELECTRICITY_PRICE)
        return found if isinstance(found, PriceCoordinator) else None

    def price_at(self, moment: datetime) -> float | None:
        """Return the price of a moment: the market's, else the user's tariff."""
        if (prices := self._prices) is not None:
            price = prices.current(moment)
            if price is not None:
                return price
            if self.currency != self.hass.config.currency:
                # What cannot be added to the cost is no price.
                return None
        tariff: float | None = self.settings.get(CONF_TARIFF)
        return tariff

    def _get_intensity(self) -> float | None:
        """Return the grid's present carbon intensity, gCO2eq/kWh."""
        found = self.hub.get(SourceKind.CARBON_INTENSITY)
        return found.current() if isinstance(found, CarbonCoordinator) else None

    # --- readings ---

    @override
    @callback
    def answered(self, previous: MeterData | None) -> None:
        if (data := self.answer) is None:
            return
        if self._meter_id not in {None, data.meter_id}:
            # What another meter has counted is none of this one's.
            self._day = None
        self._meter_id = data.meter_id
        day = self._roll(data.measured_at)
        day.take_currency(self.currency)
        intensity = self._get_intensity()
        for portion in self._energy.read(data, self._hold):
            day.add(
                portion,
                time_zone=self._time_zone,
                price_at=self.price_at,
                intensity=intensity,
            )
            self._base.add(portion, self._time_zone)
        self._note_price(data.measured_at, previous)
        power_w = self._find_power(data)
        if power_w is not None:
            day.note_power(power_w, data.measured_at, self._time_zone)
            self._watch_limit(power_w)
        self._fresh_points = tuple(self._list_points(data, power_w, day))

    def _roll(self, moment: datetime) -> DayTotals:
        """Return the sums of the day of a moment; a new day has none yet."""
        today = moment.astimezone(self._time_zone).date()
        if self._day is None or self._day.is_over(today):
            self._day = DayTotals.begin(today, self._day)
        return self._day

    def _note_price(self, now: datetime, previous: MeterData | None) -> None:
        price = self.price_at(now)
        if price is None:
            return
        # The first price counts as well, if only for a moment.
        seconds = 1.0
        if previous is not None:
            passed = (now - previous.measured_at).total_seconds()
            seconds = min(max(passed, seconds), self._hold.total_seconds())
        self._base.note_price(price, now.astimezone(self._time_zone).date(), seconds)

    def _find_power(self, data: MeterData) -> float | None:
        if data.power_w is not None:
            return data.power_w
        return self._energy.derive_power(data.measured_at)

    def _watch_limit(self, power_w: float) -> None:
        """Tell when the power passes the limit, and when it is well below again."""
        limit_w: float | None = self.settings.get(CONF_POWER_LIMIT)
        if limit_w is None:
            self._is_over_limit = False
            return
        if not self._event_listeners.get(EVENT_POWER_LIMIT):
            # Nobody would hear of it; its entity may be about to be added.
            return
        if not self._is_over_limit and power_w > limit_w:
            event = LIMIT_EXCEEDED
        elif self._is_over_limit and power_w <= limit_w * (1 - LIMIT_HYSTERESIS):
            event = LIMIT_RESTORED
        else:
            return
        self._is_over_limit = event == LIMIT_EXCEEDED
        self.fire_event(
            EVENT_POWER_LIMIT, event, {"power_w": power_w, "limit_w": limit_w}
        )

    # --- the view ---

    @override
    def evaluate(self, now: datetime) -> MeterView | None:
        if (data := self.answer) is None:
            return None
        day = self._roll(now)
        today = date.fromisoformat(day.day)
        power_w = self._find_power(data)
        has_price = bool(day.priced_kwh) or self.price_at(now) is not None
        has_carbon = bool(day.counted_kwh) or self._get_intensity() is not None
        return MeterView(
            meter_id=data.meter_id,
            measured_at=data.measured_at,
            power_w=power_w,
            is_derived=power_w is not None and data.power_w is None,
            day_start=day_bounds(today, self._time_zone)[0],
            energy_today_kwh=day.kwh,
            estimated_kwh=day.estimated_kwh,
            yesterday_kwh=day.yesterday_kwh,
            currency=day.currency or self.currency,
            cost_today=day.cost if has_price else None,
            unpriced_kwh=day.unpriced_kwh,
            carbon_today_g=day.carbon_g if has_carbon else None,
            uncounted_kwh=day.uncounted_kwh,
            peak_w=day.peak_w,
            peak_at=None
            if day.peak_at is None
            else datetime.fromtimestamp(day.peak_at, UTC),
            quarter_peak_w=day.quarter_peak_w,
            base_load_w=self._base.find_watts(today),
            base_load_nights=self._base.count_nights(today),
            base_load_yearly_cost=self._base.find_yearly_cost(today),
            circuits={item.key: item for item in list_circuits(data, power_w)},
        )

    @override
    def find_next_change(self, now: datetime) -> datetime | None:
        return day_bounds(now.astimezone(self._time_zone).date(), self._time_zone)[1]

    # --- points ---

    @override
    def create_points(self, now: datetime) -> Iterable[Point]:
        # As they were at the reading: the view may be of the next day already.
        return self._fresh_points

    def _list_points(
        self, data: MeterData, power_w: float | None, day: DayTotals
    ) -> Iterable[Point]:
        time_ns = to_time_ns(data.measured_at.timestamp())
        tags = {"meter_type": self.description.key, "meter_id": data.meter_id}
        fields: dict[str, FieldValue] = {"daily_kwh": day.kwh}
        if power_w is not None:
            fields["total_power_w"] = power_w
        if day.priced_kwh:
            fields["cost_today"] = day.cost
        if day.counted_kwh:
            fields["carbon_today"] = day.carbon_g
        yield Point(
            measurement=MEASUREMENT_METER, tags=tags, fields=fields, time_ns=time_ns
        )
        for circuit in list_circuits(data, power_w):
            values = {"power_w": circuit.power_w, "percentage": circuit.share}
            if known := {k: v for k, v in values.items() if v is not None}:
                yield Point(
                    measurement=MEASUREMENT_METER_CIRCUIT,
                    tags={**tags, "circuit_name": circuit.name},
                    fields=known,
                    time_ns=time_ns,
                )

    # --- what survives a restart ---

    @override
    def load_state(self, stored: Mapping[str, Any]) -> None:
        if not stored:
            return
        energy, day = EnergyTracker(stored["energy"]), stored["day"]
        base = BaseLoad(stored["base_load"])
        self._day = None if day is None else DayTotals(**day)
        self._energy, self._base = energy, base
        self._meter_id = stored["meter_id"]
        self._is_over_limit = stored["is_over_limit"]

    @override
    def save_state(self) -> dict[str, Any]:
        return {
            "meter_id": self._meter_id,
            "is_over_limit": self._is_over_limit,
            "energy": self._energy.to_json(),
            "day": None if self._day is None else asdict(self._day),
            "base_load": self._base.to_json(),
        }


def list_circuits(data: MeterData, power_w: float | None) -> list[CircuitView]:
    """Return the circuits with their shares of what the home uses."""
    total_w = power_w if data.consumption_w is None else data.consumption_w
    return [
        CircuitView(
            key=item.key,
            name=item.name,
            power_w=item.power_w,
            share=None
            if item.power_w is None or total_w is None or total_w <= 0
            else 100 * item.power_w / total_w,
        )
        for item in data.circuits
    ]
