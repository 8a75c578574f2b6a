"""A collector whose answers a test decides."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body
        self.events = json.loads(body) if body else []

    @property
    def ids(self):
        return [(event["eventId"], event["timestamp"]) for event in self.events]


class Stub:
    def __init__(self, url):
        self.url = url
        self.requests = []


@contextmanager
def stub(answer):
    """`answer` gets each request and its number, and gives `(status, body, headers)`, or None to hang up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.path, self.headers, body)
            server.requests.append(request)
            answered = answer(request, len(server.requests) - 1)
            if answered is None:
                self.close_connection = True
                return
            status, body, *headers = answered
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_GET = do_POST

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Stub(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def accepted(request, _number=0):
    """The answer of a collector that accepts all."""
    results = [{"index": n, "accepted": True, "eventId": one["eventId"]} for n, one in enumerate(request.events)]
    return 202, {"accepted": len(results), "events": results}


def event(**fields):
    """A valid event."""
    return {"user_id": "u-1", "session_id": "s-1", "event_type": "page_view", "metadata": {"platform": "web"}, **fields}


def events(count):
    return [event(user_id=f"u-{n}") for n in range(count)]


def until(condition):
    """Waits until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition never held")
        time.sleep(0.001)
