// Prints the fields whose rules each event breaks: one event a line of the standard input.
import { createInterface } from "node:readline";
import { Headcount, InvalidEventsError } from "@headcount/node";

const analytics = new Headcount({ flushAt: 1e6, maxQueueSize: 1e6, flushIntervalMs: 1e6, flushOnExit: false });
for await (const line of createInterface({ input: process.stdin })) {
  let fields = [];
  try {
    analytics.queueEvent(JSON.parse(line));
  } catch (error) {
    if (!(error instanceof InvalidEventsError)) throw error;
    fields = error.rejected[0].problems.map(({ field }) => field);
  }
  console.log(JSON.stringify(fields));
}
