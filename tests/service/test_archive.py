"""Exported files: out of one installation, into another, the same scores; refused when a byte is not as it was."""

import contextlib
import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openlookout.archive.file import DESCRIPTION, DETECTOR, ENTRIES, MANIFEST, SUMMARY, ArchiveError, read_archive
from openlookout.buckets import layout
from service.test_retraining import BUCKET, N_DAYS, ROWS_A_DAY, START, at, readings
from serving import ingest, serving, train


@dataclass(frozen=True)
class Exported:
    """An installation with a model, and the file that came out of it."""

    data: Path
    file: Path
    digest: str
    version: dict[str, Any]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "openlookout.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def with_data(data: Path) -> Path:
    bucket = data / "buckets" / BUCKET
    (bucket / "training" / "pump").mkdir(parents=True)
    readings(START, N_DAYS * ROWS_A_DAY, 1).write_csv(bucket / "training" / "pump" / "all.csv")
    return bucket


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    data = tmp_path_factory.mktemp("from")
    with_data(data)
    with serving(data) as process:
        client = process.client()
        assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
        model = train(
            client,
            "plant",
            "plant",
            EvaluationDataStartTime=at(6),
            EvaluationDataEndTime=at(7),
            OffCondition="pump\\load<0",
        )
        assert model["Status"] == "SUCCESS", model
        version = client.describe_model_version(ModelName="plant", ModelVersion=1)
        file = data / "plant.zip"
        said = command("export", "plant", file, "--data", data)  # Beside the running service.
        assert said.returncode == 0, said.stderr
        assert f"Exported version 1 of plant to {file}" in said.stdout
        yield Exported(data, file, said.stdout.split("Digest ")[1].strip(), version)


def test_it_becomes_a_version_elsewhere_that_scores_the_same(exported: Exported, tmp_path: Path) -> None:
    with_data(tmp_path)
    with serving(tmp_path) as process:
        said = command("import", exported.file, "--data", tmp_path, "--digest", exported.digest.upper())
        assert said.stdout.strip() == f"Imported {exported.file} as version 1 of plant, dataset plant, active", said
        client = process.client()
        made = client.describe_model_version(ModelName="plant", ModelVersion=1)
        assert (made["Status"], made["SourceType"]) == ("SUCCESS", "IMPORT")
        assert made["SourceModelVersionArn"] == exported.version["ModelVersionArn"]
        for member in ("Schema", "OffCondition", "ModelMetrics", "ModelQuality", "TrainingDataEndTime"):
            assert made[member] == exported.version[member]
        assert client.describe_model(ModelName="plant")["ActiveModelVersion"] == 1
        assert client.describe_dataset(DatasetName="plant")["Status"] == "CREATED"
        said = command("import", exported.file, "--data", tmp_path, "--model", "plant")
        assert "as version 2 of plant, dataset plant, not active" in said.stdout
        said = command("import", exported.file, "--data", tmp_path, "--model", "other", "--dataset", "elsewhere")
        assert "as version 1 of other, dataset elsewhere, active" in said.stdout
        said = command("import", exported.file, "--data", tmp_path, "--model", "other")
        assert said.returncode == 1
        assert "the model 'other' belongs to another dataset than 'plant'" in said.stderr
        assert len(client.list_model_versions(ModelName="other")["ModelVersionSummaries"]) == 1
    for name in (layout.detector(""), layout.training_summary("")):
        copies = {path.read_bytes() for path in tmp_path.rglob(f"*/{name}")}
        assert copies == {path.read_bytes() for path in exported.data.rglob(f"*/{name}")}
        assert len(copies) == 1


def test_it_is_readable_without_us(exported: Exported, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported.file) as file:
        file.extractall(tmp_path)
    assert "can be read without OpenLookout" in (tmp_path / "README.md").read_text()
    described = json.loads((tmp_path / DESCRIPTION).read_text())
    assert described["configuration"] == {"OffCondition": "pump\\load<0"}
    assert described["metrics"] == exported.version["ModelMetrics"]
    assert json.loads((tmp_path / SUMMARY).read_text())["sampling"]["rate_us"] == 600_000_000
    with np.load(tmp_path / DETECTOR, allow_pickle=False) as arrays:
        assert json.loads(arrays["description"].tobytes())["views"]
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_the_same_version_is_the_same_file(exported: Exported, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    said = command("export", "plant", again, "--data", exported.data, "--version", "1")
    assert exported.digest in said.stdout
    assert again.read_bytes() == exported.file.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(source) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return target


@pytest.mark.parametrize("name", ENTRIES)
def test_a_changed_entry_is_refused(exported: Exported, tmp_path: Path, name: str) -> None:
    def change(entries: dict[str, bytes]) -> None:
        entries[name] = bytes([entries[name][0] ^ 1]) + entries[name][1:]

    with pytest.raises(ArchiveError, match=f"was changed: {name} is not what manifest.json says"):
        read_archive(rewritten(exported.file, tmp_path / "changed.zip", change))


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "an entry too many": (lambda entries: entries.update({"more": b""}), "is no exported model version: it holds"),
    "an entry outside": (lambda entries: entries.update({"../more": b""}), "is no exported model version: it holds"),
    "an entry missing": (lambda entries: entries.pop(SUMMARY) and None, "is no exported model version: it holds"),
    "no manifest": (lambda entries: entries.update({MANIFEST: b"{}"}), "is damaged: KeyError"),
    "a manifest that is none": (lambda entries: entries.update({MANIFEST: b"["}), "is damaged: JSONDecodeError"),
    "a later release": (
        lambda entries: entries.update({MANIFEST: entries[MANIFEST].replace(b'"version": 1', b'"version": 2')}),
        "is openlookout-model-version 2; openlookout-model-version 1 can be read",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_exported_version_is_refused(exported: Exported, tmp_path: Path, name: str) -> None:
    change, message = REFUSED[name]
    with pytest.raises(ArchiveError, match=message):
        read_archive(rewritten(exported.file, tmp_path / "changed.zip", change))


def test_any_cut_or_flipped_byte_is_refused_or_harmless(exported: Exported, tmp_path: Path) -> None:
    """Bytes that mean nothing to a zip reader may change; what is read never does."""
    whole, path = exported.file.read_bytes(), tmp_path / "damaged.zip"
    truth = read_archive(exported.file)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 300).tolist():
        path.write_bytes(whole[:place])
        with pytest.raises(ArchiveError):
            read_archive(path)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :])
        with contextlib.suppress(ArchiveError):
            assert read_archive(path) == truth


def test_a_rebuilt_file_has_another_digest(exported: Exported, tmp_path: Path) -> None:
    """Whoever rewrites file and manifest together cannot keep the digest that the exporter told."""

    def change(entries: dict[str, bytes]) -> None:
        entries[MANIFEST] = entries[MANIFEST].replace(b"  ", b" ")

    path = rewritten(exported.file, tmp_path / "rebuilt.zip", change)
    assert read_archive(path).digest != exported.digest
    said = command("import", path, "--data", tmp_path / "data", "--digest", exported.digest)
    assert said.returncode == 1
    assert "was changed, or is another file: its digest is" in said.stderr


def test_what_cannot_be_exported_is_said_in_a_sentence(exported: Exported, tmp_path: Path) -> None:
    for arguments, message in (
        (("nobody",), "the model 'nobody' does not exist in account 123456789012, region us-east-1"),
        (("plant", "--version", "7"), "the model 'plant' has no version 7"),
        (("plant", "--account", "210987654321"), "the model 'plant' does not exist in account 210987654321"),
    ):
        said = command("export", arguments[0], tmp_path / "no.zip", *arguments[1:], "--data", exported.data)
        assert (said.returncode, said.stderr.strip()[: len(message) + 13]) == (1, f"openlookout: {message}"), said
    said = command("import", tmp_path / "missing.zip", "--data", tmp_path)
    assert "No such file" in said.stderr
    (tmp_path / "other.gz").write_bytes(gzip.compress(b"x"))
    said = command("import", tmp_path / "other.gz", "--data", tmp_path)
    assert "is no exported model version or is damaged: BadZipFile" in said.stderr
    assert not (tmp_path / "no.zip").exists()
