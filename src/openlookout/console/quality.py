"""The quality of a dataset in words: each sensor's grade with its reasons, and what stands out over all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openlookout.console.rendering import plural
from openlookout.timeseries.quality import DAY_US, SensorStatistics, grade

GRADES = ("LOW", "MEDIUM", "HIGH")


@dataclass(frozen=True)
class Graded:
    """A sensor as the report shows it; `name` is its full name."""

    name: str
    grade: str
    reasons: tuple[str, ...]
    missing_percent: float
    n_invalid: int
    n_duplicates: int
    start: datetime | None
    end: datetime | None


def graded(summary: Mapping[str, Any]) -> Graded:
    """Grade a SensorStatisticsSummary of the API."""
    missing, invalid, repeated = (
        summary[member] for member in ("MissingValues", "InvalidValues", "DuplicateTimestamps")
    )
    start, end = summary.get("DataStartTime"), summary.get("DataEndTime")
    gaps = summary["LargeTimestampGaps"]
    statistics = SensorStatistics(
        component=summary["ComponentName"],
        sensor=summary["SensorName"],
        # Of the rows only the share that is missing is graded.
        n_rows=round(100 * missing["Count"] / missing["Percentage"]) if missing["Percentage"] else 0,
        n_missing=missing["Count"],
        n_invalid=invalid["Count"],
        n_bad_timestamps=summary["InvalidDateEntries"]["Count"],
        n_duplicates=repeated["Count"],
        start_us=None if start is None else int(start.timestamp() * 1_000_000),
        end_us=None if end is None else int(end.timestamp() * 1_000_000),
        n_categories=summary["CategoricalValues"].get("NumberOfCategory"),
        has_operating_modes=summary["MultipleOperatingModes"]["Status"] == "POTENTIAL_ISSUE_DETECTED",
        n_gaps=gaps.get("NumberOfLargeTimestampGaps") or 0,
        gap_us_max=(gaps.get("MaxTimestampGapInDays") or 0) * DAY_US,
        monotonicity=summary["MonotonicValues"].get("Monotonicity"),
    )
    letter, reasons = grade(statistics)
    name = f"{statistics.component}\\{statistics.sensor}"
    return Graded(
        name, letter, reasons, missing["Percentage"], statistics.n_invalid, statistics.n_duplicates, start, end
    )


def counted(sensors: Sequence[Graded]) -> list[tuple[str, int]]:
    """How many sensors have each grade, the worst first."""
    counts = Counter(one.grade for one in sensors)
    return [(letter, counts[letter]) for letter in GRADES]


def sentences(summary: Mapping[str, Any] | None) -> list[str]:
    """What a DataQualitySummary says, a sentence for each thing that is not as it should be."""
    if not summary:
        return []
    short = summary["InsufficientSensorData"]
    facts = (
        (
            short["MissingCompleteSensorData"]["AffectedSensorCount"],
            "sensor has",
            "sensors have",
            " no reading at all.",
        ),
        (
            short["SensorsWithShortDateRange"]["AffectedSensorCount"],
            "sensor has",
            "sensors have",
            " less than 14 days of data: a model sees little of what is normal.",
        ),
        (summary["MissingSensorData"]["AffectedSensorCount"], "sensor lacks", "sensors lack", " some readings."),
        (
            summary["InvalidSensorData"]["TotalNumberOfInvalidValues"],
            "cell is",
            "cells are",
            " no number, and taken for missing.",
        ),
        (
            summary["UnsupportedTimestamps"]["TotalNumberOfUnsupportedTimestamps"],
            "row has",
            "rows have",
            " a time that cannot be read, and was left out.",
        ),
        (
            summary["DuplicateTimestamps"]["TotalNumberOfDuplicateTimestamps"],
            "row repeats",
            "rows repeat",
            " a time; the last one counts.",
        ),
    )
    return [plural(n, one, several) + rest for n, one, several, rest in facts if n]
