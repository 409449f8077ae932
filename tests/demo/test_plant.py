"""The simulated plant: the same for any cut of time, physically plausible, and true to what it says of its faults."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from openlookout.demo.files import BAD_VALUE, YEAR_END, write_labels, write_window, write_year
from openlookout.demo.plant import COMPONENTS, FAILURE, FAULTS, PAST, START, Fault, Plant
from openlookout.timeseries.labels import parse_labels

DAY = timedelta(days=1)


def test_any_stretch_is_a_part_of_the_whole() -> None:
    plant = Plant()
    whole = plant.readings(START + 10 * DAY, START + 14 * DAY)
    for first, last in ((10.3, 11.7), (12.0, 12.01), (13.999, 14.0)):
        piece = plant.readings(START + first * DAY, START + last * DAY)
        inside = np.isin(whole.times, piece.times)
        assert len(piece.times) == inside.sum() > 0
        for name, column in piece.values.items():
            assert np.array_equal(column, whole.values[name][inside]), name


def test_the_seed_decides() -> None:
    a, b, c = (Plant(seed).readings(START, START + DAY).values["pump\\flow"] for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_sensors_are_those_of_the_components() -> None:
    names = {f"{component}\\{sensor}" for component, sensors in COMPONENTS.items() for sensor in sensors}
    assert set(Plant().readings(START, START + DAY).values) == names
    assert len(names) >= 20


@pytest.fixture(scope="module")
def healthy() -> dict[str, np.ndarray]:
    return Plant(faults=False).readings(START + 180 * DAY, START + 200 * DAY).values


def test_physics_is_plausible(healthy: dict[str, np.ndarray]) -> None:
    on = healthy["motor\\speed"] > 100
    flow, speed = healthy["pump\\flow"][on], healthy["motor\\speed"][on]
    head = (healthy["pump\\discharge_pressure"] - healthy["pump\\suction_pressure"])[on]
    assert 0.95 < on.mean() < 1
    assert 200 < flow.min() < flow.max() < 500
    assert 2000 < speed.min() < speed.max() < 3100
    # The system's curve: head grows with flow squared.
    assert np.corrcoef(flow**2, head)[0, 1] > 0.95
    # Power over hydraulic power is an efficiency.
    hydraulic = flow / 3600 * head * 1e5 / 1000
    assert (hydraulic / healthy["motor\\power"][on]).min() > 0.5
    assert (hydraulic / healthy["motor\\power"][on]).max() < 0.9
    assert np.corrcoef(healthy["motor\\power"][on], healthy["motor\\winding_temperature"][on])[0, 1] > 0.5
    assert (healthy["motor\\winding_temperature"][on] > healthy["cooling\\ambient_temperature"][on]).all()
    assert healthy["pump\\flow"][~on].max() < 5


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} {fault.onset:%m-%d}")
def test_the_leading_sensors_leave_their_healthy_twin_and_nobody_does_before_the_onset(fault: Fault) -> None:
    span = (fault.failure - timedelta(hours=6), fault.failure - timedelta(minutes=5))
    ill, well = (Plant(faults=faults).readings(*span).values for faults in (True, False))
    away = {name: np.abs(ill[name] - well[name]).mean() / (well[name].std() + 1e-9) for name in ill}
    first = sorted(away, key=lambda name: -away[name])[:8]
    assert set(fault.leading) <= set(first)
    before = (fault.onset - timedelta(hours=2), fault.onset)
    ill, well = (Plant(faults=faults).readings(*before).values for faults in (True, False))
    assert all(np.array_equal(ill[name], well[name]) for name in ill)


def test_a_year_of_files_has_the_flaws_of_a_historian(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    n_bytes = write_year(Plant(), folder)
    assert n_bytes == sum(path.stat().st_size for path in folder.rglob("*.csv"))
    months = sorted((folder / "pump").glob("*.csv"))
    assert [path.stem for path in months][:12] == [f"2025-{month:02}" for month in range(1, 13)]
    whole = pl.concat([pl.read_csv(path, infer_schema=False) for path in months])
    assert whole["Timestamp"].is_duplicated().any()
    assert (whole["flow"] == BAD_VALUE).any()
    assert whole["flow"].null_count() > 0
    steps = whole["Timestamp"].str.to_datetime("%Y-%m-%dT%H:%M:%S").sort().diff().drop_nulls()
    assert steps.max() >= timedelta(hours=1)


def test_labels_end_with_the_repair_of_every_fault_but_the_live_one(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    assert write_labels(folder) == len(PAST) + 1
    labels = parse_labels("labels.csv", (folder / "labels.csv").read_bytes())
    for fault, (start, end) in zip((*PAST, FAILURE), labels, strict=True):
        assert fault.onset.timestamp() < start / 1e6 < fault.failure.timestamp()
        assert end / 1e6 == (fault.failure + fault.outage).timestamp()


def test_a_window_has_a_whole_file_for_each_component(tmp_path: Path) -> None:
    write_window(Plant(), tmp_path, YEAR_END, YEAR_END + timedelta(minutes=15))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"{component}_20260101000000.csv" for component in sorted(COMPONENTS)]
    assert len(pl.read_csv(tmp_path / files[0])) == 3
