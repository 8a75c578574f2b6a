import { createServer } from "node:http";
import { once } from "node:events";

/** A collector whose answers a test decides: `answer` gets each request and gives `[status, body, headers]`, or null to hang up. */
export async function stub(answer) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const seen = { path: request.url, headers: request.headers, text, events: text === "" ? [] : JSON.parse(text) };
    requests.push(seen);
    const answered = await answer(seen, requests.length - 1);
    if (answered === null) return request.socket.destroy();
    const [status, body, headers = {}] = answered;
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, requests, stop };
}

/** The answer of a collector that accepts all. */
export function accepted({ events }) {
  return [
    202,
    { accepted: events.length, events: events.map(({ eventId }, index) => ({ index, accepted: true, eventId })) },
  ];
}

/** A valid event. */
export function event(fields = {}) {
  return { userId: "u-1", sessionId: "s-1", eventType: "page_view", metadata: { platform: "web" }, ...fields };
}

/** Waits until a condition holds. */
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
