"""The demo as its user runs it: ends by itself, and finds what the simulator broke."""

import subprocess
import sys
from pathlib import Path


def test_the_demo_finds_the_failure_weeks_before_and_names_the_sensors(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "openlookout.cli", "demo", "--data", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=200, env={"COLUMNS": "200", "HOME": str(tmp_path)}
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert "version 1: SUCCESS, TRAINING, QUALITY_THRESHOLD_MET" in said
    assert "1 of 1 labelled failures found" in said
    assert int(said.split(" of them before anything was wrong")[0].rsplit(" ", 1)[1]) <= 1  # In two months.
    days = int(said.split("days before the failure")[0].rsplit(",", 1)[1])
    assert days >= 14
    led = next(line for line in said.splitlines() if line.startswith("led by"))
    assert "pump\\bearing_out_temperature" in led
    assert "pump\\vibration_out" in led
    assert "ANOMALOUS" in said
    event = next(line for line in said.splitlines() if line.startswith("event "))
    assert "led by pump\\suction_pressure" in event
