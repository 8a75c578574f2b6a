// Sends 100 events by a clock that is three hours ahead, and prints the problems of one that only the collector can refuse.
import { Headcount, InvalidEventsError } from "@headcount/node";

const now = Date.now;
Date.now = () => now() + 3 * 60 * 60 * 1_000;
const analytics = new Headcount();
const event = (n, more) => ({
  userId: `user-${n}`,
  sessionId: "s",
  eventType: "page_view",
  metadata: { platform: "web" },
  ...more,
});
await analytics.trackEventBatch(Array.from({ length: 99 }, (_, n) => event(n)));
try {
  await analytics.trackEventBatch([event(99), event(100, { timestamp: new Date("2024-01-01") })]);
} catch (error) {
  if (!(error instanceof InvalidEventsError)) throw error;
  const [{ index, problems }] = error.rejected;
  console.log(JSON.stringify([error.accepted.length, index, ...problems.map(({ field, rule }) => `${field} ${rule}`)]));
}
