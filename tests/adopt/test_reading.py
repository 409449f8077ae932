"""What is told of the old service in saved answers, scripts and templates, read without running anything."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adopt import simulator
from openlookout.adopt.answers import NoAnswer, read_answers
from openlookout.adopt.facts import Unreadable
from openlookout.adopt.scripts import NoScript, read_script
from openlookout.adopt.templates import NoTemplate, read_template

SCRIPT = """
import boto3, json, os
from datetime import datetime
import pandas as pd

BUCKET = "old-plant"
PREFIX = "getting_started"
NAME = f"{PREFIX}-pump"
client = boto3.client("lookoutequipment")
open("ran", "w").write("the script was run")

schema = {"Components": [{"ComponentName": "pump", "Columns": [{"Name": "Timestamp", "Type": "DATETIME"}]}]}
client.create_dataset(DatasetName=NAME, DatasetSchema={"InlineDataSchema": json.dumps(schema)})
client.start_data_ingestion_job(
    DatasetName=NAME,
    IngestionInputConfiguration={
        "S3InputConfiguration": {
            "Bucket": BUCKET,
            "Prefix": os.path.join(PREFIX, "training-data/"),
        }
    },
    RoleArn=get_role(),
)
request = {"ModelName": NAME + "-model", "DatasetName": NAME}
request["TrainingDataStartTime"] = datetime(2019, 1, 1, 0, 0, 0)
request.update({"EvaluationDataEndTime": pd.to_datetime("2019-10-27 00:00:00")})
request["OffCondition"] = choose_condition()
client.create_model(**request)


def deploy(name, frequency="PT5M"):
    client.create_inference_scheduler(
        ModelName="{}-model".format(NAME),
        InferenceSchedulerName="pump-scheduler",
        DataUploadFrequency=frequency,
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": name}},
    )
"""
TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Stage: {Type: String, Default: prod}
  Frequency: {Type: String}
Mappings:
  Stages: {prod: {delay: 5}}
Conditions:
  IsProduction: !Equals [!Ref Stage, prod]
Resources:
  Data:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "plant-${Stage}"
  Live:
    Type: AWS::LookoutEquipment::InferenceScheduler
    Condition: IsProduction
    Properties:
      InferenceSchedulerName: !Join ["-", [pump, !Ref Stage]]
      ModelName: pump-model
      DataDelayOffsetInMinutes: !FindInMap [Stages, !Ref Stage, delay]
      DataUploadFrequency: !Ref Frequency
      DataInputConfiguration:
        S3InputConfiguration:
          Bucket: !Ref Data
          Prefix: !If [IsProduction, "live/", "test/"]
      DataOutputConfiguration:
        S3OutputConfiguration:
          Bucket: !GetAtt Other.Name
          Prefix: !Select [1, !Split [",", "a,out/"]]
      RoleArn: !ImportValue role
  Never:
    Type: AWS::LookoutEquipment::InferenceScheduler
    Condition: IsTest
    Properties: {InferenceSchedulerName: test}
"""


def test_answers_are_read_as_the_cli_prints_them() -> None:
    text = json.dumps(simulator.MODEL, indent=4)
    (fact,) = read_answers("saved/model.json", text)
    assert (fact.kind, fact.name, fact.rank) == ("model", "old-pump-model", "answer")
    assert fact.members["TrainingDataStartTime"] == simulator.START
    assert fact.origin_of(("OffCondition",)) == "saved/model.json, line 17"
    assert text.splitlines()[16].strip().startswith('"OffCondition"')


def test_answers_are_read_as_python_prints_them() -> None:
    printed = (
        "{'DatasetName': 'pump', 'CreatedAt': datetime.datetime(2022, 5, 13, 9, 3, 8, 123000, tzinfo=tzlocal()), "
        "'IngestionInputConfiguration': {'S3InputConfiguration': {'Bucket': 'b', 'Prefix': 'p/'}}, 'Schema': None}"
    )
    (fact,) = read_answers("notes.txt", printed)
    assert (fact.kind, fact.name) == ("dataset", "pump")
    assert fact.members["CreatedAt"] == datetime(2022, 5, 13, 9, 3, 8, 123000, UTC)


def test_lists_tell_of_each_of_their_members() -> None:
    labels = {"LabelSummaries": [{"LabelGroupName": "g", "StartTime": 1, "EndTime": 2}] * 2}
    scheduler = {"InferenceSchedulerName": "s", "EventStartTime": 1.5, "EventEndTime": 3}
    text = json.dumps(labels) + "\n" + json.dumps({"InferenceEventSummaries": [scheduler]})
    assert [fact.kind for fact in read_answers("f", text)] == ["label", "label", "event"]


@pytest.mark.parametrize("text", ["", '{"ModelName": "pump", ', "import os; os._exit(1)", "[1, 2", "__import__('os')"])
def test_what_is_no_answer_is_said(text: str) -> None:
    with pytest.raises(NoAnswer):
        read_answers("f.json", text)


def test_the_calls_of_a_script_are_read_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    facts = read_script("setup.py", SCRIPT)
    assert not (tmp_path / "ran").exists()
    assert [fact.kind for fact in facts] == ["dataset", "dataset", "model", "scheduler"]
    dataset, ingestion, model, scheduler = facts
    assert dataset.name == ingestion.name == "getting_started-pump"
    assert json.loads(dataset.members["Schema"]["InlineDataSchema"])["Components"][0]["ComponentName"] == "pump"
    place = ingestion.members["IngestionInputConfiguration"]["S3InputConfiguration"]
    assert place == {"Bucket": "old-plant", "Prefix": "getting_started/training-data/"}
    assert ingestion.members["RoleArn"] == Unreadable("get_role()")
    assert model.name == "getting_started-pump-model"
    assert model.members["TrainingDataStartTime"] == datetime(2019, 1, 1, tzinfo=UTC)
    assert model.members["EvaluationDataEndTime"] == datetime(2019, 10, 27, tzinfo=UTC)
    assert model.members["OffCondition"] == Unreadable("choose_condition()")
    assert scheduler.members["ModelName"] == "getting_started-pump-model"
    assert scheduler.members["DataUploadFrequency"] == "PT5M"
    prefix = scheduler.members["DataInputConfiguration"]["S3InputConfiguration"]["Prefix"]
    assert prefix == Unreadable("name")
    line = SCRIPT.splitlines().index("    client.create_inference_scheduler(") + 1
    assert scheduler.origin == f"setup.py, line {line}"
    assert scheduler.origin_of(("DataUploadFrequency",)) == f"setup.py, line {line + 3}"


def test_a_notebook_is_a_script() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install boto3\n", "NAME = 'pump'"]},
        {"cell_type": "code", "source": ["client.create_dataset(DatasetName=NAME)"]},
    ]
    (fact,) = read_script("setup.ipynb", json.dumps({"cells": cells}))
    assert (fact.kind, fact.name) == ("dataset", "pump")


@pytest.mark.parametrize(("name", "text"), [("a.py", "def ("), ("a.ipynb", "{}"), ("a.py", "x = '" + "\0")])
def test_what_is_no_script_is_said(name: str, text: str) -> None:
    with pytest.raises(NoScript):
        read_script(name, text)


def test_a_template_is_worked_out_as_far_as_it_tells() -> None:
    facts = read_template("stack.yaml", TEMPLATE)
    assert facts is not None
    live = facts[0]
    assert live.name == "pump-prod"
    assert live.members["DataDelayOffsetInMinutes"] == 5
    assert live.members["DataUploadFrequency"] == Unreadable("Ref Frequency")
    assert live.members["DataInputConfiguration"]["S3InputConfiguration"] == {"Bucket": "plant-prod", "Prefix": "live/"}
    target = live.members["DataOutputConfiguration"]["S3OutputConfiguration"]
    assert isinstance(target["Bucket"], Unreadable)
    assert target["Prefix"] == "out/"
    assert live.origin == "stack.yaml, line 16"


def test_a_template_in_json_says_the_same() -> None:
    properties = {
        "InferenceSchedulerName": {"Fn::Sub": "pump-${AWS::Region}"},
        "ModelName": "m",
        "DataUploadFrequency": "PT5M",
    }
    document = {"Resources": {"Live": {"Type": "AWS::LookoutEquipment::InferenceScheduler", "Properties": properties}}}
    facts = read_template("stack.json", json.dumps(document, indent="\t"))
    assert facts is not None
    assert facts[0].members["InferenceSchedulerName"] == Unreadable("Fn::Sub pump-${AWS::Region}")
    assert facts[0].members["ModelName"] == "m"


def test_what_is_no_template_is_said() -> None:
    assert read_template("a.yaml", "AWS::Nothing: 1") is None
    with pytest.raises(NoTemplate, match="line 1"):
        read_template("a.yaml", "Resources: [AWS::X")


def test_names_that_are_given_together_are_known() -> None:
    (fact,) = read_script(
        "a.py", "A, B = 'x', f()\n(C, D) = g()\nc.create_model(ModelName=A, DatasetName=B, OffCondition=C)"
    )
    assert fact.members == {"ModelName": "x", "DatasetName": Unreadable("f()"), "OffCondition": Unreadable("g()")}


def test_a_call_whose_answer_has_a_type_is_read_and_arguments_of_every_kind_are_known() -> None:
    facts = read_script(
        "a.py",
        "NAME = 'outer'\n"
        "def make(kind='x', /, size=1, *, name='inner', NAME):\n"
        "    answer: dict = c.create_model(ModelName=name, DatasetName=kind, OffCondition=NAME)\n"
        "c.create_dataset(DatasetName=NAME)\n",
    )
    assert [fact.members for fact in facts] == [
        {"ModelName": "inner", "DatasetName": "x", "OffCondition": Unreadable("NAME")},
        {"DatasetName": "outer"},
    ]
