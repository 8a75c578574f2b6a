"""Asks a stand-in for OpenAI through OpenAI's own client, as OpenTelemetry's instrumentation sees it."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


class Model(BaseHTTPRequestHandler):
    """What api.openai.com answers to a chat."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        answer = json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
            "usage": {
                "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 1},
            },
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class WhoAsks(SpanProcessor):
    """Says whose request a span is, as an application does."""

    user = None

    def on_start(self, span, parent_context=None):
        span.set_attribute("user.id", self.user)


endpoint, key = sys.argv[1:3]
who = WhoAsks()
provider = TracerProvider()
provider.add_span_processor(who)
exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers={"authorization": f"Bearer {key}"}, timeout=120)
provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=25, schedule_delay_millis=50))
trace.set_tracer_provider(provider)
OpenAIInstrumentor().instrument()

model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=model.serve_forever, daemon=True).start()
client = OpenAI(base_url=f"http://127.0.0.1:{model.server_port}/v1", api_key="none", max_retries=0)
for n in range(1000):
    who.user = f"user-{n % 40}"
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello?"}])
provider.force_flush(120_000)
provider.shutdown()
