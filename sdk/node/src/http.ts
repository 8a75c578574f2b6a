import { VERSION } from "./version";

const USER_AGENT = `headcount-node/${VERSION}`;

/** The first pause before a request is sent again, and the longest one. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/** An answer that was read to its end. */
export interface Answer {
  status: number;
  /** The body as JSON; undefined where it is none. */
  body: unknown;
  /** How long to wait before the request is sent again, if the answer says so. */
  retryAfterMs?: number;
}

/** Sends one request. Rejects where there is no answer in time. */
export async function send(
  url: string,
  init: RequestInit,
  token: string | undefined,
  timeoutMs: number,
): Promise<Answer> {
  const headers = new Headers(init.headers);
  headers.set("User-Agent", USER_AGENT);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  const signal = AbortSignal.timeout(timeoutMs);
  // Frameworks put their own `fetch` in place, which may keep answers.
  const uncached = { cache: "no-store", redirect: "manual" } as RequestInit;
  const response = await fetch(url, { ...init, ...uncached, headers, signal });
  const text = await response.text();
  return {
    status: response.status,
    body: parsed(text),
    retryAfterMs: retryAfterMs(response.headers.get("Retry-After")),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds, or a date. */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

/** Whether the same request may succeed later. */
export function isTemporary(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** The text of a problem (RFC 9457), or the status where the answer is none. */
export function explained({ status, body }: Answer): string {
  const { title, detail } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const said = [title, detail].filter((text) => typeof text === "string").join(": ");
  return `HTTP ${status}${said === "" ? "" : `, ${said}`}`;
}

/** Why there was no answer. */
export function unreachable(url: string, error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  const why = cause?.code ?? cause?.message;
  return `no answer from ${new URL(url).origin}: ${message}${why === undefined ? "" : ` (${why})`}`;
}

/** When to stop trying, in milliseconds since the epoch. A call that waits may move it. */
export type Deadline = () => number;

/** Waits before the next attempt, longer each time and at least as long as the answer asked for; false where the deadline comes first. */
export async function pause(attempt: number, retryAfterMs: number | undefined, deadline: Deadline): Promise<boolean> {
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  const ms = Math.max(longest * (0.5 + Math.random() / 2), retryAfterMs ?? 0);
  if (Date.now() + ms >= deadline()) return false;
  // Only a caller that waits keeps the process alive: see `holding`.
  await new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
  return true;
}

/** Keeps the process alive until the promise settles, also while it pauses. */
export async function holding<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1 << 30);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}
