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
  const columns = [
    { title: "Model", of: (model) => model.name },
    { title: "Requests", of: (model) => format.number(model.requests), number: true },
    { title: "Tokens", of: (model) => format.number(model.tokens), number: true },
    { title: "Cost", of: (model) => format.money(model.cost), number: true },
    { title: "Share", of: (model) => format.share(model.costShare), number: true },
  ];
  byId("models").replaceChildren(
    ...(answer.models.length > 0 ? [table("AI use by model", columns, answer.models)] : []),
    ...lists.approximate(answer.models, answer.namesApproximate),
  );
}

export function metrics(answer) {
  const { total } = answer;
  const isApproximate = total.estimate.namesApproximate;
  lists.draw(byId("errors"), lists.ranked(total.errors.byType), "No errors in these days.", isApproximate);
  lists.draw(byId("platforms"), lists.ranked(total.platforms), "No events in these days.", isApproximate);
  lists.draw(byId("types"), lists.ranked(total.eventsByType), "No events in these days.", isApproximate);
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
