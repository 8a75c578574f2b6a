// The page: a range of days, everything that is shown of it, and what is new.

import { ask } from "./api.js";
import { byId } from "./dom.js";
import * as charts from "./charts.js";
import * as figures from "./figures.js";
import * as format from "./format.js";
import * as rangeOf from "./range.js";
import * as rejected from "./rejected.js";
import * as sections from "./sections.js";
import * as timeline from "./timeline.js";

const links = [...document.querySelectorAll("#ranges a")];
const custom = byId("custom");

let range = rangeOf.fromAddress();
let asking = null;
let next = null;
let timeZone = "UTC";

/** Asks for everything of the range, and shows what differs from what is shown. */
async function load() {
  clearTimeout(next);
  asking?.abort();
  const mine = (asking = new AbortController());
  const answerOf = (path, parameters = range) => ask(path, parameters, mine.signal);
  let wait = rangeOf.pace(1);
  try {
    const [metrics, engagement, features, ai, budgets] = await Promise.all([
      answerOf("/api/metrics", { ...Object.fromEntries(range), compare: "true" }),
      answerOf("/api/engagement"),
      answerOf("/api/features"),
      answerOf("/api/ai"),
      answerOf("/api/budgets", {}),
    ]);
    if (mine.signal.aborted) return;
    const asked = { metrics, engagement, features, ai, budgets };
    const answers = Object.fromEntries(Object.entries(asked).map(([name, one]) => [name, one.answer]));
    if (Object.values(asked).some((one) => one.isNew) || shown !== String(range)) await show(answers);
    wait = rangeOf.pace(metrics.answer.days.length);
    tell(metrics.answer);
    await tellHealth(mine.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    complain(error);
  }
  if (asking === mine) next = setTimeout(whenVisible, wait);
}

/** Events that wait longer than counting usually takes are worth a line. */
const LONG_WAIT_MS = 10000;

let shown = null;

async function show({ metrics, engagement, features, ai, budgets }) {
  shown = String(range);
  timeZone = metrics.timeZone;
  rangeOf.mark(links, custom, range, metrics);
  byId("notice").hidden = true;
  byId("range").textContent = describe(metrics);
  byId("empty").hidden = Object.values(metrics.total.eventsByType).some((count) => count > 0);
  figures.draw(byId("figures"), metrics);
  sections.metrics(metrics);
  sections.engagement(engagement);
  sections.features(features);
  sections.ai(ai);
  sections.budgets(budgets);
  byId("main").setAttribute("aria-busy", "false");
  byId("main").dataset.range = shown;
  await Promise.all([rejected.draw(metrics), timeline.draw({ range, timeZone })]);
}

function describe({ from, to, days, previous, total, timeZone: zone }) {
  const one = from === to ? format.longDate(from) : `${format.longDate(from)} to ${format.longDate(to)}`;
  const before = previous ? `, compared with ${days.length === 1 ? "the day" : `the ${days.length} days`} before` : "";
  const aside = total.estimate.sourcesSetAside;
  const damaged = aside > 0 ? ` ${aside} damaged sources are not in the figures: run headcount rebuild.` : "";
  return `${one} (${zone})${before}.${damaged}`;
}

/** Whether the figures move by themselves, and how fresh they are. */
function tell({ to, today }) {
  const live = byId("live");
  const moves = to >= today;
  live.classList.toggle("still", !moves);
  const text = moves ? "Live: today's figures move" : "";
  if (live.textContent !== text) live.textContent = text;
}

/** What keeps Headcount from counting, and how much waits: the numbers of /healthz. */
async function tellHealth(signal) {
  const response = await fetch("/healthz", { signal, cache: "no-store" });
  const { problem, backlog = 0, millisBehind = 0 } = await response.json();
  const waits = backlog > 0 && (problem || millisBehind > LONG_WAIT_MS);
  const waiting = waits && `${format.number(backlog)} events wait to be counted, the oldest for ${Math.round(millisBehind / 1000)} s`;
  const health = byId("health");
  health.textContent = [problem, waiting].filter(Boolean).join("; ");
  health.hidden = !health.textContent;
}

function complain(error) {
  if (error.status === 401) {
    location.assign("/sign-in");
    return;
  }
  byId("notice").textContent = error.message;
  byId("notice").hidden = false;
  byId("main").setAttribute("aria-busy", "false");
}

/** Nobody looks at a hidden page: it asks again when somebody does. */
function whenVisible() {
  if (document.visibilityState === "visible") void load();
  else document.addEventListener("visibilitychange", whenVisible, { once: true });
}

function go(parameters) {
  history.pushState(null, "", `?${parameters}`);
  follow();
}

function follow() {
  range = rangeOf.fromAddress();
  rangeOf.mark(links, custom, range, null);
  byId("main").setAttribute("aria-busy", "true");
  void load();
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(new URLSearchParams({ last: link.dataset.last }));
  });
}

custom.addEventListener("submit", (event) => {
  event.preventDefault();
  const { from, to } = custom.elements;
  to.setCustomValidity(from.value > to.value ? "The last day must not be before the first." : "");
  if (!custom.reportValidity()) return;
  document.activeElement?.blur();
  go(new URLSearchParams({ from: from.value, to: to.value }));
});
custom.addEventListener("input", () => custom.elements.to.setCustomValidity(""));

byId("first-event").textContent = JSON.stringify(
  {
    userId: "user-42",
    sessionId: "session-7",
    eventType: "page_view",
    metadata: { userAgent: navigator.userAgent, ipAddress: "203.0.113.9", platform: "web" },
  },
  null,
  2,
);

window.addEventListener("popstate", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", charts.redraw);
timeline.listen(() => ({ range, timeZone }));
rangeOf.mark(links, custom, range, null);
void load();
