import { analytics } from "../../../lib/analytics";

const DAY_MS = 24 * 60 * 60 * 1_000;

export const dynamic = "force-dynamic";

/** The figures of the last seven days. */
export async function GET() {
  const today = new Date();
  const metrics = await analytics.getPlatformMetrics(new Date(today.getTime() - 6 * DAY_MS), today);
  return Response.json({ activeUsers: metrics.activeUsers, features: metrics.featureUsage });
}
