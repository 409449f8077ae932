"""One live service: an event is told by webhook, and its rows are the same in the file, as Parquet, in SQL and metrics."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import text

from alerts.conftest import SECRET, Receiver
from openlookout.alerts.channel_settings import put_channel
from openlookout.alerts.place import Place
from openlookout.app.service import running
from openlookout.clock import ManualClock, SystemClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import ACCOUNT, REGION, boto_client, served
from service.test_live import BUCKET, HOUR, LIVE_START, N_TRAINED, START, plant, two_components
from serving import ROLE, ingest, train, wait

N_WINDOWS = 3


def test_an_event_is_told_and_its_rows_are_wherever_people_look(tmp_path: Path) -> None:
    bucket, receiver = tmp_path / "buckets" / BUCKET, Receiver()
    fresh = plant(12 * N_WINDOWS, LIVE_START, 2, 6)
    for component, frame in two_components(plant(N_TRAINED, START, 1, None)).items():
        (bucket / "training" / component).mkdir(parents=True)
        frame.write_parquet(bucket / "training" / component / "all.parquet")
    for component, frame in two_components(fresh).items():
        (bucket / "in").mkdir(exist_ok=True)
        for number in range(N_WINDOWS):
            name = f"{component}_{LIVE_START + number * HOUR:%Y%m%d%H%M%S}.parquet"
            frame[number * 12 : number * 12 + 12].write_parquet(bucket / "in" / name)
    clock = ManualClock(LIVE_START)
    settings = Settings(data=tmp_path, workers=1, results_parquet="yes", public_url="https://plant.example")
    with running(settings, clock) as service, receiver.up(), served(create_app(service.server)) as port:
        at = Place(service.database, ACCOUNT, REGION)
        put_channel(at, "ops", "webhook", {"url": receiver.url, "secret": SECRET}, SystemClock().now())
        client = boto_client(port)
        assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
        assert train(client, "plant", "plant")["Status"] == "SUCCESS"
        client.create_inference_scheduler(
            ModelName="plant",
            InferenceSchedulerName="plant",
            DataUploadFrequency="PT1H",
            DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "in/"}},
            DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
            RoleArn=ROLE,
        )
        wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))
        clock.set(LIVE_START + N_WINDOWS * HOUR)
        wait(lambda: _executions(client))
        wait(lambda: {"Status": "SUCCESS" if len(receiver.received) >= 2 else "PENDING"}, 30)
        files = [json.loads(line) for line in _results(bucket, "jsonl")]
        table = pl.concat(pl.read_parquet(path) for path in sorted(bucket.glob("out/*/results.parquet")))
        with service.database.reading() as connection:
            rows = connection.execute(text('SELECT * FROM openlookout_scores ORDER BY "timestamp"')).all()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        opened = []
        for message in (receiver.messages[1], {"link": "https://plant.example/models/plant/events/gone"}):
            with urllib.request.urlopen(
                message["link"].replace("https://plant.example", f"http://127.0.0.1:{port}")
            ) as page:
                opened.append((page.url.partition(str(port))[2], page.read().decode()))
    trained, started = receiver.messages[:2]
    assert (trained["kind"], trained["title"]) == ("training_finished", "plant: version 1 is trained")
    assert (started["kind"], started["scheduler"]) == ("event_started", "plant")
    (there, page), (elsewhere, _) = opened
    assert there.startswith("/live/plant/events/20")
    assert "Order of onset" in page
    assert elsewhere == "/models/plant"
    assert started["event"]["kind"] in {"machine", "instrument", "unseen_mode"}
    assert started["event"]["sensors"][0]["expected"] is not None
    scores = [line.get("anomaly_score") for line in files]
    assert len(scores) == 12 * N_WINDOWS
    assert table["anomaly_score"].to_list() == scores == [row.anomaly_score for row in rows]
    assert table["prediction_reason"].to_list() == [line["prediction_reason"] for line in files]
    assert [row.prediction_reason for row in rows] == [line["prediction_reason"] for line in files]
    assert [at.replace(tzinfo=None) for at in table["timestamp"].to_list()] == _times(fresh)
    assert f'openlookout_model_anomaly_score{{account="{ACCOUNT}",model="plant",region="{REGION}"' in metrics


def _executions(client: Any) -> dict[str, Any]:
    rows = client.list_inference_executions(InferenceSchedulerName="plant")["InferenceExecutionSummaries"]
    is_done = len(rows) == N_WINDOWS and all(row["Status"] == "SUCCESS" for row in rows)
    assert all(row["Status"] != "FAILED" for row in rows), rows
    return {"Status": "SUCCESS" if is_done else "IN_PROGRESS"}


def _results(bucket: Path, kind: str) -> list[str]:
    return [line for path in sorted(bucket.glob(f"out/*/results.{kind}")) for line in path.read_text().splitlines()]


def _times(fresh: pl.DataFrame) -> list[Any]:
    return fresh["time"].str.to_datetime().to_list()
