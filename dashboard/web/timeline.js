// What one user did in these days, the newest first. The id is in no address of the page.

import { ask } from "./api.js";
import { byId, make, none, table } from "./dom.js";
import * as format from "./format.js";

let user = null;

/** Lets people ask for a user; `current` tells the range and the time zone. */
export function listen(current) {
  byId("user").addEventListener("submit", (event) => {
    event.preventDefault();
    user = event.target.elements.id.value.trim();
    void draw(current());
  });
}

export async function draw({ range, timeZone }) {
  if (!user) return;
  const place = byId("timeline");
  const asked = user;
  try {
    const { answer, isNew } = await ask(`/api/users/${encodeURIComponent(user)}/events`, range);
    if (asked === user && (isNew || place.dataset.user !== user)) place.replaceChildren(...page(answer, range, timeZone));
    place.dataset.user = user;
  } catch (error) {
    place.replaceChildren(none(error.message));
  }
}

function page(answer, range, timeZone) {
  if (answer.events.length === 0) return [none("No events of this user in these days. Events are kept for 90 days.")];
  const columns = [
    { title: "When", of: (event) => format.moment(event.timestamp, timeZone) },
    { title: "What", of: (event) => event.eventType },
    { title: "Session", of: (event) => make("code", {}, event.sessionId ?? "") },
    { title: "Data", of: (event) => make("code", {}, JSON.stringify(event.eventData)) },
    { title: "Platform", of: (event) => String(event.metadata.platform ?? "") },
  ];
  const shown = table("Events of this user", columns, answer.events);
  if (answer.next === null) return [shown];
  const more = make("button", { type: "button", className: "more" }, "Show more");
  more.addEventListener("click", async () => {
    try {
      const { answer: next } = await ask(`/api/users/${encodeURIComponent(answer.userId)}/events`, {
        ...Object.fromEntries(range),
        page: answer.next,
      });
      more.replaceWith(...page(next, range, timeZone));
    } catch (error) {
      more.after(none(error.message));
    }
  });
  return [shown, more];
}
