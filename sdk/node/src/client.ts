import { Collector, throwUnlessAccepted } from "./collector";
import { HeadcountError, InvalidEventsError, type Receipt, type RejectedEvent } from "./errors";
import { type AnalyticsEvent, BUILT_IN_EVENT_TYPES, type Prepared, prepare } from "./events";
import { holding } from "./http";
import { Api, type Day, type FeatureUsage, type PlatformMetrics, type UserEngagement } from "./metrics";
import { Queue } from "./queue";

/** Options of {@link Headcount}; all may be left out. */
export interface HeadcountOptions {
  /** Where the collector is; the variable `HEADCOUNT_COLLECTOR_URL`, or `http://127.0.0.1:8700`. */
  collectorUrl?: string;
  /** Allows to send events; the variable `HEADCOUNT_WRITE_KEY`. */
  writeKey?: string;
  /** Where the dashboard is; the variable `HEADCOUNT_API_URL`, or `http://127.0.0.1:8600`. */
  apiUrl?: string;
  /** Allows to read figures; the variable `HEADCOUNT_READ_TOKEN`. */
  readToken?: string;
  /** The deployment's own event types. */
  eventTypes?: readonly string[];
  /** Queued events that are sent at once: 25. */
  flushAt?: number;
  /** The longest time that an event is queued before it is sent: 5,000. */
  flushIntervalMs?: number;
  /** Events that may be queued: 10,000. */
  maxQueueSize?: number;
  /** How long a request is tried again before the call fails: 60,000. */
  retryMs?: number;
  /** How long one request may take: 15,000. */
  timeoutMs?: number;
  /** Whether queued events are sent when the process ends, also by SIGTERM, SIGINT or SIGHUP: true. */
  flushOnExit?: boolean;
  /** How long the end of the process, or `close`, waits for that: 10,000. */
  exitTimeoutMs?: number;
  /** Told what became of queued events while no `flush` waits; logs with `console.error`. */
  onError?: (error: HeadcountError) => void;
}

/** Options of `getPlatformMetrics`. */
export interface MetricsOptions {
  /** Whether as many days directly before are told as well, in `previous`. */
  compare?: boolean;
}

/** Sends events to Headcount and asks for its figures. One for a process is enough. */
export class Headcount {
  private readonly eventTypes: readonly string[];
  private readonly retryMs: number;
  private readonly exitTimeoutMs: number;
  private readonly collector: Collector;
  private readonly queue: Queue;
  private readonly api: Api;
  private isClosed = false;

  constructor(options: HeadcountOptions = {}) {
    const env = process.env;
    const timeoutMs = number(options, "timeoutMs", 15_000);
    this.retryMs = number(options, "retryMs", 60_000);
    this.exitTimeoutMs = number(options, "exitTimeoutMs", 10_000);
    this.eventTypes = [...new Set([...BUILT_IN_EVENT_TYPES, ...(options.eventTypes ?? [])])];
    const collectorUrl = options.collectorUrl ?? (env.HEADCOUNT_COLLECTOR_URL || "http://127.0.0.1:8700");
    const apiUrl = options.apiUrl ?? (env.HEADCOUNT_API_URL || "http://127.0.0.1:8600");
    const writeKey = options.writeKey ?? (env.HEADCOUNT_WRITE_KEY || undefined);
    const readToken = options.readToken ?? (env.HEADCOUNT_READ_TOKEN || undefined);
    // `headcount serve` prints the address with the path.
    const eventsUrl = `${base("collectorUrl", collectorUrl).replace(/\/v1\/events$/, "")}/v1/events`;
    this.collector = new Collector(eventsUrl, writeKey, timeoutMs);
    this.api = new Api(base("apiUrl", apiUrl), readToken, timeoutMs, this.retryMs);
    this.queue = new Queue(this.collector, {
      flushAt: number(options, "flushAt", 25),
      flushIntervalMs: number(options, "flushIntervalMs", 5_000),
      maxQueueSize: number(options, "maxQueueSize", 10_000),
      retryMs: this.retryMs,
      flushOnExit: options.flushOnExit ?? true,
      exitTimeoutMs: this.exitTimeoutMs,
      onError: options.onError ?? ((error) => console.error(`headcount: ${error.message}`)),
    });
  }

  /**
   * Sends one event; resolves once it is accepted.
   *
   * @throws InvalidEventsError - it breaks rules: all of them are named.
   * @throws DeliveryError - it was not accepted in time, or the request was refused.
   */
  async trackEvent(event: AnalyticsEvent): Promise<Receipt> {
    const [receipt] = await this.trackEventBatch([event]);
    return receipt!;
  }

  /**
   * Sends events; resolves once all are accepted. If one breaks a rule, none is sent.
   *
   * @throws InvalidEventsError - events break rules: all of them are named.
   * @throws DeliveryError - some were not accepted in time, or the request was refused.
   */
  async trackEventBatch(events: readonly AnalyticsEvent[]): Promise<Receipt[]> {
    const prepared = this.prepare(events);
    const deadlineMs = Date.now() + this.retryMs;
    const outcome = await holding(this.collector.deliver(prepared, () => deadlineMs));
    throwUnlessAccepted(outcome, prepared);
    return prepared.map(({ receipt }) => receipt);
  }

  /**
   * Queues an event and returns at once. It is sent with others: as soon as there are 25, or after 5 seconds.
   *
   * @throws InvalidEventsError - it breaks rules: all of them are named.
   * @throws QueueFullError - too many events wait.
   */
  queueEvent(event: AnalyticsEvent): Receipt {
    if (this.isClosed) throw new HeadcountError("the client is closed: queue events before close()");
    const [prepared] = this.prepare([event]);
    this.queue.add(prepared!);
    return prepared!.receipt;
  }

  /**
   * Sends what is queued; resolves once all of it is accepted.
   *
   * @throws InvalidEventsError - the collector rejected some; the others were accepted.
   * @throws DeliveryError - some were not accepted in time. They stay queued and are tried again.
   */
  flush(): Promise<void> {
    return this.queue.flush(this.retryMs);
  }

  /** Sends what is queued, for at most `exitTimeoutMs`, and queues no more. Throws as `flush` does. */
  close(): Promise<void> {
    this.isClosed = true;
    return this.queue.flush(this.exitTimeoutMs);
  }

  /** The figures of a range of days, both included; until today where `to` is left out. At most 400 days. */
  getPlatformMetrics(from: Day, to?: Day, options: MetricsOptions = {}): Promise<PlatformMetrics> {
    return this.api.platformMetrics(from, to, options.compare ?? false);
  }

  /** The use of features and the content created, in a range of days. */
  getFeatureUsage(from: Day, to?: Day): Promise<FeatureUsage> {
    return this.api.featureUsage(from, to);
  }

  /** Users by day, week and month (DAU, WAU, MAU) and their sessions, in a range of days. */
  getUserEngagement(from: Day, to?: Day): Promise<UserEngagement> {
    return this.api.userEngagement(from, to);
  }

  private prepare(events: readonly AnalyticsEvent[]): Prepared[] {
    const prepared: Prepared[] = [];
    const rejected: RejectedEvent[] = [];
    for (const [index, event] of events.entries()) {
      const made = prepare(event, this.eventTypes, Date.now());
      if (Array.isArray(made)) rejected.push({ index, problems: made });
      else prepared.push(made);
    }
    if (rejected.length > 0) throw new InvalidEventsError(rejected);
    return prepared;
  }
}

type NumberOption = "flushAt" | "flushIntervalMs" | "maxQueueSize" | "retryMs" | "timeoutMs" | "exitTimeoutMs";

function number(options: HeadcountOptions, name: NumberOption, byDefault: number): number {
  const value = options[name] ?? byDefault;
  if (!Number.isInteger(value) || value <= 0) throw new HeadcountError(`${name} must be a whole number above 0`);
  return value;
}

function base(name: string, url: string): string {
  try {
    if (/^https?:$/.test(new URL(url).protocol)) return url.replace(/\/+$/, "");
  } catch {
    // Told below.
  }
  throw new HeadcountError(`${name} must be an http or https URL`);
}
