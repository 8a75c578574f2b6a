import { InvalidEventsError } from "@headcount/node";
import { after } from "next/server";
import { analytics } from "../../../lib/analytics";

/** Writes a draft, and counts the use of the feature. */
export async function POST(request: Request) {
  const { userId, sessionId, topic } = await request.json();
  const began = Date.now();
  const text = `A post about ${topic}`;
  try {
    analytics.queueEvent({
      userId,
      sessionId,
      eventType: "feature_use",
      eventData: { feature: "blog-post-generator", duration: Date.now() - began },
      metadata: {
        userAgent: request.headers.get("user-agent"),
        ipAddress: request.headers.get("x-forwarded-for")?.split(",")[0],
        platform: "web",
      },
    });
  } catch (error) {
    if (!(error instanceof InvalidEventsError)) throw error;
    const problems = error.rejected.flatMap(({ problems }) => problems);
    return Response.json({ problems: problems.map(({ field, rule }) => `${field} ${rule}`) }, { status: 400 });
  }
  // Where functions are frozen after their answer, nothing may stay queued. A server that keeps running needs no `after`.
  after(() => analytics.flush());
  return Response.json({ text });
}
