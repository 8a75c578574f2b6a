// The JSON API. An answer that is the one we have is not sent again.

const known = new Map();
const MOST_KNOWN = 64;

/** What went wrong, in words for a person. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The answer, and whether it differs from the one before. */
export async function ask(path, parameters, signal) {
  const query = String(new URLSearchParams(parameters));
  const url = query ? `${path}?${query}` : path;
  const before = known.get(url);
  const headers = { accept: "application/json", ...(before && { "if-none-match": before.tag }) };
  let response;
  try {
    response = await fetch(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("Headcount does not answer. Is it running?");
  }
  if (response.status === 304 && before) return { answer: before.answer, isNew: false };
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new ApiError(problem.detail ?? problem.title ?? `Headcount answered ${response.status}`, response.status);
  }
  const answer = await response.json();
  const tag = response.headers.get("etag");
  known.delete(url);
  if (tag) known.set(url, { tag, answer });
  if (known.size > MOST_KNOWN) known.delete(known.keys().next().value);
  return { answer, isNew: true };
}
