import assert from "node:assert/strict";
import { test } from "node:test";
import { Headcount, InvalidEventsError } from "@headcount/node";
import { event } from "./stub.mjs";

const analytics = new Headcount({
  collectorUrl: "http://127.0.0.1:9",
  eventTypes: ["signup"],
  flushOnExit: false,
  maxQueueSize: 1e6,
  flushAt: 1e6,
});

/** The rules that an event breaks, each as `field rule`. */
function broken(fields) {
  try {
    analytics.queueEvent(event(fields));
    return [];
  } catch (error) {
    assert.ok(error instanceof InvalidEventsError, error);
    return error.rejected[0].problems.map(({ field, rule }) => `${field} ${rule}`);
  }
}

function check(fields, ...expected) {
  const found = broken(fields);
  assert.equal(found.length, expected.length, `${Object.keys(fields)}: ${found.join("; ")}`);
  for (const [index, begin] of expected.entries())
    assert.ok(found[index].startsWith(begin), `${found[index]}: ${begin}`);
}

test("every problem is named at once", async () => {
  const bad = {
    sessionId: 7,
    eventType: "shopping",
    timestamp: 1_795_500_000,
    eventData: "x",
    metadata: { ipAddress: "" },
    userid: "u",
  };
  await assert.rejects(analytics.trackEventBatch([event(), bad]), (error) => {
    assert.ok(error instanceof InvalidEventsError);
    assert.equal(error.rejected.length, 1);
    assert.equal(error.rejected[0].index, 1);
    const fields = error.rejected[0].problems.map(({ field }) => field);
    assert.deepEqual(fields, [
      "userId",
      "sessionId",
      "eventType",
      "timestamp",
      "eventData",
      "metadata.ipAddress",
      "metadata.platform",
      "userid",
    ]);
    for (const field of fields) assert.ok(error.message.includes(field), error.message);
    return true;
  });
});

test("ids", () => {
  check({ userId: "  u  ", sessionId: "\ufeffs\u200b" });
  check({ userId: "" }, "userId must not be empty");
  check({ userId: "\u200b " }, "userId must not be empty");
  check({ userId: 42 }, "userId must be a string");
  check({ userId: "é".repeat(129) }, "userId has 258 bytes: at most 256 are allowed");
  check({ userId: "a\u0000b" }, "userId must not hold control characters");
  check({ userId: null }, "userId is required, or an anonymousId");
  check({ userId: "", anonymousId: "a" });
  check({ userId: undefined, anonymousId: "a".repeat(247) }, "anonymousId has 247 bytes");
  check({ userId: 1, anonymousId: 2 }, "userId must be a string");
  check({ sessionId: undefined });
  check({ sessionId: null });
  check({ sessionId: " " }, "sessionId must not be empty");
  check({ eventId: "e".repeat(129), timestamp: Date.now() }, "eventId has 129 bytes");
  check({ accountId: "acme" });
  check({ accountId: " " });
  check({ accountId: 7 }, "accountId must be a string");
  check({ eventType: "signup" });
  check({ eventType: " page_view " });
  check(
    { eventType: "sign_up" },
    "eventType must be one of page_view, feature_use, content_create, ai_request, error, identify, signup",
  );
});

test("times", () => {
  for (const good of [
    Date.now(),
    new Date(),
    new Date().toISOString(),
    "2026-03-01 12:00:00+01",
    "2026-03-01T12:00:00.5-0330",
  ])
    check({ timestamp: good });
  check({ timestamp: 1_795_500_000 }, "timestamp is in seconds");
  check({ timestamp: 1_795_500_000_000_000 }, "timestamp is in microseconds");
  check({ timestamp: 7 }, "timestamp must be a time from the year 2000");
  check({ timestamp: NaN }, "timestamp must be a time from the year 2000");
  check({ timestamp: new Date(NaN) }, "timestamp must be milliseconds");
  check({ timestamp: "1795500000000" }, "timestamp is a number in quotes");
  check({ timestamp: "2026-03-01T12:00:00" }, "timestamp names no time zone");
  check({ timestamp: "2026-03-01" }, "timestamp is a date without a time of day");
  check({ timestamp: "yesterday" }, "timestamp must be milliseconds");
  check({ timestamp: true }, "timestamp must be milliseconds");
  check({ eventId: "order-1" }, "timestamp is required beside an eventId that is no UUIDv7");
  check({ eventId: "order-1", timestamp: Date.now() });
});

test("data that is counted", () => {
  check({ eventData: null });
  check({ eventData: [1] }, "eventData must be an object");
  for (const [eventType, name] of [
    ["feature_use", "feature"],
    ["content_create", "contentType"],
    ["ai_request", "model"],
    ["error", "errorType"],
  ]) {
    check({ eventType, eventData: { [name]: "x" } });
    check({ eventType, eventData: { [name]: " \u0007" } }, `eventData.${name} must not be empty`);
    check({ eventType, eventData: { [name]: 1 } }, `eventData.${name} must be a string`);
    check({ eventType: "page_view", eventData: { [name]: 1 } });
  }
  const asked = (eventData, ...expected) => check({ eventType: "ai_request", eventData }, ...expected);
  asked({ inputTokens: 0, outputTokens: 1e9, cost: 0.5 });
  asked({ usage: { prompt_tokens: 5 } });
  asked({ reasoningTokens: -1, cacheWriteTokens: "x" }, "eventData.cacheWriteTokens", "eventData.reasoningTokens");
  asked(
    { tokens: -1, inputTokens: 1.5, outputTokens: "1", cachedTokens: NaN, cost: -1 },
    "eventData.tokens must be a whole number",
    "eventData.inputTokens",
    "eventData.outputTokens",
    "eventData.cachedTokens",
    "eventData.cost must be US dollars",
  );
});

test("metadata", () => {
  check({ metadata: undefined }, "metadata.platform is required");
  check({ metadata: "web" }, "metadata must be an object");
  check({ metadata: { platform: "web", userAgent: null, ipAddress: null, tenant: 7 } });
  check(
    { metadata: { platform: " ", userAgent: 1, ipAddress: " " } },
    "metadata.userAgent must be a string",
    "metadata.ipAddress must not be empty",
    "metadata.platform must not be empty",
  );
});

test("what is no event, or no JSON", () => {
  for (const nothing of [undefined, null, 7, "x", []])
    assert.throws(() => analytics.queueEvent(nothing), /must be an object/);
  const ring = {};
  ring.ring = ring;
  check({ eventData: ring }, " the event cannot be written as JSON");
  check({ eventData: { n: 1n } }, " the event cannot be written as JSON");
  check({ eventData: { text: "x".repeat(1 << 20) } }, " the event has 10");
});

test("an id and a time are made once, and kept where they are given", () => {
  const made = analytics.queueEvent(event());
  assert.match(made.eventId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(made.eventId.replaceAll("-", "").slice(0, 12), 16), made.timestamp);
  assert.notEqual(analytics.queueEvent(event()).eventId, made.eventId);
  assert.deepEqual(analytics.queueEvent(event({ eventId: "order-1", timestamp: "2026-03-01T12:00:00Z" })), {
    eventId: "order-1",
    timestamp: "2026-03-01T12:00:00Z",
  });
  assert.deepEqual(analytics.queueEvent(event({ eventId: made.eventId })), made);
});

test("options that cannot be used are named", () => {
  assert.throws(() => new Headcount({ collectorUrl: "localhost:8700" }), /collectorUrl must be an http or https URL/);
  assert.throws(() => new Headcount({ flushAt: 0 }), /flushAt must be a whole number above 0/);
});
