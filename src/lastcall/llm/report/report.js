// After elements.js and charts.js.
const report = JSON.parse($("data").textContent);
const { requests, tokens, concurrency, distributions, series } = report;

// -- words, as words.py has them

const number = value => Math.round(value).toLocaleString("en");
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const percent = (part, whole) => part === whole && whole ? "100 %" : `${whole ? Math.min(99.9, 100 * part / whole).toFixed(1) : 0} %`;
const figures = value => value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);

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
const axisDuration = seconds => duration(seconds).replace(/\.00 /, " ").replace(/(\.\d)0 /, "$1 ").replace(/(\d\d)\.0 /, "$1 ");
const axisRate = value => short(value).replace(/\.0(?=[kMGT]$)/, "").replace(/(\.\d)0$/, "$1");

// -- parts

const section = (title, note, ...children) => h("section", {}, h("h2", {}, title), note ? h("p", { class: "note" }, note) : "", children);
const tile = (value, label, kind = "") => h("div", {}, h("b", { class: kind }, value), h("span", {}, label));
const facts = (...list) => h("ul", { class: "facts" }, list.filter(Boolean).map(text => h("li", {}, text)));
const card = (kind, ...children) => h("article", { class: `card ${kind}` }, children);

function state() {
  const words = { complete: "Complete", interrupted: "Interrupted", failed: "Stopped" }[report.ending];
  $("state").textContent = words;
  $("state").className = `state ${report.ending === "complete" ? "good" : "bad"}`;
}

function head() {
  const done = requests.answered + requests.failed + requests.resumed;
  return [
    report.ending === "complete" ? "" : h("p", { class: "banner bad" }, report.reason || "The run did not come to its end."),
    h("div", { class: "note" }, facts(new Date(report.began_at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }),
      report.seconds < 60 ? `took ${duration(report.seconds)}` : `took ${clock(report.seconds)}`,
      report.settings.model && `model ${report.settings.model}`,
      requests.total !== null && `${number(done)} of ${number(requests.total)} done (${percent(done, requests.total)})`,
      requests.resumed && `${number(requests.resumed)} of them by an earlier run`,
      requests.cut_off && `${number(requests.cut_off)} cut off`)),
  ];
}

function tiles() {
  const retries = Object.values(report.retries).reduce((sum, value) => sum + value, 0), { latency, first_chunk } = distributions;
  const found = [tile(number(requests.answered), "answered"),
    tile(number(requests.failed), "failed", requests.failed ? "bad" : "good"),
    tile(number(retries), "tried again", retries ? "warn" : ""),
    tile(short(requests.rate), "requests per second"),
    tokens.completion && tile(short(tokens.completion_rate), "tokens per second"),
    latency && tile(duration(latency.p50), "median latency"),
    latency && tile(duration(latency.p99), "99th percentile"),
    first_chunk && tile(duration(first_chunk.p50), "median to first token")].filter(Boolean);
  return h("div", { class: found.length === 8 ? "tiles four" : "tiles" }, found);
}

// -- the run from its beginning to its end

const rate = key => series.map(part => part.seconds ? part[key] / part.seconds : null);

function overTime(title, note, y, ...lines) {
  const edges = series.map(part => [part.start, part.start + part.seconds]);
  const values = lines.map(line => line.values), all = { edges, values };
  return chart({ title, note, scale: "time", domain: [0, edges.at(-1)[1] || 1], data: () => all, series: lines, x: clock, y, group: "time" });
}

function run() {
  if (series.length < 2) return "";
  const has = key => series.some(part => part[key]);
  return section("Over time", "Drag to look closer; by keyboard with arrows, plus, minus and Escape.", h("div", { class: "charts" },
    overTime("Throughput", "requests per second", axisRate,
      { name: "answered", kind: "area", tone: "blue", values: rate("answered") },
      ...has("failed") ? [{ name: "failed", kind: "line", tone: "red", values: rate("failed") }] : [],
      ...has("retries") ? [{ name: "tried again", kind: "line", tone: "amber", values: rate("retries") }] : []),
    overTime("Concurrency", "requests under way", axisRate,
      { name: "under way", kind: "area", tone: "violet", values: series.map(part => part.in_flight) },
      ...has("limit") ? [{ name: "limit", kind: "limit", tone: "grey", values: series.map(part => part.limit) }] : []),
    has("p50") ? overTime("Latency", "of what was answered then", axisDuration,
      { name: "median", kind: "line", tone: "blue", values: series.map(part => part.p50) },
      { name: "99th percentile", kind: "line", tone: "amber", values: series.map(part => part.p99) }) : "",
    has("completion_tokens") || has("prompt_tokens") ? overTime("Tokens", "per second", axisRate,
      { name: "completion", kind: "area", tone: "green", values: rate("completion_tokens") },
      { name: "prompt", kind: "line", tone: "grey", values: rate("prompt_tokens") }) : ""));
}

// -- how durations are spread

// A few that are far shorter than all others would press these into a corner: those are shown when asked for.
function firstShown(buckets, [from, to]) {
  const few = 0.002 * buckets.reduce((sum, [, , value]) => sum + value, 0);
  let sum = 0;
  const least = buckets.find(([, , value]) => (sum += value) > few)[0] / 1.06;
  return Math.log(least / from) > 0.25 * Math.log(to / from) ? [least, to] : [from, to];
}

function spread(title, note, tone, found, none = "were 0") {
  if (!found) return "";
  const some = found.buckets.filter(([from]) => from > 0), zeros = found.count - some.reduce((sum, [, , value]) => sum + value, 0);
  const marks = ["p50", "p90", "p99"].filter(name => found[name] > 0).map(name => ({ at: found[name], label: name }));
  const most = Math.max(16, 4 * Math.sqrt(found.count - zeros));
  const domain = some.length ? [some[0][0] / 1.06, some.at(-1)[1] * 1.06] : [];
  const drawn = some.length ? chart({
    title, scale: "log", domain, start: firstShown(some, domain), x: axisDuration, y: axisRate, marks,
    note: zeros ? `${note}; ${number(zeros)} of ${number(found.count)} ${none}` : note,
    data: (from, to, pixels) => bins(some, from, to, pixels, most), series: [{ name: "count", kind: "bars", tone }],
  }) : h("figure", { class: "chart" }, h("figcaption", {}, h("strong", {}, title), h("span", { class: "soft" }, "none at all")));
  const names = ["mean", "p50", "p90", "p95", "p99", "max"];
  drawn.append(h("dl", { class: "stats" }, names.map(name => h("div", {}, h("dt", {}, name), h("dd", {}, duration(found[name]))))));
  return drawn;
}

function durations() {
  const { latency, first_chunk, between_chunks, waited, loop_lag } = distributions;
  if (!latency) return "";
  return section("How long it took", "Latency is that of the attempt that was answered; waiting for limits and between attempts is apart.",
    h("div", { class: "charts" },
      spread("Latency", "from sending to the last byte", "blue", latency),
      spread("Time to first token", "of streams", "violet", first_chunk),
      spread("Between tokens", "of streams", "green", between_chunks),
      waited?.max >= 0.001 ? spread("Waited", "for limits, and between attempts", "amber", waited, "did not wait") : "",
      loop_lag?.max ? spread("Event loop late", "this program's own delay", "grey", loop_lag, "were on time") : ""));
}

// -- what went wrong, and the rest

function shares(what, counts, tone) {
  const rows = Object.entries(counts).sort(([, one], [, other]) => other - one), all = rows.reduce((sum, [, value]) => sum + value, 0);
  const bar = value => h("svg", { class: `share ${tone}`, viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" },
    h("rect", { width: 100 * value / all, height: 1 }));
  return table([what, "", "count", "share"], rows.map(([name, value]) => [name, bar(value), number(value), percent(value, all)]));
}

function kinds(title, note, what, counts, tone) {
  return h("figure", { class: "chart kinds" }, h("figcaption", {}, h("strong", {}, title), h("span", { class: "soft" }, note)),
    Object.keys(counts).length ? shares(what, counts, tone) : h("p", { class: "soft" }, "None."));
}

function troubles() {
  const spent = report.retry_delay ? `${duration(report.retry_delay)} spent between attempts, over all requests` : "";
  return section("Errors and retries", "", h("div", { class: "charts" },
    kinds("Given up", "requests, by kind of error", "error", report.errors, "red"),
    kinds("Tried again", spent || "attempts, by cause", "cause", report.retries, "amber"),
    Object.keys(report.finish_reasons).length ? kinds("Ended by", "why texts ended, in the server's words", "reason", report.finish_reasons, "blue") : ""));
}

function sessions() {
  const found = report.sessions;
  if (!found) return "";
  const clean = !found.leaked && !found.open;
  return section("Sessions", "", card(clean ? "good" : "bad", h("div", { class: "head" },
    h("strong", { class: clean ? "" : "bad" }, `${count(found.opened, "session")} opened, ${number(found.closed)} closed, ${found.leaked ? number(found.leaked) : "none"} leaked`),
    found.open ? h("span", { class: "tag bad" }, `${number(found.open)} still open`) : ""),
  facts("as the ledger saw it", `at most ${count(concurrency.max, "request")} at once`, concurrency.limit && `limit ${number(concurrency.limit)}`)));
}

function settings() {
  const rows = [...Object.entries(report.settings), ["lastcall", report.lastcall]];
  return section("Settings", "", card("", h("dl", { class: "pairs" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))));
}

state();
$("main").append(...[head(), tiles(), run(), durations(), troubles(), sessions(), settings()].flat(Infinity).filter(Boolean));
