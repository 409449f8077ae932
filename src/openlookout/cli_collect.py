"""`openlookout collect`: readings from MQTT, OPC UA and folders into the input files of a scheduler."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from openlookout.collect.configuration import Configuration, SourceText
    from openlookout.collect.keeper import Keeper
    from openlookout.collect.run import Source
    from openlookout.collect.target import Target

Data = Annotated[Path | None, typer.Option(help="Folder with the buckets. [default: openlookout-data]")]
INSTALL = "pip install 'openlookout[collect]'"


def collect(
    file: Annotated[Path, typer.Argument(help="What to collect, from where, for whom; see docs/collect.md.")],
    check: Annotated[bool, typer.Option(help="Look at the file and at the scheduler, and end.")] = False,
    data: Data = None,
) -> None:
    """Write the input files of a scheduler from MQTT, OPC UA or a watched folder, until Ctrl-C."""
    from openlookout.app.foundation import bucket_settings
    from openlookout.buckets.buckets import open_buckets
    from openlookout.collect.configuration import read_configuration
    from openlookout.collect.errors import CollectError
    from openlookout.collect.run import Collection, Pace, open_keeper, run
    from openlookout.collect.target import check_names, find_target
    from openlookout.logs import configure_logs
    from openlookout.settings import read_settings

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = read_settings({"data": data})
        configure_logs(settings.logs, settings.log_level)
        configuration = read_configuration(file)
        target = find_target(_client(configuration), configuration.scheduler)
        named = [sensor for source in configuration.sources for sensor in source.sensors]
        said = check_names(target, named)
        if configuration.names_all_sensors:
            for sentence in said:
                typer.echo(f"{file}: {sentence}")
        if not target.delay_us:
            typer.echo(
                f"scheduler '{target.scheduler}' has no DataDelayOffsetInMinutes: its executions begin before the last "
                "readings of their windows are there; results are corrected when the files come"
            )
        pace = Pace(round(configuration.settle_seconds * 1e6), round(configuration.hold_seconds * 1e6))
        buckets = open_buckets(bucket_settings(settings))
        if check:
            first = next(iter(target.sensors))
            typer.echo(f"All is well; the first file of 1970 would be s3://{target.bucket}/{target.key(first, 0)}")
            return
        collection = Collection(target, configuration.spool, buckets, pace)
        keeper = open_keeper(collection)
        sources = [_made(source, keeper, target) for source in configuration.sources]
        typer.echo(f"Collecting for scheduler '{target.scheduler}' into s3://{target.bucket}/{target.prefix}")
        run(collection, keeper, sources, stopping)
    except (CollectError, ValueError) as error:
        typer.echo(f"openlookout: {error}", err=True)
        raise typer.Exit(1) from None


def _client(configuration: "Configuration") -> Any:
    from openlookout.clients import client

    region = {} if configuration.region is None else {"region_name": configuration.region}
    return client(configuration.endpoint, **region)


def _made(source: "SourceText", keeper: "Keeper", target: "Target") -> "Source":
    """Raises CollectError: what the kind of source needs is not installed."""
    from openlookout.collect.errors import CollectError

    try:
        return _MAKE[source.kind](source, keeper, target)
    except ModuleNotFoundError as error:
        raise CollectError(f"a source of kind {source.kind} needs {error.name}: {INSTALL}") from None


def _mqtt(source: "SourceText", keeper: "Keeper", _target: "Target") -> "Source":
    from openlookout.collect.mqtt import JsonTopic, Mqtt, MqttSource, SparkplugTopic

    said = source.members
    topics = [
        JsonTopic(one.topic, one.values, one.time) if one.format == "json" else SparkplugTopic(one.topic, one.values)
        for one in source.topics
    ]
    files = {name: Path(said[name]) for name in ("ca_file", "certificate", "private_key") if name in said}
    is_tls = bool(said.get("tls", files))
    return Mqtt(
        MqttSource(
            host=said["host"],
            port=said.get("port", 8883 if is_tls else 1883),
            client_id=said["client_id"],
            topics=topics,
            version=said.get("version", 5),
            user=said.get("user"),
            password=said.get("password"),
            is_tls=is_tls,
            **files,
        ),
        keeper,
    )


def _opcua(source: "SourceText", keeper: "Keeper", _target: "Target") -> "Source":
    from openlookout.collect.opcua import Opcua, OpcuaSource

    said = source.members
    files = {name: Path(said[name]) for name in ("certificate", "private_key", "server_certificate") if name in said}
    return Opcua(
        OpcuaSource(
            url=said["url"],
            values=said["values"],
            interval_ms=said.get("interval_ms", 1000),
            user=said.get("user"),
            password=said.get("password"),
            **files,
        ),
        keeper,
    )


def _folder(source: "SourceText", keeper: "Keeper", target: "Target") -> "Source":
    from openlookout.collect.folder import Folder, FolderSource

    return Folder(FolderSource(Path(source.members["path"]), target.sensors), keeper)


_MAKE = {"mqtt": _mqtt, "opcua": _opcua, "folder": _folder}
