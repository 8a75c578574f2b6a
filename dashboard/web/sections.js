// Everything below the figures.

import { byId, make, table } from "./dom.js";
import * as charts from "./charts.js";
import * as format from "./format.js";
import * as lists from "./lists.js";

const dates = (days) => ({
  unit: "Day",
  labels: days.map((day) => format.date(day.date)),
  longLabels: days.map((day) => format.longDate(day.date) + (day.state === "missing" ? " (nothing stored)" : "")),
});

export function engagement(answer) {
  const series = (name, field) => ({ name, values: answer.days.map((day) => day[field]), show: format.number });
  charts.draw(byId("active"), {
    title: "Active users",
    ...dates(answer.days),
    axis: format.compact,
    series: [series("of the day", "dailyActiveUsers"), series("of 7 days", "weeklyActiveUsers"), series("of 30 days", "monthlyActiveUsers")],
  });
}

export function features(answer) {
  lists.draw(byId("features"), answer.features, "No feature was used in these days.", answer.namesApproximate);
  lists.draw(byId("content"), answer.content, "Nothing was created in these days.", answer.namesApproximate);
}

export function ai(answer) {
  const sums = [
    ["Requests", answer.requests, format.number],
    ["Tokens", answer.tokens, format.number],
    ["Cost", answer.cost, format.money],
    ["Cost per active user", answer.costPerUser, (value) => (value === null ? "–" : format.money(value))],
  ];
  byId("ai-sums").replaceChildren(
    ...sums.map(([title, value, show]) => make("div", {}, make("dt", {}, title), make("dd", { data: { figure: `ai ${title}`, value } }, show(value)))),
  );
  charts.draw(byId("ai"), {
    title: "AI cost",
    ...dates(answer.days),
    bars: true,
    series: [{ name: "Cost", values: answer.days.map((day) => day.cost), show: format.money }],
  });
  const spent = [
    { title: "Requests", of: (one) => format.number(one.requests), value: (one) => one.requests, number: true },
    { title: "Tokens", of: (one) => format.number(one.tokens), value: (one) => one.tokens, number: true },
    { title: "Cost", of: (one) => format.money(one.cost), value: (one) => one.costNanos, number: true },
    { title: "Share", of: (one) => format.share(one.costShare), number: true },
  ];
  const latency = (title, field) => ({
    title,
    of: ({ latency }) => (latency.count > 0 ? `${format.number(latency[field])} ms` : "–"),
    value: ({ latency }) => latency[field],
    number: true,
  });
  const columns = [
    { title: "Model", of: (model) => model.name },
    ...spent,
    { title: "Failed", of: (model) => format.share(model.errorShare), value: (model) => model.errors, number: true },
    latency("Median", "p50"),
    latency("p95", "p95"),
    { title: "Unpriced", of: (model) => format.number(model.unpriced), value: (model) => model.unpriced, number: true },
  ];
  const notes = [
    ...(answer.latencyRelativeError > 0 ? [`Latencies are within ${format.share(answer.latencyRelativeError)}.`] : []),
    ...(answer.unpricedRequests > 0
      ? [`Requests without a price: ${format.number(answer.unpricedRequests)}. The cost is a lower bound.`]
      : []),
  ];
  byId("models").replaceChildren(
    ...(answer.models.length > 0 ? [table("AI use by model", columns, answer.models)] : []),
    ...notes.map((note) => make("p", { className: "note" }, note)),
    ...lists.approximate(answer.models, answer.namesApproximate),
  );
  for (const [id, title, spenders] of [
    ["ai-accounts", "Account", answer.accounts],
    ["ai-features", "Feature", answer.features],
    ["ai-users", "User", answer.users],
  ]) {
    const shown = spenders.slice(0, MOST_SPENDERS);
    const caption = `AI use by ${title.toLowerCase()}`;
    byId(id).replaceChildren(
      ...(shown.length > 0 ? [table(caption, [{ title, of: (one) => one.name }, ...spent], shown)] : []),
      ...lists.approximate(shown, answer.namesApproximate),
    );
  }
}

/** Budgets are those of this month, whatever range is shown. */
export function budgets({ month, budgets: all }) {
  byId("budgets-section").hidden = all.length === 0;
  const atLeast = (one) => (one.isLowerBound ? "at least " : "");
  const columns = [
    { title: `Budget of ${month}`, of: (one) => (one.name === null ? one.scope : `${one.scope} ${one.name}`) },
    {
      title: "Spent",
      of: (one) => `${atLeast(one)}${format.money(one.spent)} of ${format.money(one.amount)}`,
      value: (one) => one.spentNanos,
      number: true,
    },
    {
      title: "Share",
      of: (one) => make("progress", { value: Math.min(one.spentShare, 1), max: 1, ariaLabel: format.share(one.spentShare), title: format.share(one.spentShare) }),
      value: (one) => one.amountNanos,
    },
    { title: "Forecast", of: (one) => format.money(one.forecast), value: (one) => one.forecastNanos, number: true },
  ];
  byId("budgets").replaceChildren(...(all.length > 0 ? [table("AI budgets", columns, all)] : []));
}

/** Accounts, features or users that are shown; the API has all that are listed. */
const MOST_SPENDERS = 20;

export function metrics(answer) {
  const { total } = answer;
  const isApproximate = total.estimate.namesApproximate;
  lists.draw(byId("errors"), lists.ranked(total.errors.byType), "No errors in these days.", isApproximate);
  lists.draw(byId("platforms"), lists.ranked(total.platforms), "No events in these days.", isApproximate);
  lists.draw(byId("types"), lists.ranked(total.eventsByType), "No events in these days.", isApproximate);
  byId("accounts-section").hidden = total.activeAccounts === 0;
  lists.draw(byId("accounts"), lists.ranked(total.accounts), "No event names an account in these days.", isApproximate);
  const hours = [...Array(24).keys()].map((hour) => `${String(hour).padStart(2, "0")}:00`);
  charts.draw(byId("hours"), {
    title: `Events by hour, ${answer.timeZone}`,
    unit: "Hour",
    labels: hours,
    bars: true,
    axis: format.compact,
    series: [{ name: "Events", values: total.eventsByHour, show: format.number }],
  });
}
