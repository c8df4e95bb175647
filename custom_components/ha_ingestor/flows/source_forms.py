"""Forms of sources, made of the arguments that they declare."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import probatio

from homeassistant.const import CONF_LATITUDE, CONF_LONGITUDE
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    DurationSelector,
    DurationSelectorConfig,
    EntitySelector,
    EntitySelectorConfig,
    LocationSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelector,
    ObjectSelectorConfig,
    ObjectSelectorField,
    Selector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
    TimeSelector,
)

from ..const import CONF_PROVIDER
from ..models import SourceKind
from ..sources.base import Argument, ArgumentType, SourceContext
from ..sources.catalog import list_sources


def create_provider_schema(kind: SourceKind) -> probatio.Schema:
    """Return the form that asks for the provider."""
    return probatio.Schema(
        {
            probatio.Required(CONF_PROVIDER): SelectSelector(
                SelectSelectorConfig(
                    options=[source.key for source in list_sources(kind)],
                    mode=SelectSelectorMode.LIST,
                    translation_key="provider",
                )
            )
        }
    )


def create_argument_schema(
    arguments: Iterable[Argument],
    context: SourceContext,
    *,
    stored: Mapping[str, Any] | None,
) -> probatio.Schema:
    """Return the form of arguments or settings.

    Args:
        stored: What holds until now, None for a new source. A secret that is left
            empty stays as it is then.
    """
    fields: dict[Any, Any] = {}
    sections: dict[str, dict[Any, Any]] = {}
    for argument in arguments:
        place = fields
        if argument.section is not None:
            place = sections.setdefault(argument.section, {})
        place[_create_marker(argument, context, stored)] = _SELECTORS[argument.type](
            argument
        )
    for key, inner in sections.items():
        fields[probatio.Required(key)] = section(
            probatio.Schema(inner), {"collapsed": True}
        )
    return probatio.Schema(fields)


def read_arguments(
    arguments: Iterable[Argument],
    user_input: Mapping[str, Any],
    stored: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what was entered, flat, as it is stored; empty entries are left out."""
    values: dict[str, Any] = {}
    for argument in arguments:
        place: Mapping[str, Any] = user_input
        if argument.section is not None:
            place = user_input.get(argument.section, {})
        value = place.get(argument.key)
        if isinstance(value, str):
            value = value.strip()
        if argument.type is ArgumentType.SECRET and not value and stored is not None:
            value = stored.get(argument.key)
        if value is None and _is_needed_number(argument):
            value = argument.default
        if value is None or value in ("", [], {}):
            continue
        if argument.type is ArgumentType.LOCATION:
            # The map gives a radius as well.
            position: Mapping[str, float] = place[argument.key]
            value = {key: position[key] for key in (CONF_LATITUDE, CONF_LONGITUDE)}
        values[argument.key] = value
    return values


def _is_needed_number(argument: Argument) -> bool:
    """Tell whether an empty field means the default; without one the source refuses.

    The frontend begins a required number without a suggestion with its minimum, or 0,
    which somebody may save without a look: so no number is required in the form.
    """
    return argument.type is ArgumentType.NUMBER and argument.is_required


def _create_marker(
    argument: Argument, context: SourceContext, stored: Mapping[str, Any] | None
) -> probatio.Marker:
    """Return the field's key with the value that the form begins with."""
    is_secret = argument.type is ArgumentType.SECRET
    if stored is None:
        suggested = argument.get_default(context)
    else:
        suggested = None if is_secret else stored.get(argument.key)
    description = None if suggested is None else {"suggested_value": suggested}
    is_optional = (
        not argument.is_required
        or _is_needed_number(argument)
        or (is_secret and stored is not None)
    )
    marker = probatio.Optional if is_optional else probatio.Required
    if argument.type is ArgumentType.BOOLEAN:
        return probatio.Required(argument.key, default=bool(suggested))
    return marker(argument.key, description=description)


def _number(argument: Argument) -> Selector[Any]:
    config = NumberSelectorConfig(mode=NumberSelectorMode.BOX)
    if argument.minimum is not None:
        config["min"] = argument.minimum
    if argument.maximum is not None:
        config["max"] = argument.maximum
    config["step"] = "any" if argument.step is None else argument.step
    if argument.unit is not None:
        config["unit_of_measurement"] = argument.unit
    return NumberSelector(config)


def _select(argument: Argument) -> Selector[Any]:
    config = SelectSelectorConfig(
        options=list(argument.options),
        multiple=argument.type is ArgumentType.MULTI_SELECT,
        mode=SelectSelectorMode.DROPDOWN,
    )
    if argument.translation_key is not None:
        config["translation_key"] = argument.translation_key
    return SelectSelector(config)


def _texts(argument: Argument) -> Selector[Any]:
    return SelectSelector(
        SelectSelectorConfig(
            options=list(argument.options), multiple=True, custom_value=True
        )
    )


def _entity(argument: Argument) -> Selector[Any]:
    config = EntitySelectorConfig(multiple=argument.type is ArgumentType.ENTITIES)
    if argument.domains:
        config["domain"] = list(argument.domains)
    if argument.device_classes:
        config["device_class"] = list(argument.device_classes)
    return EntitySelector(config)


def _rows(argument: Argument) -> Selector[Any]:
    config = ObjectSelectorConfig(
        multiple=True,
        fields={
            field.key: ObjectSelectorField(
                required=field.is_required,
                selector=_SELECTORS[field.type](field).serialize()["selector"],
            )
            for field in argument.fields
        },
        # All of a row on one line would be figures that nobody can tell apart.
        label_field=argument.fields[0].key,
    )
    if len(argument.fields) > 1:
        config["description_field"] = argument.fields[1].key
    if argument.translation_key is not None:
        config["translation_key"] = argument.translation_key
    return ObjectSelector(config)


def _secret(argument: Argument) -> Selector[Any]:
    return TextSelector(
        TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
    )


_SELECTORS: Final[Mapping[ArgumentType, Callable[[Argument], Selector[Any]]]] = {
    ArgumentType.TEXT: lambda _: TextSelector(),
    ArgumentType.SECRET: _secret,
    ArgumentType.NUMBER: _number,
    ArgumentType.BOOLEAN: lambda _: BooleanSelector(),
    ArgumentType.SELECT: _select,
    ArgumentType.MULTI_SELECT: _select,
    ArgumentType.TEXTS: _texts,
    ArgumentType.LOCATION: lambda _: LocationSelector(),
    ArgumentType.ENTITY: _entity,
    ArgumentType.ENTITIES: _entity,
    ArgumentType.DURATION: lambda _: DurationSelector(
        DurationSelectorConfig(enable_day=False)
    ),
    ArgumentType.TIME: lambda _: TimeSelector(),
    ArgumentType.TEMPLATE: lambda _: TemplateSelector(),
    ArgumentType.ROWS: _rows,
}
