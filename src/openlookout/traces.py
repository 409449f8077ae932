"""Traces: spans of requests, jobs and steps for OpenTelemetry, an extra that is off by default. A leaf.

While it is off, a span costs one comparison and OpenTelemetry is not loaded.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

KINDS = ("off", "otlp")

_provider: Any = None
_tracer: Any = None


class Span:
    """A span under way; does nothing while traces are off."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Add an attribute that was not known at the start."""
        if self._span is not None:
            self._span.set_attribute(f"openlookout.{name}", value)


_NONE = Span()


def configure_traces(kind: str, exporter: Any = None) -> None:
    """Set up traces for the whole process; where they go, the standard variables OTEL_EXPORTER_OTLP_… say.

    Raises:
        ValueError: the kind is none of those possible, or OpenTelemetry is not installed.
    """
    global _tracer, _provider  # noqa: PLW0603  # One a process, as OpenTelemetry itself has it.
    if kind not in KINDS:
        message = f"traces must be one of {', '.join(KINDS)}, not '{kind}'"
        raise ValueError(message)
    if kind == "off":
        if _provider is not None:
            _provider.shutdown()  # Sends what waits.
        _provider = _tracer = None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # An extra.
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        message = f"traces need the extra 'otel': pip install 'openlookout[otel]' ({error})"
        raise ValueError(message) from None
    _provider = TracerProvider(resource=Resource.create({"service.name": "openlookout"}))
    _provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    _tracer = _provider.get_tracer("openlookout")


def span(name: str, carrier: Mapping[str, str] | None = None, **attributes: str) -> AbstractContextManager[Span]:
    """Open a span around something; `carrier`: the headers of a request, whose trace it then belongs to."""
    return nullcontext(_NONE) if _tracer is None else _span(name, carrier, attributes)


@contextmanager
def _span(name: str, carrier: Mapping[str, str] | None, attributes: Mapping[str, str]) -> Iterator[Span]:
    from opentelemetry import propagate, trace  # noqa: PLC0415  # An extra.

    said = {f"openlookout.{key}": value for key, value in attributes.items()}
    context = None if carrier is None else propagate.extract(carrier)
    kind = trace.SpanKind.INTERNAL if carrier is None else trace.SpanKind.SERVER
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=said) as opened:
        yield Span(opened)
