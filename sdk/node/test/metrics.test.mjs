import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, Headcount, HeadcountError } from "@headcount/node";
import { stub } from "./stub.mjs";

async function against(answer, run) {
  const server = await stub(answer);
  try {
    await run(new Headcount({ apiUrl: `${server.url}/`, readToken: "a-read-token", retryMs: 2_000 }), server.requests);
  } finally {
    await server.stop();
  }
}

test("a question names its days and brings the token", async () => {
  const answer = { from: "2024-01-01", to: "2024-01-31", total: { activeUsers: 7 }, days: [], previous: null };
  await against(
    () => [200, answer],
    async (analytics, requests) => {
      const metrics = await analytics.getPlatformMetrics(new Date("2024-01-01"), new Date("2024-01-31"));
      assert.deepEqual(metrics, { from: "2024-01-01", to: "2024-01-31", activeUsers: 7, days: [], previous: null });
      await analytics.getFeatureUsage("2024-01-01");
      await analytics.getUserEngagement("2024-01-01", new Date("2024-02-01T23:59:59Z"));
      await analytics.getPlatformMetrics("2024-01-01", "2024-01-02", { compare: true });
      assert.deepEqual(
        requests.map(({ path }) => path),
        [
          "/api/metrics?from=2024-01-01&to=2024-01-31",
          "/api/features?from=2024-01-01",
          "/api/engagement?from=2024-01-01&to=2024-02-01",
          "/api/metrics?from=2024-01-01&to=2024-01-02&compare=true",
        ],
      );
      assert.equal(requests[0].headers.authorization, "Bearer a-read-token");
    },
  );
});

test("what is refused is told with parameter and rule", async () => {
  const problem = {
    title: "Bad Request",
    detail: "the parameter from is too early",
    parameter: "from",
    rule: "is too early",
  };
  await against(
    () => [400, problem],
    async (analytics) => {
      await assert.rejects(analytics.getFeatureUsage("2020-01-01"), (error) => {
        assert.ok(error instanceof ApiError);
        assert.deepEqual([error.status, error.parameter, error.rule], [400, "from", "is too early"]);
        return /the parameter from is too early/.test(error.message);
      });
      for (const bad of [new Date(NaN), "yesterday", 7])
        await assert.rejects(analytics.getFeatureUsage(bad), HeadcountError);
    },
  );
  await against(
    () => [200, "a page"],
    async (analytics) => {
      await assert.rejects(analytics.getFeatureUsage("2024-01-01"), /check apiUrl/);
    },
  );
});

test("a server that is busy is asked again", async () => {
  await against(
    (_, number) => (number < 2 ? [503, {}, { "Retry-After": "0" }] : [200, { total: 3 }]),
    async (analytics, requests) => {
      assert.equal((await analytics.getFeatureUsage("2024-01-01")).total, 3);
      assert.equal(requests.length, 3);
    },
  );
});
