// After findings.js: numbers and times as the report writes them.

const two = value => String(value).padStart(2, "0");

// A moment since the program began, to the tenth of a millisecond if that is not nothing.
function moment(seconds) {
  const ticks = Math.round(seconds * 1e4), whole = Math.floor(ticks / 1e4), rest = ticks % 1e4;
  const part = rest ? `.${String(rest).padStart(4, "0").replace(/0+$/, "")}` : "";
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}${part}`;
}

function span(seconds) {
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : age(seconds);
}

function rate(value) {
  if (value >= 9999.5) return `${(value / 1000).toFixed(0)}k`;
  return value >= 10 || value === Math.trunc(value) ? number(Math.round(value)) : value.toFixed(1);
}

function spared({ spared: connections, connections: opened, spared_s: seconds }) {
  if (!connections) return "one shared session would have spared no connection";
  const time = seconds > 0.0005 ? ` and ${span(seconds)} of opening them` : "";
  return `one shared session would have spared ${number(connections)} of ${count(opened, "connection")}${time}`;
}

const OUTCOMES = [
  "closed", "open", "garbage-collected while open", "its event loop closed under it", "still open at the end",
];
