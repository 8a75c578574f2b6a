// Numbers, durations, money and dates as people read them.

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD" });
const cents = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumFractionDigits: 5 });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

export const number = (value) => whole.format(value);
export const compact = (value) => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value));
export const share = (value) => percent.format(value);
export const money = (value) => (value !== 0 && Math.abs(value) < 1 ? cents : dollars).format(value);

/** Milliseconds as minutes and seconds, or hours and minutes. */
export function duration(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${number(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** A date of the reporting zone, YYYY-MM-DD: it is no moment, so no zone moves it. */
export const date = (text) => day.format(new Date(`${text}T00:00:00Z`));
export const longDate = (text) => longDay.format(new Date(`${text}T00:00:00Z`));

/** A moment, milliseconds since the epoch, in the reporting zone. */
export function moment(milliseconds, timeZone) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone }).format(milliseconds);
}
