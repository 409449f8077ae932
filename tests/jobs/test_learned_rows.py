"""What training learns as normal: rows that were read, that are not off, and that no label covers."""

import numpy as np

from openlookout.detection.evaluate import Labels
from openlookout.jobs.training_work import learned_rows
from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.grid import make_grid
from openlookout.timeseries.off_condition import OffCondition
from openlookout.timeseries.sampling import learn_sampling

MINUTE = 60_000_000
SENSORS = ("pump\\flow", "pump\\speed")


def test_rows_that_only_carry_readings_on_teach_nothing() -> None:
    minutes = np.concatenate([np.arange(0, 100), np.arange(104, 200), np.arange(1_000, 1_100)])
    speed = np.where((minutes >= 20) & (minutes < 30), 0.0, 5.0)
    readings = Readings(SENSORS, minutes * MINUTE, np.column_stack([minutes % 7.0, speed]))
    sampling = learn_sampling([readings], SENSORS, None)
    off = OffCondition("pump", "speed", "<", 1.0)
    grid = make_grid([readings], SENSORS, sampling, start_us=None, end_us=None, off=off)
    labels = Labels(anomalies=[(50 * MINUTE, 59 * MINUTE)], neutral=[(60 * MINUTE, 64 * MINUTE)])
    anomalous, normal = learned_rows(grid, labels)
    shown = grid.timestamps[~grid.off] // MINUTE
    assert set(shown.tolist()) > set(range(100, 104)) | {200, 201}, "there are rows between readings and after them"
    assert shown[anomalous].tolist() == list(range(50, 60))
    wanted = [minute for minute in minutes.tolist() if not 20 <= minute < 30 and not 50 <= minute < 65]
    assert shown[normal].tolist() == wanted
