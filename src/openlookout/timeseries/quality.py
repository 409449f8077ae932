"""The quality of the readings, as the API shows it: statistics of each sensor, their summary and a grade.

Knows the figures of a sensor and the service's thresholds. Knows no arrays: the API may load this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

DAY_US = 86_400_000_000
# Thresholds: guide, "Reading details by sensor".
SHORT_DAYS = 14
GAP_DAYS = 30
CATEGORIES_MAX = 10
MISSING_PERCENT_MAX = 10.0

Monotonicity = Literal["DECREASING", "INCREASING", "STATIC"]


@dataclass(frozen=True)
class SensorStatistics:
    """What ingestion found about one sensor.

    `n_rows` counts the rows with a timestamp that the files of the component hold, duplicates included; the cells of
    the sensor in them are readings, missing (empty, or the file has no such column) or invalid. Times are microseconds
    since the epoch, UTC, of the first and the last reading; None without readings. `n_categories` is None above
    CATEGORIES_MAX different values; `gap_us_max` is 0 without a gap longer than GAP_DAYS.
    """

    component: str
    sensor: str
    n_rows: int
    n_missing: int
    n_invalid: int
    n_bad_timestamps: int
    n_duplicates: int
    start_us: int | None
    end_us: int | None
    n_categories: int | None
    has_operating_modes: bool
    n_gaps: int
    gap_us_max: int
    monotonicity: Monotonicity | None

    @property
    def data_exists(self) -> bool:
        return self.start_us is not None

    @property
    def is_short(self) -> bool:
        """Whether there is data, but less than SHORT_DAYS of it."""
        return self.start_us is not None and self.end_us is not None and self._span_us < SHORT_DAYS * DAY_US

    @property
    def _span_us(self) -> int:
        return 0 if self.start_us is None or self.end_us is None else self.end_us - self.start_us

    def summary(self) -> dict[str, Any]:
        """Give the SensorStatisticsSummary of the API as JSON: times are integer microseconds since the epoch.

        Where there is no issue, its numbers are absent, as the service left them out.
        """
        categorical: dict[str, Any] = _status(self.n_categories is not None)
        if self.n_categories is not None:
            categorical["NumberOfCategory"] = self.n_categories
        gaps: dict[str, Any] = _status(self.n_gaps > 0)
        if self.n_gaps:
            gaps |= {"NumberOfLargeTimestampGaps": self.n_gaps, "MaxTimestampGapInDays": self.gap_us_max // DAY_US}
        monotonic: dict[str, Any] = _status(self.monotonicity is not None)
        if self.monotonicity is not None:
            monotonic["Monotonicity"] = self.monotonicity
        summary = {
            "ComponentName": self.component,
            "SensorName": self.sensor,
            "DataExists": self.data_exists,
            "MissingValues": _count_percent(self.n_missing, self.n_rows),
            "InvalidValues": _count_percent(self.n_invalid, self.n_rows),
            "InvalidDateEntries": _count_percent(self.n_bad_timestamps, self.n_rows + self.n_bad_timestamps),
            "DuplicateTimestamps": _count_percent(self.n_duplicates, self.n_rows),
            "CategoricalValues": categorical,
            "MultipleOperatingModes": _status(self.has_operating_modes),
            "LargeTimestampGaps": gaps,
            "MonotonicValues": monotonic,
        }
        if self.data_exists:
            summary |= {"DataStartTime": self.start_us, "DataEndTime": self.end_us}
        return summary


def quality_summary(statistics: Sequence[SensorStatistics]) -> dict[str, Any]:
    """Give the DataQualitySummary of the API over all sensors; rows count once for each component, not each sensor."""
    rows = {one.component: (one.n_bad_timestamps, one.n_duplicates) for one in statistics}
    return {
        "InsufficientSensorData": {
            "MissingCompleteSensorData": {"AffectedSensorCount": sum(not one.data_exists for one in statistics)},
            "SensorsWithShortDateRange": {"AffectedSensorCount": sum(one.is_short for one in statistics)},
        },
        "MissingSensorData": {
            "AffectedSensorCount": sum(one.n_missing > 0 for one in statistics),
            "TotalNumberOfMissingValues": sum(one.n_missing for one in statistics),
        },
        "InvalidSensorData": {
            "AffectedSensorCount": sum(one.n_invalid > 0 for one in statistics),
            "TotalNumberOfInvalidValues": sum(one.n_invalid for one in statistics),
        },
        "UnsupportedTimestamps": {"TotalNumberOfUnsupportedTimestamps": sum(bad for bad, _ in rows.values())},
        "DuplicateTimestamps": {"TotalNumberOfDuplicateTimestamps": sum(same for _, same in rows.values())},
    }


def grade(one: SensorStatistics) -> tuple[Literal["HIGH", "MEDIUM", "LOW"], tuple[str, ...]]:
    """Give the grade of a sensor and, for MEDIUM and LOW, the reasons in words, those for LOW first."""
    missing_percent = _count_percent(one.n_missing, one.n_rows)["Percentage"]
    if not one.data_exists:
        return "LOW", ("there is no reading",)
    low = (
        (one.is_short, f"{one._span_us / DAY_US:.1f} days of data, {SHORT_DAYS} are needed"),
        (one.monotonicity == "STATIC", "the value practically never changes"),
        (one.monotonicity == "INCREASING", "the value only rises"),
        (one.monotonicity == "DECREASING", "the value only falls"),
    )
    medium = (
        (one.n_gaps > 0, f"{one.n_gaps} gaps longer than {GAP_DAYS} days, the longest {one.gap_us_max // DAY_US} days"),
        (one.has_operating_modes, "the values shift between ranges: several operating modes"),
        (missing_percent > MISSING_PERCENT_MAX, f"{missing_percent:.1f} % of the values are missing"),
        (one.n_categories is not None, f"only {one.n_categories} different values"),
        (one.n_invalid > 0, f"{one.n_invalid} values are not numbers"),
        (one.n_duplicates > 0, f"{one.n_duplicates} rows have a timestamp that another row has too"),
    )
    reasons = tuple(reason for holds, reason in (*low, *medium) if holds)
    if any(holds for holds, _ in low):
        return "LOW", reasons
    return ("MEDIUM", reasons) if reasons else ("HIGH", ())


def _status(is_issue: bool) -> dict[str, Any]:
    return {"Status": "POTENTIAL_ISSUE_DETECTED" if is_issue else "NO_ISSUE_DETECTED"}


def _count_percent(count: int, of: int) -> dict[str, Any]:
    return {"Count": count, "Percentage": 100.0 * count / of if of else 0.0}
