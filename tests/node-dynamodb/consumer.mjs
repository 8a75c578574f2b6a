// The obvious consumer: decodes, parses and writes what an event source mapping delivers, by batches of 25.
// Arguments: endpoint, table, a file with the JSON of an invocation, seconds of processor time to measure.
//
// Prints {"events", "cpuSeconds"} as JSON. It neither validates nor deduplicates nor counts.

import { readFileSync } from "node:fs";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchWriteCommand, DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

const [endpoint, table, path, seconds] = process.argv.slice(2);
const IN_FLIGHT = 16;
const WARM_UP = 4;

const client = DynamoDBDocumentClient.from(
  new DynamoDBClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  }),
);

function item(record, index, now) {
  const event = JSON.parse(Buffer.from(record.kinesis.data, "base64").toString("utf8"));
  const date = new Date(event.timestamp).toISOString().slice(0, 10);
  return {
    PK: `ANALYTICS#${date}`,
    SK: `EVENT#${event.timestamp}#${event.eventId}`,
    EntityType: "AnalyticsEvent",
    Data: event,
    GSI1PK: `USER#${event.userId}`,
    GSI1SK: `EVENT#${event.timestamp}`,
    TTL: Math.floor(now / 1000) + 90 * 86400,
    CreatedAt: now,
    UpdatedAt: now,
    Origin: `${record.eventID}#${index}`,
  };
}

async function handler(invocation) {
  const now = Date.now();
  const items = invocation.Records.map((record) => item(record, 0, now));
  const batches = [];
  for (let at = 0; at < items.length; at += 25) {
    batches.push(items.slice(at, at + 25).map((Item) => ({ PutRequest: { Item } })));
  }
  let next = 0;
  const worker = async () => {
    while (next < batches.length) {
      let requests = { [table]: batches[next++] };
      while (Object.keys(requests).length > 0) {
        const answer = await client.send(new BatchWriteCommand({ RequestItems: requests }));
        requests = answer.UnprocessedItems ?? {};
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return items.length;
}

const text = readFileSync(path, "utf8");
const used = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
for (let n = 0; n < WARM_UP; n++) await handler(JSON.parse(text));
let events = 0;
const began = used();
while (used() - began < Number(seconds)) events += await handler(JSON.parse(text));
console.log(JSON.stringify({ events, cpuSeconds: used() - began }));
