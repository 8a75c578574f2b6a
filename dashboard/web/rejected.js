// What was rejected in these days, and why: a day at a time, the newest first.

import { ask } from "./api.js";
import { byId, make, none, table } from "./dom.js";
import * as format from "./format.js";

let chosen = null;
let drawn = null;

/** Shows the days that have any, and the events of the one that was chosen, or of the last. */
export async function draw(metrics) {
  const days = metrics.days.filter((day) => day.rejected > 0);
  const all = metrics.total.rejected;
  byId("rejected-sum").textContent =
    all === 0 ? "None in these days." : `${format.number(all)} in these days. Their payloads are kept for 30 days.`;
  if (!days.some((day) => day.date === chosen)) chosen = days.at(-1)?.date ?? null;
  const places = [...days].reverse().map((day) => button(day, metrics));
  byId("rejected-days").replaceChildren(...places);
  const state = JSON.stringify([chosen, days.find((day) => day.date === chosen)?.rejected]);
  if (state === drawn) return;
  drawn = state;
  if (chosen === null) byId("rejected").replaceChildren();
  else await show(metrics.timeZone);
}

function button(day, metrics) {
  const text = `${format.date(day.date)}: ${format.number(day.rejected)}`;
  const pressed = String(day.date === chosen);
  const element = make("button", { type: "button", data: { date: day.date }, attributes: { "aria-pressed": pressed } }, text);
  element.addEventListener("click", async () => {
    chosen = day.date;
    await draw(metrics);
    byId("rejected-days").querySelector(`[data-date="${chosen}"]`)?.focus();
  });
  return element;
}

async function show(timeZone) {
  const place = byId("rejected");
  const date = chosen;
  try {
    const { answer } = await ask("/api/rejected", { date });
    if (date === chosen) place.replaceChildren(...page(answer, date, timeZone));
  } catch (error) {
    drawn = null;
    place.replaceChildren(none(error.message));
  }
}

function page(answer, date, timeZone) {
  const columns = [
    { title: "Arrived", of: (event) => format.moment(event.arrivedAt, timeZone) },
    { title: "Why", of: reasons },
    { title: "Payload", of: (event) => make("code", {}, event.payload === null ? "(not kept)" : event.payload + (event.truncated ? " …" : "")) },
  ];
  const shown = answer.rejected.length === 0 ? none("Their payloads are not kept any more.") : table(`Rejected on ${date}`, columns, answer.rejected);
  if (answer.next === null) return [shown];
  const more = make("button", { type: "button", className: "more" }, "Show more");
  more.addEventListener("click", async () => {
    try {
      const { answer: next } = await ask("/api/rejected", { date, page: answer.next });
      more.replaceWith(...page(next, date, timeZone));
    } catch (error) {
      more.after(none(error.message));
    }
  });
  return [shown, more];
}

function reasons(event) {
  const lines = event.problems.map(({ field, problem }) => make("li", {}, field ? `${field} ${problem}` : problem));
  if (event.count > 1) lines.unshift(make("li", {}, `${format.number(event.count)} occurrences`));
  return make("ul", {}, ...lines);
}
