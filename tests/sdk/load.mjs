// Sends 1,200 events in each of the ways that there are. The last ones are still queued when the process ends.
import { Headcount } from "@headcount/node";

const analytics = new Headcount();
const event = (n) => ({
  userId: `user-${n % 50}`,
  sessionId: `session-${n % 50}`,
  eventType: "feature_use",
  eventData: { feature: `f${n % 5}`, n },
  metadata: { userAgent: "Load/1", ipAddress: "203.0.113.9", platform: "web" },
});

const numbers = Array.from({ length: 400 }, (_, n) => n);
const one = async () => {
  for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) await analytics.trackEvent(event(n));
};
await Promise.all(Array.from({ length: 8 }, one));
for (let n = 400; n < 800; n += 40) {
  await analytics.trackEventBatch(Array.from({ length: 40 }, (_, i) => event(n + i)));
}
for (let n = 800; n < 1_180; n++) analytics.queueEvent(event(n));
await analytics.flush();
for (let n = 1_180; n < 1_200; n++) analytics.queueEvent(event(n));
