// The days that the page shows, which are in its address.

const DEFAULT = "7d";
const DAYS = /^[1-9][0-9]{0,2}d$/;
const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;

/** The query of the API that the page's address asks for; what it does not understand it leaves out. */
export function fromAddress(search = location.search) {
  const given = new URLSearchParams(search);
  const [from, to, last] = ["from", "to", "last"].map((name) => given.get(name));
  if (from && to && DATE.test(from) && DATE.test(to)) return new URLSearchParams({ from, to });
  return new URLSearchParams({ last: last && DAYS.test(last) ? last : DEFAULT });
}

/** Shows which range it is among the links and in the form. */
export function mark(links, form, range, metrics) {
  for (const link of links) {
    if (link.dataset.last === range.get("last")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // Not while somebody is choosing.
  if (metrics && !form.contains(document.activeElement)) {
    form.elements.from.value = metrics.from;
    form.elements.to.value = metrics.to;
    form.elements.from.max = form.elements.to.max = metrics.today;
  }
}

/** Milliseconds between two looks for what is new: a longer range costs more to read. */
export function pace(days) {
  if (days <= 7) return 5_000;
  return days <= 31 ? 30_000 : 120_000;
}
