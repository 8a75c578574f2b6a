import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { accepted, stub } from "./stub.mjs";

const QUEUE = `
  import { Headcount } from "@headcount/node";
  const analytics = new Headcount({ exitTimeoutMs: Number(process.env.EXIT_TIMEOUT_MS) });
  const event = (userId) => ({ userId, sessionId: "s", eventType: "page_view", metadata: { platform: "cli" } });
  for (const user of ["a", "b", "c"]) analytics.queueEvent(event(user));
`;

/** Runs a program that queues three events; what it said, how it ended, and the users that the collector saw. */
async function run(program, answer = accepted, signal, exitTimeoutMs = 30_000) {
  const collector = await stub(answer);
  const env = { ...process.env, HEADCOUNT_COLLECTOR_URL: collector.url, EXIT_TIMEOUT_MS: String(exitTimeoutMs) };
  const child = spawn(process.execPath, ["--input-type=module", "-e", QUEUE + program], {
    env,
    cwd: new URL(".", import.meta.url),
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  if (signal !== undefined) {
    await once(child.stdout, "data");
    child.kill(signal);
  }
  const [code, killedBy] = await once(child, "close");
  const users =
    collector.requests
      .at(-1)
      ?.events.map(({ userId }) => userId)
      .join() ?? "";
  await collector.stop();
  return { code, killedBy, users, said };
}

test("events are sent when the process comes to its end", async () => {
  assert.deepEqual(await run(""), { code: 0, killedBy: null, users: "a,b,c", said: "" });
});

test("a signal ends the process after the events are sent", async () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const { killedBy, users } = await run("console.log('ready'); setInterval(() => {}, 1_000);", accepted, signal);
    assert.deepEqual([killedBy, users], [signal, "a,b,c"]);
  }
});

test("an application that handles the signal ends by itself", async () => {
  const program = `
    process.on("SIGTERM", async () => { await analytics.flush(); console.log("done"); process.exit(7); });
    console.log("ready");
    setInterval(() => {}, 1_000);
  `;
  const { code, users, said } = await run(program, accepted, "SIGTERM");
  assert.deepEqual([code, users, said], [7, "a,b,c", "ready\ndone\n"]);
});

test("a collector that is away delays the end for a bounded time", async () => {
  const { code, said } = await run("", () => [503, { title: "away" }], undefined, 500);
  assert.equal(code, 0);
  assert.match(said, /^headcount: 3 events were not accepted: /);
});

test("without events nothing listens for signals", async () => {
  const { said } = await run(
    "await analytics.flush(); console.log(process.listenerCount('SIGTERM'), process.listenerCount('beforeExit'));",
  );
  assert.equal(said, "0 0\n");
});
