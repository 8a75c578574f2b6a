// The figures at the top, each with its change against as many days before.

import { make } from "./dom.js";
import * as format from "./format.js";

/** How far an estimate may be off in 95 of 100 cases, as a share of it; nothing where it is exact. */
const plusMinus = (figure, { low, high }) => {
  const off = Math.max(high - figure, figure - low);
  return off > 0 && figure > 0 ? ` ± ${format.share(off / figure)}` : "";
};

/** Standard errors on either side that hold 95 of 100 normally distributed estimates. */
const NORMAL_95 = 1.96;

const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);

const FIGURES = [
  {
    name: "activeUsers",
    title: "Active users",
    of: (total) => total.activeUsers,
    note: ({ usersError }) => (usersError.plusMinus > 0 ? `± ${format.number(usersError.plusMinus)} at most, in 95 of 100 cases` : "exact"),
  },
  {
    name: "activeAccounts",
    title: "Active accounts",
    of: (total) => total.activeAccounts,
    // Teams without accounts need no card for them.
    isShown: ({ total, previous }) => total.activeAccounts > 0 || previous?.total.activeAccounts > 0,
    note: ({ total }) =>
      total.estimate.accountsRelativeStandardError > 0
        ? `± ${format.share(NORMAL_95 * total.estimate.accountsRelativeStandardError)} at most, in 95 of 100 cases`
        : "exact",
  },
  { name: "totalUsers", title: "Total users", of: (total) => total.totalUsers },
  { name: "newSignups", title: "New sign-ups", of: (total) => total.newSignups24h },
  {
    name: "sessions",
    title: "Sessions",
    of: (total) => total.sessions.count,
    note: ({ total }) => {
      const error = plusMinus(total.sessions.count, total.estimate.sessionIntervals.count);
      return error ? `${error.trim()} at most, in 95 of 100 cases` : "exact";
    },
  },
  {
    name: "averageSessionDuration",
    title: "Average session",
    of: (total) => total.averageSessionDuration,
    show: format.duration,
    note: ({ total: { averageSessionDuration, sessions, estimate } }) => {
      const { averageDuration, p50, p95 } = estimate.sessionIntervals;
      const average = plusMinus(averageSessionDuration, averageDuration).trim();
      const median = `median ${format.duration(sessions.p50)}${plusMinus(sessions.p50, p50)}`;
      return [...(average ? [average] : []), median, `p95 ${format.duration(sessions.p95)}${plusMinus(sessions.p95, p95)}`].join(", ");
    },
  },
  {
    name: "events",
    title: "Events",
    of: (total) => sum(total.eventsByType),
    note: ({ total }) => (total.eventsWithoutUser > 0 ? `${format.number(total.eventsWithoutUser)} without a user` : null),
  },
  { name: "aiCost", title: "AI cost", of: (total) => total.aiUsage.totalCost, show: format.money },
  { name: "errors", title: "Errors", of: (total) => total.errors.total, bad: true },
  { name: "rejected", title: "Rejected", of: (total) => total.rejected, bad: true },
];

export function draw(place, metrics) {
  const shown = FIGURES.filter((figure) => figure.isShown?.(metrics) ?? true);
  place.replaceChildren(...shown.map((figure) => card(figure, metrics)));
}

function card(figure, metrics) {
  const value = figure.of(metrics.total);
  const show = figure.show ?? format.number;
  const note = figure.note?.(metrics);
  return make(
    "article",
    { className: figure.bad ? "bad" : "" },
    make("h3", {}, figure.title),
    make("p", { className: "value", data: { figure: figure.name, value } }, show(value)),
    change(metrics.previous, figure, show),
    ...(note ? [make("p", { className: "note" }, note)] : []),
  );
}

function change(previous, figure, show) {
  const by = previous?.change[figure.name];
  if (by === undefined || by === null) return make("p", { className: "note change" }, "nothing before");
  const before = `${show(figure.of(previous.total))} before`;
  const [sign, kind] = by > 0 ? ["▲", "more"] : by < 0 ? ["▼", "less"] : ["", ""];
  const words = by === 0 ? "unchanged" : `${sign} ${format.share(Math.abs(by))}`;
  return make(
    "p",
    { className: "note" },
    make("span", { className: `change ${kind}`, data: { change: by } }, words),
    ` (${before})`,
  );
}
