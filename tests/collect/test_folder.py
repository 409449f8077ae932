"""A watch folder: whole files become readings and move away, broken ones say why, unfinished ones are waited for."""

from pathlib import Path

import polars as pl
import pytest

from collect.conftest import START_US, all_readings
from openlookout.collect.errors import CollectError
from openlookout.collect.folder import Folder, FolderSource
from openlookout.collect.keeper import Keeper

SENSORS = {"pump": ["flow", "speed"]}


def test_files_are_taken_when_they_stand_still_and_broken_ones_say_why(tmp_path: Path, keeper: Keeper) -> None:
    drop = tmp_path / "drop"
    (drop / "pump").mkdir(parents=True)
    folder = Folder(FolderSource(drop, SENSORS), keeper)
    (drop / "pump" / "a.csv").write_text("time,flow,speed\n2026-02-25T06:15:00Z,1.5,\n2026-02-25T06:16:00Z,2.5,7\n")
    assert folder.look() == 0
    with (drop / "pump" / "a.csv").open("a") as growing:
        growing.write("2026-02-25T06:17:00Z,3.5,8\n")
    times = pl.Series([START_US + 180_000_000]).cast(pl.Datetime("us"))
    pl.DataFrame({"t": times, "flow": [4.5]}).write_parquet(drop / "pump" / "b.parquet")
    (drop / "pump" / "c.csv").write_text("time,flow rate\n1,2\n")
    (drop / "pump" / "notes.txt").write_text("no data")
    assert [folder.look(), folder.look(), folder.look()] == [0, 3, 0]
    assert [row[3] for row in all_readings(keeper)] == [1.5, 2.5, 3.5, 4.5, 7.0, 8.0]
    assert sorted(path.name for path in (drop / "done" / "pump").iterdir()) == ["a.csv", "b.parquet"]
    why = (drop / "failed" / "pump" / "c.csv.txt").read_text()
    assert why.startswith("file 'c.csv', column 2: the header 'flow rate' is not 1 to 200 of")
    assert [path.name for path in (drop / "pump").iterdir()] == ["notes.txt"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, keeper: Keeper) -> None:
    with pytest.raises(CollectError, match=r"there is no folder .*nowhere"):
        Folder(FolderSource(tmp_path / "nowhere", SENSORS), keeper).start()


def test_what_is_left_out_of_a_file_is_told_and_nothing_goes_to_done_unread(
    tmp_path: Path, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    drop = tmp_path / "drop"
    for name in ("pump", "fan"):
        (drop / name).mkdir(parents=True)
    folder = Folder(FolderSource(drop, SENSORS), keeper)
    text = "time,flow,weight\n2026-02-25T06:15:00Z,1.5,1\nyesterday,2.5,1\n2026-02-25T06:16:00Z,much,1\n"
    (drop / "pump" / "a.csv").write_text(text)
    (drop / "pump" / "b.csv").write_text("time,flow\nyesterday,2.5\n")
    (drop / "fan" / "c.csv").write_text("time,flow\n2026-02-25T06:15:00Z,1.5\n")
    assert [folder.look(), folder.look()] == [0, 3]
    assert [row[3] for row in all_readings(keeper)] == [1.5]
    assert [path.name for path in (drop / "done").rglob("*.csv")] == ["a.csv"]
    failed = {path.name: path.read_text() for path in (drop / "failed").rglob("*.txt")}
    assert failed == {
        "b.csv.txt": "file 'b.csv': no row has a time that can be read, of 1 rows\n",
        "c.csv.txt": "'fan' is no component of the model: it has 'pump'\n",
    }
    said = "".join(record.getMessage() for record in caplog.records)
    for sentence in (
        "component 'pump' of the model has no",
        "'weight'",
        "1 rows have no time that can be read",
        "1 cells of 'flow' are no numbers",
    ):
        assert sentence in said
