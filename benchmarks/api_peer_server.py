"""A peer of `api_peers.py` as a process: fills it and serves it. Runs in the environment that has the peers.

python api_peer_server.py mlflow|moto FOLDER ROWS PORT
"""

import sys


def serve_mlflow(folder: str, rows: int, port: int) -> None:
    """Runs in the peers' environment."""
    import os  # noqa: PLC0415
    import sqlite3  # noqa: PLC0415

    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    uri = f"sqlite:///{folder}/mlflow.db"
    SqlAlchemyStore(uri)
    connection = sqlite3.connect(f"{folder}/mlflow.db")
    counts = {f"pump-{number}": rows // 200 if number else rows // 2 for number in range(101)}
    connection.executemany(
        "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, 1, 1)",
        [(name,) for name in counts],
    )
    columns = "name, version, creation_time, last_updated_time, current_stage, source, run_id, status"
    for name, n in counts.items():
        connection.executemany(
            f"INSERT INTO model_versions ({columns}) VALUES (?, ?, ?, ?, 'None', 's3://plant/model', 'run', 'READY')",
            ((name, version, 60_000 * version, 60_000 * version) for version in range(1, n + 1)),
        )
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()
    command = ["-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *command, "--workers", "1", "--default-artifact-root", folder])


def serve_moto(rows: int, port: int) -> None:
    """Runs in the peers' environment."""
    from moto.sagemaker.models import sagemaker_backends  # noqa: PLC0415
    from moto.server import main  # noqa: PLC0415

    backend = sagemaker_backends["123456789012"]["us-east-1"]
    nothing = dict.fromkeys(
        (
            *("model_package_description", "inference_specification", "validation_specification", "tags"),
            *("source_algorithm_specification", "model_approval_status", "metadata_properties", "model_metrics"),
            *("client_token", "customer_metadata_properties", "drift_check_baselines", "domain", "task"),
            *("sample_payload_url", "additional_inference_specifications"),
        )
    )
    made: dict[str, object] = {}
    for number in range(1, 101):
        name = f"pump-{number}"
        backend.create_model_package_group(name, "", [])
        arn = backend.create_model_package(None, name, certify_for_marketplace=False, **nothing)
        template = backend.model_packages[arn]
        for version in range(1, rows // 100 + 1):
            package = type(template).__new__(type(template))
            package.__dict__.update(template.__dict__, model_package_version=version)
            made[f"{arn}-{version}"] = package
    backend.model_packages.clear()
    backend.model_packages.update(made)
    main(["-H", "127.0.0.1", "-p", str(port)])


if __name__ == "__main__":
    _, which, where, n_rows, at = sys.argv
    if which == "mlflow":
        serve_mlflow(where, int(n_rows), int(at))
    else:
        serve_moto(int(n_rows), int(at))
