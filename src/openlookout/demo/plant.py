"""A simulated pump train: motor, centrifugal pump, oil cooling; 23 sensors every five minutes, for any time.

Knows physics and a calendar of faults; knows no files and no service. A day is computed from its own random numbers and
the day before it, so any stretch can be asked for, in any order, and is always the same.

The equations, in the terms of a textbook on centrifugal pumps:

* affinity laws: head goes with speed squared; the system needs a static head and one that goes with flow squared;
* shaft power = density * g * flow * head / efficiency, the efficiency a parabola around the best point;
* current follows power over a magnetising current; heat follows losses;
* every temperature follows its steady state with a time constant (bearing 50 min, winding 35 min, oil 80 min);
* vibration goes with speed squared, and more when the pump runs off its best point or near cavitation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROWS_PER_DAY = 288
START = datetime(2025, 1, 1, tzinfo=UTC)

COMPONENTS: dict[str, tuple[str, ...]] = {
    "motor": (
        "speed",
        "current",
        "power",
        "winding_temperature",
        "bearing_de_temperature",
        "bearing_nde_temperature",
        "vibration_de",
        "vibration_nde",
    ),
    "pump": (
        "suction_pressure",
        "discharge_pressure",
        "flow",
        "seal_pressure",
        "bearing_in_temperature",
        "bearing_out_temperature",
        "vibration_in",
        "vibration_out",
        "casing_temperature",
    ),
    "cooling": (
        "oil_temperature",
        "oil_pressure",
        "filter_pressure_drop",
        "water_in_temperature",
        "water_out_temperature",
        "ambient_temperature",
    ),
}
SPEED_NOMINAL_RPM = 2980.0
HEAD_SHUTOFF_M, HEAD_STATIC_M = 96.0, 34.0
HEAD_PUMP_SLOPE, HEAD_SYSTEM_SLOPE = 26.0, 30.0
FLOW_NOMINAL_M3H = 420.0
METRES_PER_BAR = 10.2


@dataclass(frozen=True)
class Fault:
    """Something that breaks: it grows from `onset` to `failure` and is repaired `outage` after that.

    `leading` are the sensors that show it first, by full name.
    """

    kind: str
    onset: datetime
    failure: datetime
    outage: timedelta
    leading: tuple[str, ...]

    def severity(self, times: Floats) -> Floats:
        """0 before the onset, growing to 1 at the failure, 0 after; slow first, as wear is. (n,) seconds in, (n,)."""
        onset, failure = self.onset.timestamp(), self.failure.timestamp()
        share = np.clip((times - onset) / (failure - onset), 0, 1)
        return np.where(times < failure, share**1.7, 0.0)

    def is_down(self, times: Floats) -> NDArray[np.bool_]:
        failure = self.failure.timestamp()
        return (times >= failure) & (times < failure + self.outage.total_seconds())


def _fault(kind: str, onset_day: float, failure_day: float, outage_hours: float, *leading: str) -> Fault:
    at = [START + timedelta(days=day) for day in (onset_day, failure_day)]
    return Fault(kind, at[0], at[1], timedelta(hours=outage_hours), leading)


PAST = (
    _fault("suction strainer blocked", 43, 45, 9, "pump\\suction_pressure", "pump\\vibration_in"),
    _fault("seal leak", 106, 110, 14, "pump\\seal_pressure"),
    _fault("oil cooler fouled", 166, 171, 7, "cooling\\oil_temperature", "cooling\\water_out_temperature"),
    _fault("motor bearing worn", 209, 215, 16, "motor\\bearing_de_temperature", "motor\\vibration_de"),
)
# What the evaluation has to find: a bearing of the pump that wears for five weeks.
FAILURE = _fault("pump bearing worn", 310, 345, 20, "pump\\bearing_out_temperature", "pump\\vibration_out")
# What the live part has to find: the strainer again, within hours.
LIVE = _fault("suction strainer blocked", 365.02, 365.25, 9, "pump\\suction_pressure", "pump\\vibration_in")
FAULTS = (*PAST, FAILURE, LIVE)


@dataclass(frozen=True)
class Readings:
    """`times` (n,) seconds since 1970, even; `values`: full sensor name -> (n,)."""

    times: Floats
    values: dict[str, Floats]


class Plant:
    """The pump train. `faults` False gives its twin that never breaks, with the same weather, load and noise."""

    def __init__(self, seed: int = 7, *, faults: bool = True) -> None:
        self._seed = seed
        self._faults = FAULTS if faults else ()

    def readings(self, start: datetime, end: datetime) -> Readings:
        """Give the rows after `start` up to and including `end`."""
        first = (start - START) // timedelta(days=1)
        last = (end - START) // timedelta(days=1)
        days = [self._day(day) for day in range(first, last + 1)]
        times = np.concatenate([day.times for day in days])
        inside = (times > start.timestamp()) & (times <= end.timestamp())
        names = days[0].values
        return Readings(
            times[inside], {name: np.concatenate([day.values[name] for day in days])[inside] for name in names}
        )

    def _day(self, day: int) -> Readings:
        """One day, rows at 00:00 to 23:55, with the day before computed along for what is warm from it."""
        begin = (START + timedelta(days=day - 1)).timestamp()
        times: Floats = begin + 300.0 * np.arange(2 * ROWS_PER_DAY, dtype=np.float64)
        noise = np.concatenate([self._noise(day - 1), self._noise(day)])
        values = self._physics(times, noise)
        return Readings(times[ROWS_PER_DAY:], {name: column[ROWS_PER_DAY:] for name, column in values.items()})

    def _noise(self, day: int) -> Floats:
        """(ROWS_PER_DAY, 32) standard normal numbers of one day."""
        return np.random.default_rng((self._seed, day + 10_000)).standard_normal((ROWS_PER_DAY, 32))

    def _severity(self, kind: str, times: Floats) -> Floats:
        return sum((fault.severity(times) for fault in self._faults if fault.kind == kind), np.zeros(len(times)))

    def _physics(self, times: Floats, noise: Floats) -> dict[str, Floats]:
        running = self._running(times)
        ambient = _ambient(times, noise[:, 0])
        blocked, leak = self._severity("suction strainer blocked", times), self._severity("seal leak", times)
        fouled = self._severity("oil cooler fouled", times)
        motor_worn, pump_worn = self._severity("motor bearing worn", times), self._severity("pump bearing worn", times)

        flow = running * _demand(times, noise[:, 1])
        head = running * (HEAD_STATIC_M + HEAD_SYSTEM_SLOPE * flow**2)
        speed = np.sqrt(np.maximum(head + HEAD_PUMP_SLOPE * flow**2, 0) / HEAD_SHUTOFF_M)
        suction = 1.9 + 0.05 * np.sin(times / 86400 / 9) - 0.35 * flow**2 - 0.9 * blocked * running
        cavitation = np.maximum(1.15 - suction, 0) * running
        off_best = np.where(running > 0, np.abs(flow / np.maximum(speed, 0.3) - 0.85), 0)
        efficiency = 0.80 - 0.9 * off_best**2 - 0.10 * cavitation
        hydraulic = 1000 * 9.81 * flow * FLOW_NOMINAL_M3H / 3600 * head / 1000
        power = hydraulic / np.maximum(efficiency, 0.3) * (1 + 0.02 * pump_worn + 0.02 * motor_worn) + 4.0 * running
        current = running * np.hypot(58.0, power / 0.58)
        rub = speed**2

        winding = ambient + _lagged(52 * (power / 110) ** 1.6, 35)
        oil = ambient + _lagged(running * (17 + 14 * speed**2 + 22 * fouled), 80)
        bearing = 0.45 * (oil - ambient)
        motor_de = ambient + bearing + _lagged(rub * (16 + 24 * motor_worn), 50)
        motor_nde = ambient + bearing + _lagged(rub * 13, 50)
        pump_in = ambient + bearing + _lagged(rub * (15 + 6 * cavitation), 50)
        pump_out = ambient + bearing + _lagged(rub * (17 + 26 * pump_worn), 50)
        water_in = 12 + 0.35 * ambient
        values = {
            "motor\\speed": SPEED_NOMINAL_RPM * speed * (1 + 0.0008 * noise[:, 2]),
            "motor\\current": current * (1 + 0.004 * noise[:, 3]),
            "motor\\power": power * (1 + 0.004 * noise[:, 4]),
            "motor\\winding_temperature": winding + 0.25 * noise[:, 5],
            "motor\\bearing_de_temperature": motor_de + 0.20 * noise[:, 6],
            "motor\\bearing_nde_temperature": motor_nde + 0.20 * noise[:, 7],
            "motor\\vibration_de": 0.15 + rub * (1.5 + 2.2 * motor_worn) * np.exp(0.05 * noise[:, 8]),
            "motor\\vibration_nde": 0.12 + rub * (1.3 + 0.6 * motor_worn) * np.exp(0.05 * noise[:, 9]),
            "pump\\suction_pressure": suction + 0.012 * noise[:, 10],
            "pump\\discharge_pressure": suction + head / METRES_PER_BAR + 0.02 * noise[:, 11],
            "pump\\flow": FLOW_NOMINAL_M3H
            * flow
            * (1 - 0.03 * leak)
            * (1 + (0.004 + 0.02 * cavitation) * noise[:, 12]),
            "pump\\seal_pressure": 3.1 + 0.25 * head / METRES_PER_BAR - 1.3 * leak + 0.02 * noise[:, 13],
            "pump\\bearing_in_temperature": pump_in + 0.20 * noise[:, 14],
            "pump\\bearing_out_temperature": pump_out + 0.20 * noise[:, 15],
            "pump\\vibration_in": 0.2 + rub * (1.8 + 2 * off_best + 3.5 * cavitation) * np.exp(0.05 * noise[:, 16]),
            "pump\\vibration_out": 0.2
            + rub * (1.6 + 2 * off_best + 2.4 * pump_worn + 1.5 * cavitation) * np.exp(0.05 * noise[:, 17]),
            "pump\\casing_temperature": 0.6 * ambient + 10 + _lagged(6 * flow, 40) + 0.2 * noise[:, 18],
            "cooling\\oil_temperature": oil + 0.20 * noise[:, 19],
            "cooling\\oil_pressure": running * (2.6 - 0.009 * (oil - 45)) + 0.01 * noise[:, 20],
            "cooling\\filter_pressure_drop": running * (0.30 + 0.1 * speed**2 + 0.05 * fouled) + 0.006 * noise[:, 21],
            "cooling\\water_in_temperature": water_in + 0.1 * noise[:, 22],
            "cooling\\water_out_temperature": water_in
            + _lagged(running * (4 + 3 * speed**2 - 2.6 * fouled), 30)
            + 0.1 * noise[:, 23],
            "cooling\\ambient_temperature": ambient + 0.15 * noise[:, 24],
        }
        return {name: np.round(column, 3) for name, column in values.items()}

    def _running(self, times: Floats) -> Floats:
        """1 while the machine runs; it stands on Sundays from 2 to 6, and while it is repaired."""
        hours = (times / 3600 + 24 * 3) % (24 * 7)  # 1 January 1970 was a Thursday.
        down = (hours >= 24 * 6 + 2) & (hours < 24 * 6 + 6)
        for fault in self._faults:
            down |= fault.is_down(times)
        return np.where(down, 0.0, 1.0)


def _demand(times: Floats, noise: Floats) -> Floats:
    """Flow wanted, a share of nominal: two duty points (day, night), weekly and yearly rhythms, slow wandering."""
    hour, day = times / 3600 % 24, times / 86400
    by_day = 1 / (1 + np.exp(-3 * (hour - 6.5))) - 1 / (1 + np.exp(-3 * (hour - 20.5)))
    weekend = np.where((day + 3) % 7 >= 5, 0.06, 0.0)
    slow = 0.02 * (np.sin(day / 2.3) + np.sin(day / 5.9 + 1) + np.sin(day / 13.7 + 2))
    return 0.66 + 0.20 * by_day - weekend + 0.03 * np.cos(2 * np.pi * day / 365) + slow + 0.008 * noise


def _ambient(times: Floats, noise: Floats) -> Floats:
    day = times / 86400
    fronts = 2.5 * (np.sin(day / 1.9) * np.sin(day / 7.3 + 0.5)) + 1.5 * np.sin(day / 4.4 + 2)
    season = -9 * np.cos(2 * np.pi * (day - 20) / 365.25)
    ambient: Floats = 14 + season + 4 * np.sin(2 * np.pi * (day - 0.38)) + fronts + 0.1 * noise
    return ambient


def _lagged(steady: Floats, minutes: float) -> Floats:
    """First-order lag towards `steady`, started in balance a day before it counts."""
    share = 1 - np.exp(-5.0 / minutes)
    out, level = np.empty_like(steady), steady[0]
    for i, target in enumerate(steady):
        level += share * (target - level)
        out[i] = level
    return out
