export { Headcount, type HeadcountOptions, type MetricsOptions } from "./client";
export {
  ApiError,
  DeliveryError,
  HeadcountError,
  InvalidEventsError,
  type Problem,
  QueueFullError,
  type Receipt,
  type RejectedEvent,
} from "./errors";
export { type AnalyticsEvent, BUILT_IN_EVENT_TYPES, type EventData, type EventType, type Metadata } from "./events";
export type {
  Changes,
  Counts,
  Day,
  DayState,
  EngagementDay,
  FeatureUsage,
  Figures,
  Interval,
  MetricsAnswer,
  ModelFigures,
  NamedCount,
  PlatformMetrics,
  Sessions,
  SessionIntervals,
  Spent,
  UserEngagement,
  UsersError,
} from "./metrics";
