"""Traces: off they cost nothing, on a request and a job are spans with their ids, within the caller's trace."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openlookout import traces
from openlookout.traces import configure_traces, span
from served import Api, boto_client

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    configure_traces("otlp", made)
    yield made
    configure_traces("off")


def flush() -> None:
    assert traces._provider is not None
    traces._provider.force_flush()


def test_off_is_the_default_and_a_kind_that_is_none_is_refused() -> None:
    with span("request", {}, a="b") as none:
        none.set("outcome", "ok")
    assert traces._tracer is None
    with pytest.raises(ValueError, match="traces must be one of off, otlp, not 'on'"):
        configure_traces("on")


def test_a_request_is_a_span_with_its_id_in_the_callers_trace(api: Api, exporter: InMemorySpanExporter) -> None:
    client = boto_client(api.port)
    client.meta.events.register(
        "before-send.*.*",
        lambda request, **_: request.headers.update(traceparent=f"00-{TRACE}-b7ad6b7169203331-01"),
    )
    answer = client.list_models()
    flush()
    (found,) = exporter.get_finished_spans()
    assert found.name == "request"
    assert f"{found.context.trace_id:032x}" == TRACE
    assert dict(found.attributes or {}) == {
        "openlookout.request_id": answer["ResponseMetadata"]["RequestId"],
        "openlookout.operation": "ListModels",
        "openlookout.outcome": "ok",
    }


def test_spans_within_spans_are_their_children(exporter: InMemorySpanExporter) -> None:
    with span("job train", kind="train", job="m.1"), span("step fit", step="fit"):
        pass
    flush()
    step, job = exporter.get_finished_spans()
    assert step.parent is not None
    assert (step.name, job.name) == ("step fit", "job train")
    assert step.parent.span_id == job.context.span_id
    assert dict(job.attributes or {}) == {"openlookout.kind": "train", "openlookout.job": "m.1"}
