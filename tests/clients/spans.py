"""Exports a thousand spans of the truth's users through opentelemetry-sdk: every fourth is no request to a model."""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

endpoint, key = sys.argv[1:3]
exporter = OTLPSpanExporter(
    f"{endpoint}/v1/traces", headers={"authorization": f"Bearer {key}"}, timeout=120, compression=Compression.Gzip
)
provider = TracerProvider(resource=Resource.create({"service.name": "assistant"}))
provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=25, schedule_delay_millis=50))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("test")

for n in range(1000):
    if n % 4 == 0:
        with tracer.start_as_current_span("GET /", attributes={"http.request.method": "GET"}):
            continue
    said = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": f"m-{n % 3}",
        "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "user.id": f"user-{n % 40}",
        "session.id": f"session-{n % 50}", "gen_ai.input.messages": "not to be kept",
    }
    with tracer.start_as_current_span("chat", attributes=said):
        pass
provider.force_flush(120_000)
provider.shutdown()
