// Sends the truth through posthog-node.
"use strict";

const { all } = require("./truth.cjs");
const { PostHog } = require("posthog-node");

const [host, key] = process.argv.slice(2);
const posthog = new PostHog(key, { host, flushAt: 25, maxBatchSize: 25, flushInterval: 50, fetchRetryCount: 20, fetchRetryDelay: 100 });
posthog.on("error", (error) => console.error(error));

for (const { n, kind, user: distinctId, feature } of all()) {
  if (kind === "page") posthog.capture({ distinctId, event: "$pageview", properties: { $current_url: `http://x/${n}` } });
  else if (kind === "identify") posthog.identify({ distinctId, properties: { email: `${distinctId}@example.com` } });
  else if (kind === "signup") posthog.capture({ distinctId, event: "signup" });
  else if (kind === "model") {
    const properties = { $ai_model: "m", $ai_input_tokens: 10, $ai_output_tokens: 5, $ai_input: "not to be kept" };
    posthog.capture({ distinctId, event: "$ai_generation", properties });
  } else posthog.capture({ distinctId, event: feature, properties: { n } });
}
posthog.groupIdentify({ groupType: "company", groupKey: "account-1" });
posthog.alias({ distinctId: "user-0", alias: "before" });
posthog.shutdown(120_000);
