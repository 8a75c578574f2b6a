import { ApiError, HeadcountError } from "./errors";
import { type Answer, explained, holding, isTemporary, pause, send, unreachable } from "./http";

/** A day: a date such as `2024-01-31`, or a `Date`, of which the day in UTC counts. */
export type Day = string | Date;

/** A count for each name. */
export type Counts = Record<string, number>;

/** A figure's 95 % confidence interval. */
export interface Interval {
  low: number;
  high: number;
}

/** The 95 % confidence intervals of session figures; both ends are the figure itself where it is exact. */
export interface SessionIntervals {
  count: Interval;
  averageDuration: Interval;
  p50: Interval;
  p95: Interval;
}

/** What requests to language models took and cost, in US dollars. */
export interface Spent {
  requests: number;
  tokens: number;
  cost: number;
  costNanos: number;
}

/** Use of one language model. */
export interface ModelFigures extends Spent {
  /** Requests that failed. */
  errors: number;
  /** Requests that used tokens and whose cost is not known. */
  unpriced: number;
  /** Of the requests that say how long they took: how many, and the median and 95th percentile in milliseconds. */
  latency: { count: number; p50: number; p95: number };
}

/** Figures of a day or of a range of days. */
export interface Figures {
  /** Different users of the day, or of the whole range. */
  activeUsers: number;
  /** Users ever seen up to the end of the (last) day. */
  totalUsers: number;
  /** Users first seen on the day, or within the range. */
  newSignups24h: number;
  /** Different users of the day; of a range, the mean of its days. */
  dailyActiveUsers: number;
  /** Different users of the 7 days that end with the (last) day. */
  weeklyActiveUsers: number;
  /** Different users of the 30 days that end with the (last) day. */
  monthlyActiveUsers: number;
  /** Different accounts of the day, or of the whole range. */
  activeAccounts: number;
  /** Different accounts of the 7 days that end with the (last) day. */
  weeklyActiveAccounts: number;
  /** Different accounts of the 30 days that end with the (last) day. */
  monthlyActiveAccounts: number;
  /** Milliseconds. */
  averageSessionDuration: number;
  /** How many, and their median and 95th percentile in milliseconds. */
  sessions: { count: number; p50: number; p95: number };
  /** Uses of each feature. */
  featureUsage: Counts;
  contentCreated: { total: number; byType: Counts };
  aiUsage: {
    totalRequests: number;
    totalTokens: number;
    /** US dollars. */
    totalCost: number;
    totalCostNanos: number;
    failedRequests: number;
    /** Requests that used tokens and whose cost is not known. */
    unpricedRequests: number;
    byModel: Record<string, ModelFigures>;
    /** Of the requests that name an account; those that cost most are listed. */
    byAccount: Record<string, Spent>;
    /** The same by feature. */
    byFeature: Record<string, Spent>;
    /** The same by user. */
    byUser: Record<string, Spent>;
  };
  errors: { total: number; byType: Counts };
  eventsByType: Counts;
  /** Events by hour of the reporting zone, 24 of them. */
  eventsByHour: number[];
  platforms: Counts;
  /** Events of each account, of those that name one. */
  accounts: Counts;
  /** Occurrences that broke a rule, by the day of their arrival. */
  rejected: number;
  duplicates: number;
  /** Valid events that count for no user. */
  eventsWithoutUser: number;
  /** Events that belong to no session. */
  eventsWithoutSession: number;
  /** How exact the figures are. */
  estimate: {
    usersRelativeStandardError: number;
    accountsRelativeStandardError: number;
    /** How far latencies may be off, as a share of them. */
    latencyRelativeError: number;
    sessionsExact: boolean;
    sessionIntervals: SessionIntervals;
    sourcesSetAside: number;
    namesApproximate: boolean;
  };
  /** Whether no more events of the stream are taken, and all are proven. */
  final: boolean;
  /** Whether the figures are exact: proven from the log. */
  verified: boolean;
  /** What a proof says of the day; absent where there is none, and of a range. */
  proof?: Record<string, unknown>;
}

/** Where a day's figures come from: nothing is stored, counted a moment ago, or rolled up. */
export type DayState = "missing" | "live" | "stored";

/** How far a number of users may be off, in 95 of 100 cases. */
export interface UsersError {
  plusMinus: number;
  share: number;
  confidence: number;
}

/** Changes as shares (0.5 is half as much again); null where there was nothing before. */
export type Changes = Record<
  | "activeUsers"
  | "activeAccounts"
  | "dailyActiveUsers"
  | "totalUsers"
  | "newSignups"
  | "sessions"
  | "averageSessionDuration"
  | "events"
  | "aiRequests"
  | "aiCost"
  | "errors"
  | "rejected",
  number | null
>;

/** What `/api/metrics` answers. */
export interface MetricsAnswer {
  from: string;
  to: string;
  today: string;
  /** The IANA zone whose days are counted. */
  timeZone: string;
  total: Figures;
  usersError: UsersError;
  days: (Figures & { date: string; state: DayState })[];
  /** As many days directly before, where they were asked for. */
  previous: { from: string; to: string; total: Figures; change: Changes } | null;
}

/** The figures of a range of days, and of each of its days. */
export type PlatformMetrics = Figures & Omit<MetricsAnswer, "total">;

/** A name, how often it was counted, and its share of all. */
export interface NamedCount {
  name: string;
  count: number;
  share: number;
}

/** The use of features over a range of days. */
export interface FeatureUsage {
  from: string;
  to: string;
  total: number;
  /** The most used first. */
  features: NamedCount[];
  /** What was created, the most frequent first. */
  content: NamedCount[];
  /** Whether counts of names are lower bounds, as a day has more names than are counted exactly. */
  namesApproximate: boolean;
  days: { date: string; state: DayState; features: Counts; content: Counts }[];
}

/** Sessions; durations in milliseconds. */
export interface Sessions {
  count: number;
  averageMs: number;
  medianMs: number;
  p95Ms: number;
  exact: boolean;
  intervals: SessionIntervals;
}

/** Users and sessions of a day. */
export interface EngagementDay {
  date: string;
  state: DayState;
  dailyActiveUsers: number;
  weeklyActiveUsers: number;
  monthlyActiveUsers: number;
  /** Daily users as a share of monthly ones. */
  stickiness: number;
  newSignups: number;
  sessions: Sessions;
}

/** Users and sessions over a range of days. */
export interface UserEngagement {
  from: string;
  to: string;
  /** Different users of the range. */
  activeUsers: number;
  usersError: UsersError;
  /** DAU: the mean of the days. */
  dailyActiveUsers: number;
  /** WAU: different users of the last 7 days. */
  weeklyActiveUsers: number;
  /** MAU: different users of the last 30 days. */
  monthlyActiveUsers: number;
  stickiness: number;
  newSignups: number;
  totalUsers: number;
  sessions: Sessions;
  days: EngagementDay[];
}

/** The JSON API, which answers with figures. */
export class Api {
  constructor(
    private readonly url: string,
    private readonly readToken: string | undefined,
    private readonly timeoutMs: number,
    private readonly retryMs: number,
  ) {}

  async platformMetrics(from: Day, to: Day | undefined, compare: boolean): Promise<PlatformMetrics> {
    const { total, ...rest } = await this.get<MetricsAnswer>("metrics", from, to, compare ? { compare: "true" } : {});
    return { ...total, ...rest };
  }

  featureUsage(from: Day, to: Day | undefined): Promise<FeatureUsage> {
    return this.get("features", from, to);
  }

  userEngagement(from: Day, to: Day | undefined): Promise<UserEngagement> {
    return this.get("engagement", from, to);
  }

  private async get<T>(path: string, from: Day, to: Day | undefined, more: Record<string, string> = {}): Promise<T> {
    const parameters = { from: dateOf("from", from), ...(to === undefined ? {} : { to: dateOf("to", to) }), ...more };
    return holding(this.ask<T>(`${this.url}/api/${path}?${new URLSearchParams(parameters)}`));
  }

  private async ask<T>(url: string): Promise<T> {
    const deadlineMs = Date.now() + this.retryMs;
    for (let attempt = 0; ; attempt++) {
      let error: ApiError;
      let retryAfterMs: number | undefined;
      try {
        const answer = await send(url, { headers: { Accept: "application/json" } }, this.readToken, this.timeoutMs);
        if (answer.status === 200 && typeof answer.body === "object" && answer.body !== null) return answer.body as T;
        error = refused(answer);
        if (!isTemporary(answer.status)) throw error;
        retryAfterMs = answer.retryAfterMs;
      } catch (cause) {
        if (cause instanceof ApiError) throw cause;
        error = new ApiError(unreachable(url, cause), undefined, undefined, undefined, { cause });
      }
      if (!(await pause(attempt, retryAfterMs, () => deadlineMs))) throw error;
    }
  }
}

function refused(answer: Answer): ApiError {
  const { parameter, rule } = (answer.body ?? {}) as { parameter?: string; rule?: string };
  const hint = answer.status === 200 ? ", which is not the answer of Headcount's API: check apiUrl" : "";
  return new ApiError(explained(answer) + hint, answer.status, parameter, rule);
}

function dateOf(name: string, day: Day): string {
  if (day instanceof Date && !Number.isNaN(day.getTime())) return day.toISOString().slice(0, 10);
  if (typeof day === "string" && /^\d{4}-\d{2}-\d{2}$/.test(day)) return day;
  throw new HeadcountError(`${name} must be a valid Date, or a date such as 2024-01-31`);
}
