"""From files to a plan: each key pattern is told from its files, and each broken file is named in a sentence."""

import gzip
import io
import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from adopt import simulator
from adopt.simulator import EVALUATED, PATTERNS, START, Leftovers
from openlookout.adopt.draft import draft
from openlookout.adopt.leftovers import AdoptRefused, find_place
from openlookout.adopt.plan import read_plan, write_plan
from openlookout.adopt.survey import Survey, survey
from openlookout.buckets.buckets import BucketSettings
from service.test_live import two_components


def looked_at(folder: Path) -> tuple[Survey, str]:
    """The survey of a folder, and the text of its plan."""
    place = find_place(str(folder), BucketSettings("folder", folder / "none" / "buckets", folder / "none" / "objects"))
    found = survey([place])
    return found, write_plan(draft(found, place))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_key_pattern_is_told_from_the_files(tmp_path: Path, pattern: str) -> None:
    left = Leftovers(tmp_path / "pump")
    left.write_training(pattern)
    found, text = looked_at(left.folder)
    (training,) = found.training
    assert (training.prefix, training.key_pattern) == ("training/", pattern)
    assert training.components == {"motor": ("a", "speed"), "pump": ("b", "c")}
    plan = read_plan("p", text)
    assert plan["datasets"] == [{"name": "pump", "prefix": "training/", "key_pattern": pattern}]
    assert "# guessed: no file names a dataset; called after its folder" in text


def test_without_any_answer_the_files_alone_give_a_plan(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "Station 7")
    left.write_training("{prefix}/{component_name}/*")
    left.write_labels()
    left.write_input()
    left.write_results()
    plan = read_plan("p", looked_at(left.folder)[1])
    assert plan["source"]["bucket"] == "station-7"
    assert plan["models"] == [
        {
            "name": "station-7",
            "dataset": "station-7",
            "training_start": f"{START + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
            # Evaluated is what the old service scored live, so that both can be compared.
            "training_end": f"{EVALUATED + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
            "evaluation_start": f"{EVALUATED + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
            "evaluation_end": f"{simulator.END:%Y-%m-%dT%H:%M:%SZ}",
            "labels_prefix": "labels/",
        }
    ]
    assert plan["schedulers"] == [
        {
            "name": "station-7",
            "model": "station-7",
            "upload_frequency": "PT1H",
            "input_prefix": "inference/input/",
            "delimiter": "_",
            "timestamp_format": "yyyyMMddHHmmss",
            "output_prefix": "inference/output/",
        }
    ]


def test_tags_retraining_and_sensors_are_read_from_scripts_and_templates(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "pump")
    left.write_training("{prefix}/{component_name}/*")
    part = simulator.schema({"pump": ["c"]})
    tags = "[{'Key': 'site', 'Value': SITE}, {'Key': 'by', 'Value': whoami()}]"
    left.write(
        "setup.py",
        f"SITE = 'north'\nc.create_dataset(DatasetName='d', Tags={tags})\n"
        f"c.create_model(ModelName='m', DatasetName='d', DatasetSchema={{'InlineDataSchema': {part!r}}})\n"
        f"c.create_model(ModelName='all', DatasetName='d')\n"
        "c.create_retraining_scheduler(ModelName='m', RetrainingFrequency='P1M', LookbackWindow='P180D')\n"
        "c.create_retraining_scheduler(ModelName='all', RetrainingFrequency='P1M', LookbackWindow=window())\n"
        f"c.tag_resource(ResourceArn='{simulator.arn('model', 'm')}', Tags=[{{'Key': 'line', 'Value': '3'}}])\n",
    )
    left.write("all.json", json.dumps({"ModelName": "all", "DatasetName": "d", "Schema": WHOLE}))
    left.write(
        "stack.yaml",
        "Resources:\n  Live:\n    Type: AWS::LookoutEquipment::InferenceScheduler\n    Properties:\n"
        "      ModelName: m\n      DataUploadFrequency: PT5M\n      Tags: [{Key: cost, Value: '7'}]\n"
        "      DataInputConfiguration: {S3InputConfiguration: {Bucket: old-plant, Prefix: in/}}\n"
        "      DataOutputConfiguration: {S3OutputConfiguration: {Bucket: old-plant, Prefix: out/}}\n",
    )
    text = looked_at(left.folder)[1]
    plan = read_plan("p", text)
    assert plan["datasets"][0]["tags"] == {"site": "north"}
    by_name = {one["name"]: one for one in plan["models"]}
    assert by_name["m"]["sensors"] == ["pump\\c"]
    assert by_name["m"]["tags"] == {"line": "3"}
    assert "sensors" not in by_name["all"], "it has all that the dataset has"
    assert plan["schedulers"][0]["tags"] == {"cost": "7"}
    assert plan["retraining_schedulers"] == [{"name": "m", "frequency": "P1M", "lookback": "P180D"}]
    assert "# * setup.py, line 2: Tags of 'd' cannot be told from 'whoami()'" in text
    assert "# * setup.py, line 6: nothing tells the lookback of the retraining of model 'all'" in text


WHOLE = simulator.schema({"motor": ["a", "speed"], "pump": ["b", "c"]})


def test_parquet_files_are_told_as_csv_files_are(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "pump")
    for component, frame in two_components(simulator.readings()).items():
        times = frame.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S"))
        left.write(f"training/{component}/part.parquet", parquet(times[: simulator.N_TRAINED]))
        for number in range(4):
            name = f"{component}_{EVALUATED + number * simulator.HOUR:%Y%m%d%H%M%S}.parquet"
            left.write(f"in/{name}", parquet(times[simulator.N_TRAINED + number * 12 :][:12]))
    left.write("training/motor/broken.parquet", b"PAR1")
    left.write("out/2024-03-09T00:00:00Z/results.parquet", b"ours")
    found, text = looked_at(left.folder)
    (training,) = found.training
    assert training.components == {"motor": ("a", "speed"), "pump": ("b", "c")}
    assert (training.first, training.last) == (START + simulator.STEP, EVALUATED)
    (inputs,) = found.inputs
    assert (inputs.prefix, inputs.step_seconds) == ("in/", 3600)
    (problem,) = found.problems
    assert problem.startswith("training/motor/broken.parquet: not a Parquet file")
    assert read_plan("p", text)["datasets"][0]["key_pattern"] == "{prefix}/{component_name}/*"


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def test_a_folder_with_one_file_is_a_component_where_the_input_calls_one_so(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "pump")
    left.write("training/pump/january.csv", "time,b\n2024-01-01 00:00:00,1\n2024-01-01 00:05:00,2\n")
    assert looked_at(left.folder)[0].training[0].key_pattern == "{prefix}/{component_name}.*"
    for hour in range(2):
        left.write(f"in/pump_2024010{hour + 2}000000.csv", "time,b\n2024-01-02 00:00:00,1\n")
    (training,) = looked_at(left.folder)[0].training
    assert (training.prefix, training.key_pattern) == ("training/", "{prefix}/{component_name}/*")


def test_labels_elsewhere_are_those_that_are_meant(tmp_path: Path) -> None:
    left, elsewhere = Leftovers(tmp_path / "pump"), Leftovers(tmp_path / "other")
    left.write_training("{prefix}/{component_name}/*")
    left.write_answers()
    elsewhere.write_labels("mine.csv")
    settings = BucketSettings("folder", tmp_path / "buckets", tmp_path / "objects")
    place, labels = (find_place(str(each.folder), settings) for each in (left, elsewhere))
    plan = read_plan("p", write_plan(draft(survey([place, labels]), place, labels)))
    assert plan["source"]["labels"] == str(elsewhere.folder)
    assert plan["models"][0]["labels_prefix"] == "adopted-labels/"
    assert "labels_bucket" not in plan["models"][0]


def test_a_copy_of_a_part_of_the_bucket_is_put_where_it_was(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "copy")
    left.write_training("{prefix}/{component_name}/*", prefix="training/")
    answer = {
        "DatasetName": "p",
        "IngestionInputConfiguration": {"S3InputConfiguration": simulator.place("a/b/training/")},
    }
    left.write("dataset.json", json.dumps(answer))
    plan = read_plan("p", looked_at(left.folder)[1])
    assert plan["source"] | {"place": ""} == {"place": "", "bucket": "old-plant", "key_prefix": "a/b/", "copy": True}
    assert plan["datasets"][0]["prefix"] == "a/b/training/"


def test_each_broken_file_is_named_in_a_sentence(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "pump")
    left.write_training("{prefix}/{component_name}/*")
    left.write_results()
    left.write("training/pump/odd.csv", "time,b,b\n2024-01-01 00:00:00,1,2\n")
    left.write("training/motor/empty.csv", "")
    left.write("training/motor/words.csv", "what,ever\nno,time\n")
    left.write("diagnostics/model_diagnostics_results.json.gz", gzip.compress(b'{"timestamp": "2024')[:20])
    left.write("inference/output/2024-03-09T00:00:00Z/results.jsonl", '{"timestamp": "2024-03-09T01:00:00", "predi')
    left.write("describe-model.json", json.dumps(simulator.MODEL)[:200])
    left.write("setup.py", "client.create_model(ModelName=")
    left.write("stack.yaml", "Resources: [AWS::LookoutEquipment")
    left.write("names.json", b"\xff\xfe\x00")
    found, text = looked_at(left.folder)
    said = {problem.split(":")[0].split(",")[0].removeprefix("file ").strip("'"): problem for problem in found.problems}
    assert set(said) == {
        "training/pump/odd.csv",
        "training/motor/empty.csv",
        "training/motor/words.csv",
        "diagnostics/model_diagnostics_results.json.gz",
        "inference/output/2024-03-09T00",
        "describe-model.json",
        "setup.py",
        "stack.yaml",
        "names.json",
    }
    assert "the header 'b' is that of column 2 too" in said["training/pump/odd.csv"]
    assert said["training/motor/empty.csv"].endswith("the file is empty")
    assert "line 1 is no result, or breaks off" in said["inference/output/2024-03-09T00"]
    # What can be read is in the plan all the same, and what cannot is told there too.
    assert read_plan("p", text)["datasets"][0]["prefix"] == "training/"
    assert all(f"# * {problem.split(':')[0]}" in text for problem in found.problems)


def test_what_a_script_leaves_open_is_asked_for_in_the_plan(tmp_path: Path) -> None:
    left = Leftovers(tmp_path / "pump")
    left.write_training("{prefix}/{component_name}/*")
    left.write("go.py", "c.create_dataset(DatasetName='d')\nc.create_model(ModelName='m', DatasetName=name())\n")
    text = looked_at(left.folder)[1]
    assert "# * go.py, line 2: DatasetName of 'm' cannot be told from 'name()'" in text
    assert read_plan("p", text)["models"][0]["dataset"] == "d"
    assert 'dataset: "d"  # guessed: the only dataset' in text


def test_a_plan_that_is_none_is_refused_by_name() -> None:
    def refused(text: str) -> str:
        with pytest.raises(AdoptRefused) as error:
            read_plan("adopt.yaml", text)
        return str(error.value)

    source = "source: {place: x, bucket: old-plant}\n"
    assert refused("a: [").startswith("the plan adopt.yaml is no YAML: ")
    assert refused("datasets: []") == "the plan adopt.yaml has no 'source'"
    assert "has 'dataset'; there are source, datasets" in refused(source + "dataset: []")
    assert refused(source + "datasets: [{name: d}]") == "the plan adopt.yaml: datasets 'd' needs 'prefix'"
    assert "models 'm' has 'train'; there are" in refused(source + "models: [{name: m, dataset: d, train: 1}]")
    assert "has 'd' twice" in refused(source + "datasets: [{name: d, prefix: p/}, {name: d, prefix: p/}]")


@pytest.mark.parametrize(
    ("section", "entry", "said"),
    [
        ("datasets", {"name": "a b", "prefix": "p/"}, "'a b' at 'name' failed to satisfy constraint"),
        ("datasets", {"name": "d", "prefix": "p"}, "'p' at 'prefix' failed"),
        ("models", {"name": "m", "dataset": "d", "training_end": "soon"}, "'soon' at 'training_end' must be a time"),
        ("models", {"name": "m", "dataset": "d", "sampling_rate": "PT2M"}, "enum value set: [PT1S, PT5S"),
        ("schedulers", {"upload_frequency": "PT7H"}, "'PT7H' at 'upload_frequency' failed to satisfy constraint"),
        ("schedulers", {"delay_minutes": "two"}, "'two' at 'delay_minutes' must be a number"),
        ("schedulers", {"delay_minutes": 61}, "less than or equal to 60"),
        ("label_groups", {"name": "faults", "labels": [{"start": "2026-01-01"}]}, "at 'end of label 1' must be a time"),
        ("retraining_schedulers", {"name": "m", "frequency": "P1M", "lookback": "P7D"}, "'P7D' at 'lookback' failed"),
    ],
)
def test_a_value_that_the_api_would_refuse_is_named_before_anything_is_made(
    section: str, entry: dict[str, object], said: str
) -> None:
    if section == "schedulers":
        whole = {"name": "s", "model": "m", "upload_frequency": "PT1H", "input_prefix": "i/", "output_prefix": "o/"}
        entry = whole | entry
    text = json.dumps({"source": {"place": "x", "bucket": "old-plant"}, section: [entry]})
    with pytest.raises(AdoptRefused, match=r"the plan adopt\.yaml: ") as error:
        read_plan("adopt.yaml", text)
    assert said in str(error.value)


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    settings = BucketSettings("folder", tmp_path / "buckets", tmp_path / "objects")
    with pytest.raises(AdoptRefused, match="there is no folder"):
        find_place(str(tmp_path / "nowhere"), settings)
    with pytest.raises(AdoptRefused, match="names no bucket: write s3://bucket/prefix/"):
        find_place("s3://No_Bucket/", settings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdoptRefused, match="there are no files in"):
        survey([find_place(str(tmp_path / "empty"), settings)])
