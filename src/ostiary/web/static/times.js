// Puts times, sent in UTC, into the words and the zone of the reader; UTC stays in the tooltip.

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

function sinceThen(then) {
  const minutes = Math.round((then - Date.now()) / 60_000);
  if (minutes > 0 || minutes <= -24 * 60) return null; // a clock that is off, or long enough ago to want a date
  return minutes > -60 ? ago.format(minutes, "minute") : ago.format(Math.round(minutes / 60), "hour");
}

for (const time of document.querySelectorAll("time[datetime]")) {
  const then = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = ("ago" in time.dataset && sinceThen(then)) || exact.format(then);
}
