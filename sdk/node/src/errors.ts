import type { AnalyticsEvent } from "./events";

/** One rule that an event breaks. */
export interface Problem {
  /** The field as a path, such as `metadata.platform`; empty where the whole event is meant. */
  field: string;
  /** The rule, such as `is required`. */
  rule: string;
}

/** An event that breaks rules, with all of them. */
export interface RejectedEvent {
  /** Where the event is in the batch, from 0. */
  index: number;
  /** Its id; absent where the event never got one. */
  eventId?: string;
  /** Every rule that it breaks. */
  problems: Problem[];
}

/** What identifies an event that was accepted: sent again with both, it does not count twice. */
export interface Receipt {
  eventId: string;
  timestamp: number | string;
}

/** What every error of this package is. */
export class HeadcountError extends Error {
  override name = "HeadcountError";
}

/**
 * Events break rules. Thrown before anything is sent where this package can tell, and after the answer where only the
 * collector can: `accepted` then holds the events that count.
 */
export class InvalidEventsError extends HeadcountError {
  override name = "InvalidEventsError";

  constructor(
    /** Every event that breaks a rule. */
    readonly rejected: RejectedEvent[],
    /** The other events, which were accepted. */
    readonly accepted: Receipt[] = [],
  ) {
    super(`${count(rejected.length, "event breaks", "events break")} rules: ${describe(rejected)}`);
  }
}

/** The collector did not accept events within the time for retries, or refused the request. */
export class DeliveryError extends HeadcountError {
  override name = "DeliveryError";

  constructor(
    reason: string,
    /** Events that may not have been accepted, with id and timestamp: sent again, none counts twice. */
    readonly notAccepted: AnalyticsEvent[],
    /** Events of the same call that were accepted. */
    readonly accepted: Receipt[] = [],
    /** Events of the same call that break rules. */
    readonly rejected: RejectedEvent[] = [],
    /** The HTTP status of the last answer; absent where there was none. */
    readonly status?: number,
    options?: { cause?: unknown },
  ) {
    const invalid = rejected.length > 0 ? `; ${rejected.length} more break rules: ${describe(rejected)}` : "";
    super(`${count(notAccepted.length, "event was", "events were")} not accepted: ${reason}${invalid}`, options);
  }
}

/** The queue holds as many events as it may. The event was not queued. */
export class QueueFullError extends HeadcountError {
  override name = "QueueFullError";

  constructor(readonly size: number) {
    super(`${size} events wait to be sent, which is the most: await flush(), or raise maxQueueSize`);
  }
}

/** The JSON API gave no figures. */
export class ApiError extends HeadcountError {
  override name = "ApiError";

  constructor(
    message: string,
    /** The HTTP status; absent where there was no answer. */
    readonly status?: number,
    /** The parameter that breaks a rule, where that is the reason. */
    readonly parameter?: string,
    /** The rule. */
    readonly rule?: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** How many events and problems a message spells out; the error's fields have all. */
const MOST_DESCRIBED = 20;

function describe(rejected: RejectedEvent[]): string {
  const shown = rejected.slice(0, MOST_DESCRIBED).map(({ index, problems }) => {
    const rules = problems.map(({ field, rule }) => (field === "" ? rule : `${field} ${rule}`));
    return `event ${index}: ${rules.join(", ")}`;
  });
  const more = rejected.length - shown.length;
  return shown.join("; ") + (more > 0 ? `; and ${more} more events` : "");
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
