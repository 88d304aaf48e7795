"""Units of measure: their writings, and exact conversion between those of one dimension."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from pg_llm.values.host.characters import plain


class Unit(NamedTuple):
    """A unit's symbol, its dimension, and how many of the dimension's base unit it is."""

    symbol: str
    dimension: str
    factor: Decimal


# Dimension, then `symbol factor other writings`; by definition where not metric (international yard and pound, 1959).
_TABLE = """
mass: kg 1 kgs kilogram kilograms kilo kilos kilogramm | g 0.001 gr gram grams gramm gramme grammes |
    mg 0.000001 milligram milligrams | t 1000 tonne tonnes | lb 0.45359237 lbs |
    oz 0.028349523125 ounce ounces | µg 0.000000001 mcg ug μg
length: m 1 meter meters metre metres | cm 0.01 centimeter centimeters centimetre centimetres |
    mm 0.001 millimeter millimeters millimetre millimetres | km 1000 kilometer kilometers kilometre kilometres |
    in 0.0254 inch inches | ft 0.3048 foot feet | yd 0.9144 yard yards | mi 1609.344 mile miles | µm 0.000001 μm um
volume: l 1 L liter liters litre litres ltr | ml 0.001 mL milliliter milliliters millilitre millilitres |
    cl 0.01 cL | dl 0.1 dL | hl 100 hL | m³ 1000 m3 cbm | cm³ 0.001 cm3 ccm |
    fl_oz 0.0295735295625 | gal 3.785411784 gallon gallons
area: m² 1 m2 qm sqm | km² 1000000 km2 | ha 10000 hectare hectares | cm² 0.0001 cm2 | sq_ft 0.09290304 sqft ft² |
    ac 4046.8564224 acre acres
time: s 1 sec secs second seconds | min 60 mins minute minutes | h 3600 hr hrs hour hours | d 86400 day days |
    ms 0.001 millisecond milliseconds
speed: km/h 1 kmh kph | m/s 3.6 | mph 1.609344
data: B 1 byte bytes | kB 1000 KB | MB 1000000 | GB 1000000000 | TB 1000000000000 | KiB 1024 | MiB 1048576 |
    GiB 1073741824
power: W 1 watt watts | kW 1000 | MW 1000000
energy: Wh 1 | kWh 1000 | MWh 1000000
energy of food: kcal 4.184 | kJ 1
voltage: V 1 volt volts | kV 1000 | mV 0.001
current: A 1 | mA 0.001
frequency: Hz 1 | kHz 1000 | MHz 1000000 | GHz 1000000000
pressure: hPa 1 mbar | bar 1000 | kPa 10 | Pa 0.01
temperature in Celsius: °C 1 ℃
temperature in Fahrenheit: °F 1 ℉
angle: ° 1
share: % 1 percent pct Prozent | ‰ 0.1
count: pcs 1 pc Stk Stück Stueck pieces
"""


def _read() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _TABLE.strip().replace("|\n", "|").splitlines():
        dimension, _, units = line.partition(":")
        for written in units.split("|"):
            symbol, factor, *others = written.split()
            unit = Unit(symbol.replace("_", " "), dimension.strip(), Decimal(factor))
            for name in (symbol, *others):
                found[name.replace("_", " ")] = unit
    return found


_UNITS = _read()
_BY_LOWER: dict[str, set[Unit]] = {}
for _name, _unit in _UNITS.items():
    _BY_LOWER.setdefault(_name.lower(), set()).add(_unit)
# Square and cubic metres have a digit themselves.
_WITH_DIGIT = re.compile(r"[ck]?m[23]\.?$")
_PREFIX = re.compile(r"(?P<unit>[^\W\d]+|%) (?P<amount>-?\d[\d., ']*)")


def find(name: str) -> Unit | None:
    """The unit of that symbol or English name; letters count with their case where it tells units apart."""
    name = plain(name).rstrip(".")
    if name in _UNITS:
        return _UNITS[name]
    lower = name.lower()
    # KG is kg; MB and mb, M and m are not the same.
    same = _BY_LOWER.get(lower, set())
    return next(iter(same)) if len(same) == 1 and len(name) > 1 else None


def in_name(name: str) -> Unit | None:
    """The unit that a column's name ends with, as in weight_kg or Length (cm); None without one."""
    *others, last = re.split(r"[\W_]+", name.rstrip(")]"))
    return find(last) if others else None


def split(text: str) -> tuple[str, str | None]:
    """The number's text without the unit after it (or before it), and the unit's symbol; None without a known one."""
    end = match.start() if (match := _WITH_DIGIT.search(text)) else len(text)
    last = max((place for place in range(end) if text[place].isnumeric()), default=-1)
    if last >= 0 and (unit := find(text[last + 1 :].strip())):
        return text[: last + 1].strip(), unit.symbol
    if (match := _PREFIX.fullmatch(text)) and (unit := find(match["unit"])):
        return match["amount"].strip(), unit.symbol
    return text, None


def convert(value: Decimal, unit: Unit, wanted: Unit) -> Decimal | None:
    """The value in another unit, as many digits as it has; None if that measures something else."""
    if unit.dimension != wanted.dimension:
        return None
    converted = value * unit.factor / wanted.factor
    return converted.quantize(Decimal(1)) if converted == converted.to_integral_value() else converted.normalize()
