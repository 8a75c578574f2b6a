import { type Collector, throwUnlessAccepted } from "./collector";
import { DeliveryError, HeadcountError, InvalidEventsError, QueueFullError } from "./errors";
import type { AnalyticsEvent, Prepared } from "./events";
import { atExit } from "./exit";

/** Events that are taken from the queue at once, at most. */
const MAX_BATCH = 1_000;

export interface QueueOptions {
  flushAt: number;
  flushIntervalMs: number;
  maxQueueSize: number;
  retryMs: number;
  flushOnExit: boolean;
  exitTimeoutMs: number;
  onError: (error: HeadcountError) => void;
}

/** A call of `flush`. */
interface Waiter {
  /** It waits until so many events have left the queue. */
  until: number;
  /** What was rejected meanwhile. */
  errors: InvalidEventsError[];
  resolve: () => void;
  reject: (error: HeadcountError) => void;
}

/**
 * Events that wait to be sent. One leaves the queue only when the collector has accepted or rejected it: after a failure, events
 * stay and are tried again.
 */
export class Queue {
  private readonly waiting: Prepared[] = [];
  private waiters: Waiter[] = [];
  /** Events that ever left the queue. */
  private gone = 0;
  private deadlineMs = 0;
  private isSending = false;
  /** After a failure, only the timer or a flush tries again. */
  private isResting = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly exit: { arm(): void; disarm(): void };

  constructor(
    private readonly collector: Collector,
    private readonly options: QueueOptions,
  ) {
    const flush = () => this.flush(options.exitTimeoutMs).catch((error: HeadcountError) => this.report(error));
    this.exit = options.flushOnExit ? atExit(flush) : { arm() {}, disarm() {} };
  }

  /** Adds an event and never waits. */
  add(event: Prepared): void {
    const { maxQueueSize, flushAt } = this.options;
    if (this.waiting.length >= maxQueueSize) throw new QueueFullError(this.waiting.length);
    this.waiting.push(event);
    this.exit.arm();
    this.setTimer();
    if (this.waiting.length >= flushAt && !this.isResting) void this.send();
  }

  /** Sends what is queued now; resolves once all of it is accepted. */
  async flush(patienceMs: number): Promise<void> {
    if (this.waiting.length === 0) return;
    const until = this.gone + this.waiting.length;
    this.deadlineMs = Math.max(this.deadlineMs, Date.now() + patienceMs);
    let timer: NodeJS.Timeout | undefined;
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { until, errors: [], resolve, reject };
        this.waiters.push(waiter);
        // Keeps the process alive as well, which nothing else of the queue does.
        timer = setTimeout(() => reject(this.notAccepted("the time is over")), patienceMs);
        void this.send();
      });
    } finally {
      clearTimeout(timer);
      this.waiters = this.waiters.filter((other) => other !== waiter);
    }
  }

  private setTimer(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.send();
    }, this.options.flushIntervalMs).unref();
  }

  /** Sends while a flush waits or there is enough for another batch. Never rejects. */
  private async send(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    this.isResting = false;
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.waiting.length > 0 && !this.isResting) {
      await this.sendBatch();
      if (this.waiters.length === 0 && this.waiting.length < this.options.flushAt) break;
    }
    this.isSending = false;
    if (this.waiting.length > 0) this.setTimer();
    else this.exit.disarm();
  }

  private async sendBatch(): Promise<void> {
    const batch = this.waiting.slice(0, MAX_BATCH);
    this.deadlineMs = Math.max(this.deadlineMs, Date.now() + this.options.retryMs);
    const outcome = await this.collector.deliver(batch, () => this.deadlineMs);
    this.waiting.splice(0, batch.length, ...outcome.left);
    this.gone += batch.length - outcome.left.length;
    try {
      throwUnlessAccepted(outcome, batch);
    } catch (error) {
      if (error instanceof InvalidEventsError) this.tellRejected(error);
      else this.fail(error as HeadcountError);
    }
    const [done, others] = [this.waiters.filter(({ until }) => until <= this.gone), this.waiters];
    this.waiters = others.filter(({ until }) => until > this.gone);
    for (const { errors, resolve, reject } of done) {
      const [error] = errors;
      if (error === undefined) resolve();
      else reject(errors.length === 1 ? error : merged(errors));
    }
  }

  private tellRejected(error: InvalidEventsError): void {
    for (const { errors } of this.waiters) errors.push(error);
    if (this.waiters.length === 0) this.report(error);
  }

  /** Nothing more is tried now; what is left stays. */
  private fail(error: HeadcountError): void {
    this.isResting = true;
    for (const { reject } of this.waiters) reject(error);
    if (this.waiters.length === 0) this.report(error);
    this.waiters = [];
  }

  private notAccepted(reason: string): DeliveryError {
    const events = this.waiting.map(({ json }) => JSON.parse(json) as AnalyticsEvent);
    return new DeliveryError(reason, events);
  }

  private report(error: HeadcountError): void {
    try {
      this.options.onError(error);
    } catch (thrown) {
      console.error("headcount: onError threw", thrown);
    }
  }
}

function merged(errors: InvalidEventsError[]): InvalidEventsError {
  return new InvalidEventsError(
    errors.flatMap(({ rejected }) => rejected),
    errors.flatMap(({ accepted }) => accepted),
  );
}
