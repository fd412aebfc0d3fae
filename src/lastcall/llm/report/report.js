// After elements.js and charts.js.
const report = JSON.parse($("data").textContent);
const { requests, tokens, concurrency, distributions, series } = report;
const MOMENT_S = 0.001;

// -- words, as words.py has them

const number = value => Math.round(value).toLocaleString("en");
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const figures = value => value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);

function percent(part, whole) {
  if (!whole || part === whole) return whole ? "100 %" : "0 %";
  return `${Math.min(99.9, 100 * part / whole).toFixed(1)} %`;
}

function short(value) {
  if (value < 10 && value !== Math.trunc(value)) return value.toFixed(2);
  const units = ["", "k", "M", "G", "T"];
  let step = 0;
  while (value >= 9999.5 && step < units.length - 1) { value /= 1000; step++; }
  return (step && value < 99.95 ? value.toFixed(1) : number(value)) + units[step];
}

function duration(seconds) {
  if (seconds === null || seconds === 0) return seconds === null ? "-" : "0";
  if (seconds < 0.9995e-3) return `${figures(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${figures(seconds * 1e3)} ms`;
  if (seconds < 600) return `${figures(seconds)} s`;
  return seconds < 36000 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6), two = value => String(value).padStart(2, "0");
  const rest = seconds - whole > 0.005 ? (seconds - whole).toFixed(2).slice(1).replace(/0$/, "") : "";
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}${rest}`;
}

// Labels of an axis: as few figures as tell its ticks apart.
const axisDuration = seconds => duration(seconds).replace(/\.0+ /, " ").replace(/(\.\d)0 /, "$1 ");
const axisRate = value => short(value).replace(/\.0(?=[kMGT]$)/, "").replace(/(\.\d)0$/, "$1");

// -- parts

function section(title, note, ...children) {
  return h("section", {}, h("h2", {}, title), note ? h("p", { class: "note" }, note) : "", children);
}

const tile = (value, label, kind = "") => h("div", {}, h("b", { class: kind }, value), h("span", {}, label));
const facts = (...list) => h("ul", { class: "facts" }, list.filter(Boolean).map(text => h("li", {}, text)));
const card = (kind, ...children) => h("article", { class: `card ${kind}` }, children);
const charts = (...list) => h("div", { class: "charts" }, list);
const sum = counts => Object.values(counts).reduce((all, value) => all + value, 0);

function caption(title, note) {
  return h("figcaption", {}, h("strong", {}, title), h("span", { class: "soft" }, note));
}

function state() {
  const words = { complete: "Complete", interrupted: "Interrupted", failed: "Stopped" }[report.ending];
  $("state").textContent = words;
  $("state").className = `state ${report.ending === "complete" ? "good" : "bad"}`;
}

function head() {
  const done = requests.answered + requests.failed + requests.resumed;
  const began = new Date(report.began_at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  return [
    report.ending === "complete" ? "" : h("p", { class: "banner bad" }, report.reason || "The run did not end well."),
    h("div", { class: "note" }, facts(began,
      `took ${report.seconds < 60 ? duration(report.seconds) : clock(report.seconds)}`,
      report.settings.model && `model ${report.settings.model}`,
      requests.total !== null && `${number(done)} of ${number(requests.total)} done (${percent(done, requests.total)})`,
      requests.resumed && `${number(requests.resumed)} of them by an earlier run`,
      requests.cut_off && `${number(requests.cut_off)} cut off`)),
  ];
}

function tiles() {
  const retries = sum(report.retries), { latency, first_chunk } = distributions;
  const found = [
    tile(number(requests.answered), "answered"),
    tile(number(requests.failed), "failed", requests.failed ? "bad" : "good"),
    tile(number(retries), "tried again", retries ? "warn" : ""),
    tile(short(requests.rate), "requests per second"),
    tokens.completion && tile(short(tokens.completion_rate), "tokens per second"),
    latency && tile(duration(latency.p50), "median latency"),
    latency && tile(duration(latency.p99), "99th percentile"),
    first_chunk && tile(duration(first_chunk.p50), "median to first token"),
  ].filter(Boolean);
  return h("div", { class: found.length === 8 ? "tiles four" : "tiles" }, found);
}

// -- the run from its beginning to its end

const rate = key => series.map(part => part.seconds ? part[key] / part.seconds : null);

function overTime(title, note, y, ...series) {
  const edges = report.series.map(part => [part.start, part.start + part.seconds]);
  const all = { edges, values: series.map(one => one.values) };
  const domain = [0, edges.at(-1)[1]];
  return new Chart({ title, note, scale: "time", domain, data: () => all, series, x: clock, y, group: "run" }).figure;
}

function run() {
  if (series.length < 2) return "";
  const has = key => series.some(part => part[key]);
  const line = (name, kind, tone, key, values = series.map(part => part[key])) =>
    has(key) ? [{ name, kind, tone, values }] : [];
  return section("Over time", "Drag to look closer; by keyboard with arrows, plus, minus and Escape.", charts(
    overTime("Throughput", "requests per second", axisRate,
      { name: "answered", kind: "area", tone: "blue", values: rate("answered") },
      ...line("failed", "line", "red", "failed", rate("failed")),
      ...line("tried again", "line", "amber", "retries", rate("retries"))),
    overTime("Concurrency", "requests under way", axisRate,
      { name: "under way", kind: "area", tone: "violet", values: series.map(part => part.in_flight) },
      ...line("limit", "limit", "grey", "limit")),
    has("p50") ? overTime("Latency", "of what was answered then", axisDuration,
      ...line("median", "line", "blue", "p50"), ...line("99th percentile", "line", "amber", "p99")) : "",
    has("completion_tokens") || has("prompt_tokens") ? overTime("Tokens", "per second", axisRate,
      ...line("completion", "area", "green", "completion_tokens", rate("completion_tokens")),
      ...line("prompt", "line", "grey", "prompt_tokens", rate("prompt_tokens"))) : ""));
}

// -- how durations are spread

// A few that are far shorter than all others would press these into a corner: those are shown when asked for.
function firstShown(buckets, [from, to]) {
  const few = 0.002 * buckets.reduce((all, [, , value]) => all + value, 0);
  let seen = 0;
  const least = buckets.find(([, , value]) => (seen += value) > few)[0] / 1.06;
  return Math.log(least / from) > 0.25 * Math.log(to / from) ? [least, to] : [from, to];
}

function spread(title, note, tone, found, none = "were 0") {
  if (!found) return "";
  const some = found.buckets.filter(([from]) => from > 0);
  if (!some.length) return h("figure", { class: "chart" }, caption(title, `${note}; none at all`));
  const domain = [some[0][0] / 1.06, some.at(-1)[1] * 1.06];
  const counted = some.reduce((all, [, , value]) => all + value, 0), zeros = found.count - counted;
  const drawn = new Chart({
    title, scale: "log", domain, start: firstShown(some, domain), x: axisDuration, y: axisRate,
    note: zeros ? `${note}; ${number(zeros)} of ${number(found.count)} ${none}` : note,
    marks: ["p50", "p90", "p99"].filter(name => found[name]).map(name => ({ at: found[name], label: name })),
    // Of few values few bars: each of its own would only be noise.
    data: (from, to, pixels) => bins(some, from, to, pixels, Math.max(16, 4 * Math.sqrt(counted))),
    series: [{ name: "count", kind: "bars", tone }],
  }).figure;
  drawn.append(h("dl", { class: "stats" }, ["mean", "p50", "p90", "p95", "p99", "max"].map(name =>
    h("div", {}, h("dt", {}, name), h("dd", {}, duration(found[name]))))));
  return drawn;
}

function durations() {
  const { latency, first_chunk, between_chunks, waited, loop_lag } = distributions;
  if (!latency) return "";
  const note = "Latency is that of the attempt that was answered; waiting for limits and between attempts is apart.";
  return section("How long it took", note, charts(
    spread("Latency", "from sending to the last byte", "blue", latency),
    spread("Time to first token", "of streams", "violet", first_chunk),
    spread("Between tokens", "of streams", "green", between_chunks),
    waited?.max >= MOMENT_S ? spread("Waited", "for limits, and between attempts", "amber", waited, "did not wait") : "",
    loop_lag?.max ? spread("Event loop late", "this program's own delay", "grey", loop_lag, "were on time") : ""));
}

// -- what went wrong, and the rest

function shares(what, counts, tone) {
  const rows = Object.entries(counts).sort(([, one], [, other]) => other - one), all = sum(counts);
  const look = { class: `share ${tone}`, viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  const bar = value => h("svg", look, h("rect", { width: 100 * value / all, height: 1 }));
  return table([what, "", "count", "share"],
    rows.map(([name, value]) => [name, bar(value), number(value), percent(value, all)]));
}

function kinds(title, note, what, counts, tone) {
  return h("figure", { class: "chart kinds" }, caption(title, note),
    sum(counts) ? shares(what, counts, tone) : h("p", { class: "soft" }, "None."));
}

function troubles() {
  const spent = report.retry_delay ? `${duration(report.retry_delay)} spent between attempts, over all requests` : "";
  const endings = report.finish_reasons;
  return section("Errors and retries", "", charts(
    kinds("Given up", "requests, by kind of error", "error", report.errors, "red"),
    kinds("Tried again", spent || "attempts, by cause", "cause", report.retries, "amber"),
    sum(endings) ? kinds("Ended by", "why texts ended, in the server's words", "reason", endings, "blue") : ""));
}

function sessions() {
  if (!report.sessions) return "";
  const { opened, closed, leaked, open } = report.sessions, isClean = !leaked && !open;
  const verdict = `${count(opened, "session")} opened, ${number(closed)} closed, ${leaked || "none"} leaked`;
  return section("Sessions", "", card(isClean ? "good" : "bad",
    h("div", { class: "head" }, h("strong", { class: isClean ? "" : "bad" }, verdict),
      open ? h("span", { class: "tag bad" }, `${number(open)} still open`) : ""),
    facts("as the ledger saw it", `at most ${count(concurrency.max, "request")} at once`,
      concurrency.limit && `limit ${number(concurrency.limit)}`)));
}

function settings() {
  const rows = [...Object.entries(report.settings), ["lastcall", report.lastcall]];
  return section("Settings", "", card("", h("dl", { class: "pairs" }, rows.map(([name, value]) =>
    [h("dt", {}, name), h("dd", {}, value)]))));
}

state();
$("main").append(...[head(), tiles(), run(), durations(), troubles(), sessions(), settings()].flat(Infinity).filter(Boolean));
