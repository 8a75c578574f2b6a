// Sends the truth through @segment/analytics-node.
"use strict";

const { all } = require("./truth.cjs");
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, flushAt: 25, flushInterval: 50, maxRetries: 20 });
analytics.on("error", (error) => console.error(error));

for (const { n, kind, user: userId, feature } of all()) {
  if (kind === "page") analytics.page({ userId, name: "Home", properties: { path: `/${n}` } });
  else if (kind === "identify") analytics.identify({ userId, traits: { email: `${userId}@example.com` } });
  else if (kind === "signup") analytics.track({ userId, event: "signup" });
  else if (kind === "model") {
    analytics.track({ userId, event: "ai_request", properties: { model: "m", inputTokens: 10, outputTokens: 5 } });
  } else analytics.track({ userId, event: feature, properties: { n } });
}
analytics.group({ userId: "user-0", groupId: "account-1" });
analytics.alias({ userId: "user-0", previousId: "before" });
analytics.closeAndFlush({ timeout: 120_000 });
