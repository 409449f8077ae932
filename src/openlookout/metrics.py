"""Metrics: what every process counts and measures, for Prometheus. A leaf: any room may count here.

What only the database knows (queues, schedulers that are behind) is read when a process is scraped: jobs/gauges.py.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0)

REQUESTS = Counter(
    "openlookout_requests", "Requests by operation and outcome (ok, or the error's code)", ["operation", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
REQUEST_SECONDS = Histogram(
    "openlookout_request_seconds", "Time to answer a request", ["operation"], buckets=_FAST, registry=REGISTRY
)
JOBS = Counter(
    "openlookout_jobs", "Jobs that ended in this process, by kind and outcome (ended, or failed unexpectedly)",
    ["kind", "outcome"], registry=REGISTRY,
)  # fmt: skip
JOB_SECONDS = Histogram(
    "openlookout_job_seconds", "Time from a job's start in this process to its end", ["kind"], buckets=_SLOW,
    registry=REGISTRY,
)  # fmt: skip
TRAINING_SECONDS = Histogram(
    "openlookout_training_seconds", "Time of a training or retraining's last attempt, by outcome (SUCCESS or FAILED)",
    ["outcome"], buckets=_SLOW, registry=REGISTRY,
)  # fmt: skip
ROWS_INGESTED = Counter("openlookout_rows_ingested", "Rows that ingestions kept", registry=REGISTRY)
BYTES_INGESTED = Counter("openlookout_ingested_bytes", "Bytes of the files that ingestions kept", registry=REGISTRY)
SCHEDULER_LAG_SECONDS = Histogram(
    "openlookout_scheduler_lag_seconds", "Time from when a scheduler's run was due to when it was taken up",
    buckets=_SLOW, registry=REGISTRY,
)  # fmt: skip
EXECUTION_LAG_SECONDS = Histogram(
    "openlookout_execution_lag_seconds",
    "Time from when an inference execution was due to its end, by outcome (SUCCESS or FAILED)",
    ["outcome"], buckets=_SLOW, registry=REGISTRY,
)  # fmt: skip
CHILDREN_KILLED = Counter(
    "openlookout_children_killed",
    "Child processes that ended without an answer: timeout, lost (out of memory or killed), unwanted, stopping",
    ["reason"], registry=REGISTRY,
)  # fmt: skip
CHILDREN_BUSY = Gauge("openlookout_children_busy", "Child processes that compute just now", registry=REGISTRY)
