"""Settings: one frozen object, read once. Flags win over the environment, the environment over the defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

ENVIRONMENT_PREFIX = "OPENLOOKOUT_"


@dataclass(frozen=True)
class Settings:
    """How one process of the service is set up; each field is also the environment variable OPENLOOKOUT_<FIELD>."""

    host: str = "127.0.0.1"
    """The address to listen on. Any but a loopback address needs access keys."""
    port: int = 8580
    """The port to listen on; 0 takes a free one."""
    data: Path = Path("openlookout-data")
    """The folder of the database and the buckets."""
    account: str = "123456789012"
    """The account of every caller while no access keys are configured."""
    region: str = "us-east-1"
    """The region of unsigned requests."""
    database: str = ""
    """The database's URL; empty: SQLite in the data folder."""
    database_connections: int = 8
    """On PostgreSQL, how many connections a process has at most."""
    buckets: str = "folder"
    """Where buckets are: `folder` (under the data folder) or `s3`."""
    bucket_owners: str = ""
    """A file that says which accounts may name which buckets; empty: every account every bucket."""
    s3_endpoint: str = ""
    """The S3-compatible endpoint; empty: AWS's own."""
    s3_path_style: str = ""
    """`yes` or `no`: bucket in the path or in the host name; empty: in the path unless it is AWS."""
    s3_ca_file: str = ""
    """A certificate authority's file for the S3 endpoint."""
    s3_bucket: str = "openlookout"
    """With S3, the bucket of the service's own objects."""
    limits: str = "own"
    """The quotas: `own`, generous for one's own machine, or `aws`, the service's documented ones."""
    token_hours: int = 24
    """How many hours a ClientToken is remembered after the work behind its request has ended."""
    late_hours: int = 24
    """How many hours after its window an input file still corrects the results; 0: never."""
    logs: str = "text"
    """How log lines on standard error look: `text` for people, or `json`."""
    log_level: str = "info"
    """The least that is logged: `debug` (each request that only reads too), `info`, `warning` or `error`."""
    traces: str = "off"
    """`otlp`: send OpenTelemetry traces to where OTEL_EXPORTER_OTLP_ENDPOINT says."""
    metrics_token: str = ""
    """Whoever asks for the metrics must show it; without one they are shown on loopback addresses only."""
    results_parquet: str = "no"
    """`yes`: results are written as `results.parquet` too, beside `results.jsonl`."""
    score_days: int = 90
    """How many days scores are kept in the database, for the view `openlookout_scores`."""
    public_url: str = ""
    """Where people reach the console, for links in alerts; empty: host and port."""
    probe_port: int = 0
    """The port of a worker's /healthz, /readyz and /metrics; 0: none."""
    workers: int = 0
    """How many child processes compute at once; 0: as many as there are processors."""

    @property
    def console_url(self) -> str:
        """The address that links in alerts lead to; empty where it is not known."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or (f"http://{host}:{self.port}" if self.port else "")

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'openlookout.db'}"


def read_settings(flags: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
    """Give the settings: a flag that is None was not given.

    Raises:
        ValueError: an environment variable is no number where one is needed; the message names it.
    """
    values: dict[str, object] = {}
    for field in fields(Settings):
        flag = flags.get(field.name)
        text = environment.get(ENVIRONMENT_PREFIX + field.name.upper())
        if flag is not None:
            values[field.name] = flag
        elif text is not None:
            values[field.name] = _value(field.name, text)
    return Settings(**values)  # type: ignore[arg-type]  # One value a field, of its type.


def _value(name: str, text: str) -> object:
    default = getattr(Settings, name)
    try:
        return type(default)(text) if isinstance(default, int | str) else Path(text)
    except ValueError:
        message = f"{ENVIRONMENT_PREFIX}{name.upper()} must be a whole number, not '{text}'"
        raise ValueError(message) from None
