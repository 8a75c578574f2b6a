import { randomBytes } from "node:crypto";
import type { Problem, Receipt } from "./errors";

/** The event types of every deployment. */
export const BUILT_IN_EVENT_TYPES = [
  "page_view",
  "feature_use",
  "content_create",
  "ai_request",
  "error",
  "identify",
] as const;

/** An event type: a built-in one, or one of the deployment's own, which the option `eventTypes` names. */
export type EventType = (typeof BUILT_IN_EVENT_TYPES)[number] | (string & {});

/** What happened. The fields named here are counted; others are kept. */
export interface EventData {
  /** Of a `feature_use`, and what an `ai_request` was for. */
  feature?: string | null;
  /** Of a `content_create`. */
  contentType?: string | null;
  /** Of an `ai_request`. */
  model?: string | null;
  tokens?: number | null;
  inputTokens?: number | null;
  outputTokens?: number | null;
  /** The part of `inputTokens` that came from a cache. */
  cachedTokens?: number | null;
  /** The part of `inputTokens` that was written to a cache. */
  cacheWriteTokens?: number | null;
  /** The part of `outputTokens` that the model thought with. */
  reasoningTokens?: number | null;
  /** The provider's own `usage`, in place of the counts. */
  usage?: object | null;
  /** How long the request took, in milliseconds. */
  latencyMs?: number | null;
  /** US dollars. An event with tokens and no cost is priced by the deployment. */
  cost?: number | null;
  /** Of an `error`, and of an `ai_request` that failed. */
  errorType?: string | null;
  [name: string]: unknown;
}

/** Where it happened. */
export interface Metadata {
  /** `web`, `ios`, `backend`, or any other name. */
  platform: string;
  /** The user's, from the request that you handle. Left out, it is that of this package. */
  userAgent?: string | null;
  /** The user's, from the request that you handle. Left out, it is that of this server. */
  ipAddress?: string | null;
  [name: string]: unknown;
}

/** One event. */
export interface AnalyticsEvent {
  /** Whose event it is; where nobody is signed in, give an `anonymousId` instead. */
  userId?: string | null;
  /** Takes the place of a `userId`. The event then counts in everything but users. */
  anonymousId?: string | null;
  /** The session that it belongs to. An event without one counts in everything but sessions. */
  sessionId?: string | null;
  /** The company, workspace or tenant that it belongs to. */
  accountId?: string | null;
  eventType: EventType;
  eventData?: EventData | null;
  metadata: Metadata;
  /** Made when absent: a UUIDv7. Sent again with the same id and timestamp, an event does not count twice. */
  eventId?: string | null;
  /** Milliseconds since the epoch, RFC 3339, or a `Date`. The time of the call when absent. */
  timestamp?: number | string | Date | null;
}

/** An event that keeps its id, its time and its bytes however often it is sent. */
export interface Prepared {
  receipt: Receipt;
  /** The event as a JSON object. */
  json: string;
  /** Bytes of `json`. */
  bytes: number;
}

/** Bytes of the largest event that fits a request. */
export const MAX_JSON_BYTES = (1 << 20) - 1_000;

const FIELDS = [
  "eventId",
  "userId",
  "anonymousId",
  "sessionId",
  "accountId",
  "eventType",
  "timestamp",
  "eventData",
  "metadata",
];
const TOKEN_FIELDS = ["tokens", "inputTokens", "outputTokens", "cachedTokens", "cacheWriteTokens", "reasoningTokens"];

/** The field of `eventData` that an event type is counted by. */
const NAMED_BY: Record<string, string> = {
  feature_use: "feature",
  content_create: "contentType",
  ai_request: "model",
  error: "errorType",
};

const MAX_EVENT_ID_BYTES = 128;
const MAX_IDENTITY_BYTES = 256;
/** A `userId` is made of it: `anonymous:` and the id. */
const MAX_ANONYMOUS_ID_BYTES = MAX_IDENTITY_BYTES - "anonymous:".length;
const MAX_TOKENS = 1_000_000_000;
const MAX_COST_USD = 1_000_000;
/** The years 2000 to 2286. */
const MIN_TIMESTAMP_MS = 946_684_800_000;
const MAX_TIMESTAMP_MS = 9_999_999_999_999;

const BLANK =
  "\\s\\u0085\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f" +
  "\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb";
/** Blanks and invisible characters around an id. */
const AROUND_ID = new RegExp(`^[${BLANK}]+|[${BLANK}]+$`, "g");
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const VISIBLE = /[^\s\u0000-\u001f\u007f-\u009f]/;
const UUID_V7 = /^[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i;
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?:[Zz]|([+-]\d{2})(?::?(\d{2}))?)$/;
const TIME_FORMS =
  "must be milliseconds since 1970 as a number, RFC 3339 as a string (2026-03-01T12:00:00Z), or a valid Date";

/**
 * Checks an event by the rules of docs/events.md and fixes its id and time: every problem, or the event as it is sent.
 * What depends on the clock of the collector or on the deployment's settings, only the collector checks.
 */
export function prepare(event: unknown, eventTypes: readonly string[], nowMs: number): Prepared | Problem[] {
  if (!isObject(event)) return [{ field: "", rule: "the event must be an object" }];
  const problems: Problem[] = [];
  const add = (field: string, rule: string) => problems.push({ field, rule });

  const eventId = identifier(event, "eventId", MAX_EVENT_ID_BYTES, add);
  checkPerson(event, add);
  identifier(event, "sessionId", MAX_IDENTITY_BYTES, add);
  if (!isBlank(event.accountId)) identifier(event, "accountId", MAX_IDENTITY_BYTES, add);
  const eventType = checkEventType(event, eventTypes, add);
  const timestamp = checkTimestamp(event.timestamp, eventId, nowMs, add);
  checkEventData(event.eventData, eventType, add);
  checkMetadata(event.metadata, add);
  for (const name of Object.keys(event)) {
    if (!FIELDS.includes(name) && event[name] !== undefined) {
      add(name, `is not a field of an event (${FIELDS.join(", ")}): put it into eventData or metadata`);
    }
  }
  if (problems.length > 0) return problems;

  const receipt = { eventId: eventId || newEventId(nowMs), timestamp: timestamp ?? nowMs };
  let json: string;
  try {
    json = JSON.stringify({ ...event, ...receipt });
  } catch (error) {
    return [{ field: "", rule: `the event cannot be written as JSON: ${(error as Error).message}` }];
  }
  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_JSON_BYTES) {
    return [{ field: "", rule: `the event has ${bytes} bytes as JSON: at most ${MAX_JSON_BYTES} fit a request` }];
  }
  return { receipt, json, bytes };
}

/** A UUID of version 7. */
export function newEventId(nowMs: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

type Add = (field: string, rule: string) => void;
type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A trimmed id; undefined where there is none, and empty where its problem was added. */
function identifier(event: Fields, name: string, maxBytes: number, add: Add): string | undefined {
  const value = event[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") {
    add(name, "must be a string");
    return "";
  }
  const id = trimmedId(value);
  const bytes = Buffer.byteLength(id);
  if (id === "") {
    add(name, "must not be empty");
  } else if (bytes > maxBytes) {
    add(name, `has ${bytes} bytes: at most ${maxBytes} are allowed`);
  } else if (CONTROL.test(id)) {
    add(name, "must not hold control characters");
  } else {
    return id;
  }
  return "";
}

function trimmedId(id: string): string {
  return id.replace(AROUND_ID, "");
}

function isBlank(value: unknown): boolean {
  return typeof value === "string" && trimmedId(value) === "";
}

function checkPerson(event: Fields, add: Add): void {
  const isAnonymous = event.anonymousId !== undefined && event.anonymousId !== null;
  const userId =
    isAnonymous && isBlank(event.userId) ? undefined : identifier(event, "userId", MAX_IDENTITY_BYTES, add);
  if (userId !== undefined) return;
  if (identifier(event, "anonymousId", MAX_ANONYMOUS_ID_BYTES, add) === undefined) {
    add("userId", "is required, or an anonymousId in its place");
  }
}

function checkEventType(event: Fields, eventTypes: readonly string[], add: Add): string | undefined {
  const value = event.eventType;
  if (value === undefined || value === null) {
    add("eventType", "is required");
  } else if (typeof value !== "string") {
    add("eventType", "must be a string");
  } else if (!eventTypes.includes(value.trim())) {
    add("eventType", `must be one of ${eventTypes.join(", ")}; the option eventTypes names those of your own`);
  } else {
    return value.trim();
  }
  return undefined;
}

/** The time as it is sent; undefined where there is none, or where its problem was added. */
function checkTimestamp(value: unknown, eventId: string | undefined, nowMs: number, add: Add) {
  if (value === undefined || value === null) {
    // An event id of the caller's is there for retries, which would each bring another time.
    if (eventId === undefined) return nowMs;
    if (UUID_V7.test(eventId)) return timeOfUuid(eventId, add);
    if (eventId !== "") add("timestamp", "is required beside an eventId that is no UUIDv7");
    return undefined;
  }
  const rule = timeRule(value);
  if (rule !== undefined) {
    add("timestamp", rule);
    return undefined;
  }
  return value instanceof Date ? value.getTime() : (value as number | string);
}

function timeOfUuid(eventId: string, add: Add): number {
  const ms = parseInt(eventId.replace(/-/g, "").slice(0, 12), 16);
  const rule = numberRule(ms);
  if (rule !== undefined) add("timestamp", rule);
  return ms;
}

/** The rule that a timestamp breaks. */
function timeRule(value: unknown): string | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? TIME_FORMS : numberRule(value.getTime());
  if (typeof value === "number") return numberRule(value);
  if (typeof value !== "string") return TIME_FORMS;
  const text = value.trim();
  const ms = ofText(text);
  if (ms !== undefined) return numberRule(ms);
  if (/^[\d.]+$/.test(text)) return "is a number in quotes: write milliseconds since 1970 without them";
  if (ofText(`${text}Z`) !== undefined) {
    return "names no time zone: add Z for UTC, or an offset (2026-03-01T12:00:00+01:00)";
  }
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return "is a date without a time of day: write it as 2026-03-01T12:00:00Z";
  return TIME_FORMS;
}

function ofText(text: string): number | undefined {
  const [found, date, time, hours, minutes = "00"] = RFC_3339.exec(text) ?? [];
  if (found === undefined) return undefined;
  const ms = Date.parse(`${date}T${time}${hours === undefined ? "Z" : `${hours}:${minutes}`}`);
  return Number.isNaN(ms) ? undefined : ms;
}

function numberRule(ms: number): string | undefined {
  const isPlausible = (ms: number) => ms >= MIN_TIMESTAMP_MS && ms <= MAX_TIMESTAMP_MS;
  if (isPlausible(Math.floor(ms))) return undefined;
  const units: [string, number][] = [
    ["seconds", 1e3],
    ["microseconds", 1e-3],
    ["nanoseconds", 1e-6],
  ];
  const unit = units.find(([, toMs]) => isPlausible(ms * toMs));
  if (unit !== undefined) return `is in ${unit[0]}: it must be in milliseconds since 1970`;
  return "must be a time from the year 2000 to 2286, in milliseconds since 1970";
}

function checkEventData(data: unknown, eventType: string | undefined, add: Add): void {
  if (data === undefined || data === null || (Array.isArray(data) && data.length === 0)) return;
  if (!isObject(data)) return add("eventData", "must be an object");
  if (eventType === "ai_request") checkAiRequest(data, add);
  const name = eventType === undefined ? undefined : NAMED_BY[eventType];
  if (name === undefined) return;
  const value = data[name];
  if (value === undefined || value === null) return;
  if (typeof value !== "string") add(`eventData.${name}`, "must be a string");
  else if (!VISIBLE.test(value)) add(`eventData.${name}`, "must not be empty");
}

function checkAiRequest(data: Fields, add: Add): void {
  const isWithin = (value: unknown, most: number) => typeof value === "number" && value >= 0 && value <= most;
  for (const name of TOKEN_FIELDS) {
    const value = data[name];
    if (value !== undefined && value !== null && !(isWithin(value, MAX_TOKENS) && Number.isInteger(value))) {
      add(`eventData.${name}`, `must be a whole number from 0 to ${MAX_TOKENS}`);
    }
  }
  const cost = data.cost;
  if (cost !== undefined && cost !== null && !isWithin(cost, MAX_COST_USD)) {
    add("eventData.cost", `must be US dollars as a number from 0 to ${MAX_COST_USD}`);
  }
}

function checkMetadata(given: unknown, add: Add): void {
  // The collector fills in what is absent, but for the platform.
  const metadata = given ?? {};
  if (!isObject(metadata)) return add("metadata", "must be an object");
  for (const name of ["userAgent", "ipAddress", "platform"]) {
    const value = metadata[name];
    if (value === undefined || value === null) {
      if (name === "platform") add("metadata.platform", "is required");
    } else if (typeof value !== "string") {
      add(`metadata.${name}`, "must be a string");
    } else if (name === "userAgent" ? value.trim() !== "" && !VISIBLE.test(value) : !VISIBLE.test(value)) {
      // The collector takes the request's user agent in place of a blank one.
      add(`metadata.${name}`, "must not be empty");
    }
  }
}
