// Names and how often each was counted, the most frequent first.

import { make, none } from "./dom.js";
import * as format from "./format.js";

const MOST_SHOWN = 12;

export const ranked = (counts) =>
  Object.entries(counts)
    .map(([name, count]) => ({ name, count }))
    .sort((one, other) => other.count - one.count || one.name.localeCompare(other.name));

const OTHER = "(other)";

/** What is said of names that were too many to be counted exactly: nothing, where all of these are there. */
export const approximate = (names, isApproximate) =>
  isApproximate && names.some(({ name }) => name === OTHER)
    ? [make("p", { className: "note" }, `Approximate: the most used names are listed, their counts are lower bounds, and ${OTHER} is the rest.`)]
    : [];

/** Draws a list of {name, count}. What does not fit is behind a button. */
export function draw(place, items, empty, isApproximate) {
  const shown = items.filter((item) => item.count > 0);
  if (shown.length === 0) return place.replaceChildren(none(empty));
  const most = shown[0].count;
  const all = shown.reduce((sum, item) => sum + item.count, 0);
  const list = (part) => make("ol", {}, ...part.map((item) => row(item, most, all)));
  const rest = shown.slice(MOST_SHOWN);
  const wasOpen = place.querySelector("details")?.open ?? false;
  const more = make("details", { open: wasOpen }, make("summary", {}, `${rest.length} more`), list(rest));
  place.replaceChildren(list(shown.slice(0, MOST_SHOWN)), ...(rest.length > 0 ? [more] : []), ...approximate(shown, isApproximate));
}

function row(item, most, all) {
  const count = `${format.number(item.count)} (${format.share(item.count / all)})`;
  return make(
    "li",
    { data: { name: item.name, value: item.count } },
    make("span", { className: "name", title: item.name }, item.name),
    make("span", { className: "count" }, count),
    make("progress", { value: item.count, max: most, attributes: { "aria-hidden": "true" } }),
  );
}
