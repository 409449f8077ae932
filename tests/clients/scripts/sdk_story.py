"""AWS's own SDK package for the service, used as its tutorial does; prints what it saw as JSON.

Runs in an environment of its own. `before`: dataset, model, analysis, scheduler, replay data; `after`: the predictions.
"""

import json
import sys
import time

import matplotlib

matplotlib.use("Agg")
import lookoutequipment as lookout  # After the backend is chosen.
import pandas as pd

ROLE = "arn:aws:iam::123456789012:role/plant"
BUCKET, PREFIX = "sdk-plant", "plant/"


def until(look, wanted):
    deadline = time.monotonic() + 60
    while look() != wanted:
        assert time.monotonic() < deadline, wanted
        time.sleep(0.2)


def before(folder):
    lookout.upload_dataset(folder, BUCKET, PREFIX)
    root = f"s3://{BUCKET}/{PREFIX}training-data"
    dataset = lookout.LookoutEquipmentDataset("sdk", ROLE, component_root_dir=root)
    dataset.create()
    job = dataset.ingest_data(BUCKET, PREFIX + "training-data/", wait=True, sleep_time=1)
    model = lookout.LookoutEquipmentModel("sdk", "sdk")
    times = [pd.to_datetime(text) for text in ("2024-03-01", "2024-03-06", "2024-03-06 00:10", "2024-03-09")]
    model.set_time_periods(times[2], times[3], times[0], times[1])
    model.set_label_data(BUCKET, PREFIX + "label-data/", ROLE)
    model.set_target_sampling_rate("PT10M")
    model.set_off_condition("motor\\speed<1.0")
    model.set_subset_schema({**dataset.get_component_field_map("motor"), **dataset.get_component_field_map("pump")})
    trained = model.train()
    model.poll_model_training(sleep_time=1)
    frames = [
        pd.read_csv(f"{folder}/training-data/{name}/all.csv", parse_dates=["Timestamp"], index_col="Timestamp")
        for name in ("motor", "pump")
    ]
    tags = pd.concat(frames, axis=1)
    analysis = lookout.LookoutEquipmentAnalysis("sdk", tags)
    predicted, labels = analysis.get_predictions(), analysis.get_labels()
    analysis.compute_histograms()
    ranked = analysis.get_ranked_list()
    scheduler = lookout.LookoutEquipmentScheduler("sdk", "sdk")
    scheduler.set_parameters(
        BUCKET,
        PREFIX + "inference-data/input/",
        BUCKET,
        PREFIX + "inference-data/output/",
        ROLE,
        upload_frequency="PT1H",
    )
    scheduler.create(wait=False)
    until(scheduler.get_status, "RUNNING")
    inspector = lookout.LookoutEquipmentSchedulerInspector("sdk")
    report = inspector.build_inspection_report()
    inspector.export_to_html(f"{folder}/report.html")
    lookout.generate_replay_data("sdk", "2024-03-07 00:00:00", "PT1H", replay_days=1)
    return {
        "schema": dataset.components_list,
        "job": [job["Status"], job["IngestedFilesSummary"]["IngestedNumberOfFiles"]],
        "trained": trained["Status"],
        "models": [*dataset.list_models(), *lookout.list_models(model_name_prefix="sd", max_results=1)],
        "datasets": lookout.list_datasets(max_results=1),
        "predicted": [[str(row["start"]), str(row["end"]), len(row["diagnostics"])] for _, row in predicted.iterrows()],
        "labels": [[str(row["start"]), str(row["end"])] for _, row in labels.iterrows()],
        "ranked": ranked["Tag"].tolist(),
        "report": report,
    }


def after(folder):
    scheduler = lookout.LookoutEquipmentScheduler("sdk", "sdk")
    executions = scheduler.list_inference_executions(execution_status="SUCCESS", max_results=1)
    predictions = scheduler.get_predictions()
    scheduler.stop(wait=False)
    until(scheduler.get_status, "STOPPED")
    scheduler.stop(wait=False)
    scheduler.start(wait=False)
    until(scheduler.get_status, "RUNNING")
    lookout.delete_dataset("sdk", delete_children=True)
    return {
        "executions": [each["CustomerResultObject"]["Key"] for each in executions],
        "columns": list(predictions.columns),
        "rows": len(predictions),
        "datasets": lookout.list_datasets(),
    }


def main():
    answers = {"before": before, "after": after}[sys.argv[1]](sys.argv[2])
    with open(sys.argv[3], "w") as file:  # Plain, for any Python.
        json.dump(answers, file)


main()
