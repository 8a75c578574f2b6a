import { DeliveryError, InvalidEventsError, type Problem, type Receipt, type RejectedEvent } from "./errors";
import type { AnalyticsEvent, Prepared } from "./events";
import { type Answer, type Deadline, explained, isTemporary, pause, send, unreachable } from "./http";

/** Events of one request, at most. */
const MAX_EVENTS = 1_000;

/** Bytes of one request, at most: 1 MiB. */
const MAX_BODY_BYTES = 1 << 20;

/** Bytes that `sentAt` and a comma add to an event. */
const ADDED_BYTES = 32;

/** What became of events: each is in one of the three lists. */
export interface Outcome {
  accepted: Prepared[];
  rejected: { event: Prepared; problems: Problem[] }[];
  /** Not accepted as far as is known. */
  left: Prepared[];
  /** Why some are left. */
  failure?: Failure;
}

interface Failure {
  reason: string;
  status?: number;
  retryAfterMs?: number;
  isTemporary: boolean;
  /** The request is refused as it is; smaller ones may be accepted. */
  isOfRequest?: boolean;
  cause?: unknown;
}

/** The collector, which accepts events over HTTP. */
export class Collector {
  constructor(
    private readonly url: string,
    private readonly writeKey: string | undefined,
    private readonly timeoutMs: number,
  ) {}

  /** Sends events until each is accepted or rejected, or the time is over. */
  async deliver(events: Prepared[], deadline: Deadline): Promise<Outcome> {
    const all: Outcome = { accepted: [], rejected: [], left: [] };
    for (const some of requests(events)) {
      if (all.failure !== undefined) {
        all.left.push(...some);
        continue;
      }
      const { accepted, rejected, left, failure } = await this.deliverRequest(some, deadline);
      all.accepted.push(...accepted);
      all.rejected.push(...rejected);
      all.left.push(...left);
      all.failure = failure;
    }
    return all;
  }

  /** Sends one request until nothing of it is left. */
  private async deliverRequest(events: Prepared[], deadline: Deadline): Promise<Outcome> {
    const all: Outcome = { accepted: [], rejected: [], left: events };
    for (let attempt = 0; ; attempt++) {
      const { accepted, rejected, left, failure } = await this.post(all.left);
      all.accepted.push(...accepted);
      all.rejected.push(...rejected);
      all.left = left;
      all.failure = failure;
      if (failure?.isOfRequest) return this.deliverHalves(all, failure, deadline);
      if (failure === undefined || !failure.isTemporary) return all;
      if (!(await pause(attempt, failure.retryAfterMs, deadline))) return all;
    }
  }

  /** One event that cannot be sent must not hold up the others. */
  private async deliverHalves(all: Outcome, failure: Failure, deadline: Deadline): Promise<Outcome> {
    const [event, ...others] = all.left;
    if (event === undefined) return all;
    if (others.length === 0) {
      all.rejected.push({ event, problems: [{ field: "", rule: `the event is refused: ${failure.reason}` }] });
      return { accepted: all.accepted, rejected: all.rejected, left: [] };
    }
    const middle = Math.ceil(all.left.length / 2);
    const first = await this.deliverRequest(all.left.slice(0, middle), deadline);
    const rest = all.left.slice(middle);
    const second: Outcome =
      first.failure === undefined
        ? await this.deliverRequest(rest, deadline)
        : { accepted: [], rejected: [], left: rest, failure: first.failure };
    return {
      accepted: [...all.accepted, ...first.accepted, ...second.accepted],
      rejected: [...all.rejected, ...first.rejected, ...second.rejected],
      left: [...first.left, ...second.left],
      failure: second.failure,
    };
  }

  private async post(events: Prepared[]): Promise<Outcome> {
    // By it, the collector corrects a clock that is wrong.
    const sentAt = `,"sentAt":${Date.now()}}`;
    const body = `[${events.map(({ json }) => json.slice(0, -1) + sentAt).join(",")}]`;
    let answer: Answer;
    try {
      const headers = { "Content-Type": "application/json" };
      answer = await send(this.url, { method: "POST", headers, body }, this.writeKey, this.timeoutMs);
    } catch (cause) {
      const failure = { reason: unreachable(this.url, cause), isTemporary: true, cause };
      return { accepted: [], rejected: [], left: events, failure };
    }
    return read(answer, events);
  }
}

/** The events in as many requests as they need. */
function requests(events: Prepared[]): Prepared[][] {
  const all: Prepared[][] = [];
  let [request, bytes]: [Prepared[], number] = [[], 0];
  for (const event of events) {
    const added = event.bytes + ADDED_BYTES;
    if (request.length === MAX_EVENTS || (request.length > 0 && bytes + added > MAX_BODY_BYTES)) {
      all.push(request);
      [request, bytes] = [[], 0];
    }
    request.push(event);
    bytes += added;
  }
  if (request.length > 0) all.push(request);
  return all;
}

/** What the collector says of one event. */
interface EventResult {
  accepted: boolean;
  problems?: { field: string; problem: string }[];
}

/** What an answer says of the events that were sent. */
function read(answer: Answer, events: Prepared[]): Outcome {
  const { status, retryAfterMs } = answer;
  const results = resultsOf(answer.body, events.length);
  const failure: Failure = { reason: explained(answer), status, retryAfterMs, isTemporary: isTemporary(status) };
  if (results === undefined) {
    if (status < 400) {
      failure.reason += ", which is not the answer of a collector: check collectorUrl";
    }
    failure.isOfRequest = status === 400 || status === 413;
    return { accepted: [], rejected: [], left: events, failure };
  }
  const outcome: Outcome = { accepted: [], rejected: [], left: [] };
  for (const [index, event] of events.entries()) {
    const result = results[index]!;
    if (result.accepted) {
      outcome.accepted.push(event);
    } else if (result.problems !== undefined) {
      const problems = result.problems.map(({ field, problem }) => ({ field, rule: problem }));
      outcome.rejected.push({ event, problems });
    } else {
      outcome.left.push(event);
    }
  }
  // Beside invalid events, an answer of 400 has others that may be sent again.
  if (outcome.left.length > 0) outcome.failure = { ...failure, isTemporary: true };
  return outcome;
}

function resultsOf(body: unknown, count: number): EventResult[] | undefined {
  const events = (body as { events?: unknown } | undefined | null)?.events;
  const isResult = (result: unknown) => typeof (result as EventResult | null)?.accepted === "boolean";
  return Array.isArray(events) && events.length === count && events.every(isResult) ? events : undefined;
}

/** Throws unless every event was accepted; indexes are those in `events`. */
export function throwUnlessAccepted(outcome: Outcome, events: Prepared[]): void {
  const { failure, left } = outcome;
  const accepted: Receipt[] = outcome.accepted.map(({ receipt }) => receipt);
  const rejected: RejectedEvent[] = outcome.rejected
    .map(({ event, problems }) => ({ index: events.indexOf(event), eventId: event.receipt.eventId, problems }))
    .sort((one, other) => one.index - other.index);
  if (left.length > 0) {
    const notAccepted = left.map(({ json }) => JSON.parse(json) as AnalyticsEvent);
    const { reason, status, cause } = failure ?? { reason: "the time for retries is over" };
    throw new DeliveryError(reason, notAccepted, accepted, rejected, status, { cause });
  }
  if (rejected.length > 0) throw new InvalidEventsError(rejected, accepted);
}
