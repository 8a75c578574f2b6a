import assert from "node:assert/strict";
import { test } from "node:test";
import { DeliveryError, Headcount, InvalidEventsError, QueueFullError } from "@headcount/node";
import { accepted, event, stub, until } from "./stub.mjs";

/** Runs a test against a collector that answers so. */
async function against(answer, options, run) {
  const collector = await stub(answer);
  const errors = [];
  const analytics = new Headcount({
    collectorUrl: collector.url,
    flushOnExit: false,
    onError: (error) => errors.push(error),
    ...options,
  });
  try {
    await run(analytics, collector.requests, errors, collector);
  } finally {
    await collector.stop();
  }
}

const ids = (request) => request.events.map(({ eventId, timestamp }) => `${eventId} ${timestamp}`);
const events = (count) => Array.from({ length: count }, (_, n) => event({ userId: `u-${n}` }));

test("a request brings key, user agent and the time of sending", async () => {
  await against(accepted, { writeKey: "wk_0123456789abcdef" }, async (analytics, requests) => {
    const receipt = await analytics.trackEvent(
      event({ eventData: { list: [1, { a: "é" }] }, timestamp: new Date(1_795_500_000_000) }),
    );
    const [request] = requests;
    assert.equal(request.path, "/v1/events");
    assert.equal(request.headers.authorization, "Bearer wk_0123456789abcdef");
    assert.match(request.headers["user-agent"], /^headcount-node\/\d/);
    const [{ sentAt, ...sent }] = request.events;
    assert.ok(Math.abs(sentAt - Date.now()) < 60_000);
    assert.deepEqual(sent, {
      ...event(),
      eventData: { list: [1, { a: "é" }] },
      ...receipt,
      timestamp: 1_795_500_000_000,
    });
  });
});

test("what fails for a time is sent again under the same ids", async () => {
  const answers = [
    null,
    [500, {}],
    [503, { title: "busy", detail: "later" }],
    [408, {}],
    [429, {}, { "Retry-After": "0" }],
  ];
  await against(
    (request, number) => (answers[number] === undefined ? accepted(request) : answers[number]),
    {},
    async (analytics, requests) => {
      await analytics.trackEventBatch(events(3));
      assert.equal(requests.length, answers.length + 1);
      for (const request of requests) assert.deepEqual(ids(request), ids(requests[0]));
    },
  );
});

test("Retry-After is honoured, in seconds or as a date", async () => {
  const waits = [{ "Retry-After": "1" }, { "Retry-After": new Date(Date.now() + 3_000).toUTCString() }];
  await against(
    (request, number) => (number < 2 ? [429, {}, waits[number]] : accepted(request)),
    {},
    async (analytics) => {
      const began = Date.now();
      await analytics.trackEvent(event());
      assert.ok(Date.now() - began >= 2_000, `${Date.now() - began} ms`);
    },
  );
  // A wait beyond the time for retries ends at once.
  await against(
    () => [503, { title: "away", detail: "come back" }, { "Retry-After": "3600" }],
    {},
    async (analytics, requests) => {
      await assert.rejects(
        analytics.trackEvent(event()),
        (error) => error instanceof DeliveryError && error.status === 503 && /away: come back/.test(error.message),
      );
      assert.equal(requests.length, 1);
    },
  );
});

test("of a partial answer only what was not accepted is sent again, and the invalid is named", async () => {
  const partial = ({ events: [a, b, c, d] }) => [
    400,
    {
      title: "invalid events",
      events: [
        { index: 0, accepted: true, eventId: a.eventId },
        {
          index: 1,
          accepted: false,
          problems: [
            { field: "timestamp", problem: "lies too early" },
            { field: "userId", problem: "is odd" },
          ],
        },
        { index: 2, accepted: false, eventId: c.eventId, timestamp: c.timestamp },
        { index: 3, accepted: true, eventId: d.eventId },
      ],
    },
  ];
  await against(
    (request, number) => (number === 0 ? partial(request) : accepted(request)),
    {},
    async (analytics, requests) => {
      await assert.rejects(analytics.trackEventBatch(events(4)), (error) => {
        assert.ok(error instanceof InvalidEventsError);
        const problems = [
          { field: "timestamp", rule: "lies too early" },
          { field: "userId", rule: "is odd" },
        ];
        assert.deepEqual(error.rejected, [{ index: 1, eventId: requests[0].events[1].eventId, problems }]);
        assert.equal(error.accepted.length, 3);
        return true;
      });
      assert.deepEqual(ids(requests[1]), [ids(requests[0])[2]]);
    },
  );
});

test("what is left when the time is over is told with id and time", async () => {
  const half = ({ events }) => [
    429,
    { title: "too many", events: events.map(({ eventId }, index) => ({ index, accepted: index % 2 === 0, eventId })) },
  ];
  await against(
    (request, number) => (number === 0 ? half(request) : [503, { title: "away" }, { "Retry-After": "3600" }]),
    {},
    async (analytics, requests) => {
      await assert.rejects(analytics.trackEventBatch(events(4)), (error) => {
        assert.ok(error instanceof DeliveryError);
        assert.deepEqual(
          error.notAccepted.map(({ eventId }) => eventId),
          [1, 3].map((n) => requests[0].events[n].eventId),
        );
        assert.deepEqual(
          error.notAccepted.map(({ userId, timestamp }) => [userId, typeof timestamp]),
          [
            ["u-1", "number"],
            ["u-3", "number"],
          ],
        );
        assert.equal(error.accepted.length, 2);
        assert.match(error.message, /^2 events were not accepted: HTTP 503, away/);
        return true;
      });
    },
  );
});

test("a refusal ends at once and says why", async () => {
  for (const [status, body, pattern] of [
    [
      401,
      { title: "no valid write key", detail: "bring a write key" },
      /HTTP 401, no valid write key: bring a write key/,
    ],
    [404, {}, /HTTP 404/],
    [200, { hello: "world" }, /not the answer of a collector: check collectorUrl/],
    [202, { accepted: 1, events: [] }, /not the answer of a collector/],
  ]) {
    await against(
      () => [status, body, { Location: "/elsewhere" }],
      {},
      async (analytics, requests) => {
        await assert.rejects(
          analytics.trackEvent(event()),
          (error) => error instanceof DeliveryError && error.status === status && pattern.test(error.message),
        );
        assert.equal(requests.length, 1);
      },
    );
  }
});

test("a collector that is not there is named", async () => {
  const collector = await stub(accepted);
  await collector.stop();
  const analytics = new Headcount({ collectorUrl: collector.url, retryMs: 1 });
  await assert.rejects(
    analytics.trackEvent(event()),
    (error) =>
      error.message === `1 event was not accepted: no answer from ${collector.url}: fetch failed (ECONNREFUSED)`,
  );
});

test("large batches go in several requests, and none is too large", async () => {
  await against(accepted, {}, async (analytics, requests) => {
    const receipts = await analytics.trackEventBatch([
      ...events(2_100),
      ...Array.from({ length: 5 }, () => event({ eventData: { text: "x".repeat(500_000) } })),
    ]);
    assert.equal(receipts.length, 2_105);
    assert.ok(requests.every(({ events, text }) => events.length <= 1_000 && text.length <= 1 << 20));
    assert.equal(new Set(requests.flatMap(ids)).size, 2_105);
    assert.deepEqual(await analytics.trackEventBatch([]), []);
  });
});

test("an event that a proxy refuses holds up no other", async () => {
  const picky = (request) => (request.text.includes("poison") ? [413, { title: "too large" }] : accepted(request));
  await against(picky, {}, async (analytics) => {
    const batch = events(20);
    batch[7] = event({ userId: "poison" });
    await assert.rejects(analytics.trackEventBatch(batch), (error) => {
      assert.ok(error instanceof InvalidEventsError);
      assert.deepEqual(
        error.rejected.map(({ index }) => index),
        [7],
      );
      assert.match(error.message, /refused: HTTP 413, too large/);
      return error.accepted.length === 19;
    });
  });
});

test("queued events go together at 25, or after a while", async () => {
  await against(accepted, { flushIntervalMs: 50 }, async (analytics, requests) => {
    for (const one of events(24)) analytics.queueEvent(one);
    assert.equal(requests.length, 0);
    analytics.queueEvent(event());
    await until(() => requests.length === 1);
    assert.equal(requests[0].events.length, 25);
    analytics.queueEvent(event());
    const alive = setInterval(() => {}, 1_000);
    await until(() => requests.length === 2);
    clearInterval(alive);
    assert.equal(requests[1].events.length, 1);
  });
});

test("an event is sent as it was when it was queued", async () => {
  await against(accepted, {}, async (analytics, requests) => {
    const one = event({ eventData: { step: 1 } });
    analytics.queueEvent(one);
    one.eventData.step = 2;
    await analytics.flush();
    assert.equal(requests[0].events[0].eventData.step, 1);
  });
});

test("flush waits for what was queued before it, and not for what comes later", async () => {
  let answer;
  await against(
    (request) => new Promise((resolve) => (answer = () => resolve(accepted(request)))),
    {},
    async (analytics, requests) => {
      analytics.queueEvent(event({ userId: "first" }));
      const flushed = analytics.flush();
      await until(() => answer);
      analytics.queueEvent(event({ userId: "second" }));
      answer();
      await flushed;
      assert.equal(requests.length, 1);
      answer = undefined;
      const second = analytics.flush();
      await until(() => answer);
      answer();
      await second;
      await analytics.flush();
      assert.equal(requests.length, 2);
    },
  );
});

test("after a failure events stay, in order, and are sent later", async () => {
  let isAway = true;
  await against(
    (request) => (isAway ? [503, { title: "away" }] : accepted(request)),
    { retryMs: 50 },
    async (analytics, requests, errors) => {
      for (const one of events(30)) analytics.queueEvent(one);
      await until(() => errors.length === 1);
      assert.match(errors[0].message, /events were not accepted: HTTP 503, away/);
      await assert.rejects(analytics.flush(), DeliveryError);
      isAway = false;
      await analytics.flush();
      assert.deepEqual(
        requests.at(-1).events.map(({ userId }) => userId),
        events(30).map(({ userId }) => userId),
      );
    },
  );
});

test("what the collector rejects leaves the queue and is told", async () => {
  const reject = ({ events }) => [
    400,
    {
      events: events.map((_, index) => ({
        index,
        accepted: false,
        problems: [{ field: "timestamp", problem: "is late" }],
      })),
    },
  ];
  await against(reject, { flushAt: 2 }, async (analytics, requests, errors) => {
    analytics.queueEvent(event());
    await assert.rejects(analytics.flush(), /1 event breaks rules: event 0: timestamp is late/);
    assert.equal(errors.length, 0, "a flush was told");
    for (const one of events(2)) analytics.queueEvent(one);
    await until(() => errors.length === 1);
    assert.equal(errors[0].rejected.length, 2);
    await analytics.flush();
    assert.equal(requests.length, 2);
  });
});

test("the queue is bounded, and closes", async () => {
  await against(accepted, { maxQueueSize: 2, flushAt: 100 }, async (analytics, requests) => {
    for (const one of events(2)) analytics.queueEvent(one);
    assert.throws(() => analytics.queueEvent(event()), QueueFullError);
    await analytics.close();
    assert.equal(requests[0].events.length, 2);
    assert.throws(() => analytics.queueEvent(event()), /closed/);
  });
});
