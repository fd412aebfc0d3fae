// After elements.js: what is said of lines, leaks and the like, on the live page and in the report. Each takes a part
// of the JSON report, as its schema describes it.

const number = value => value.toLocaleString("en");
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const clock = moment => new Date(moment).toLocaleTimeString();
const origin = found => found ? [found.name, found.version].filter(Boolean).join(" ") : "";
const limitOf = value => value === 0 ? "no limit" : `at most ${number(value)}`;

function age(seconds) {
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 86400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

function names(list, more = 0) {
  const rest = list.length - 3 + more;
  return list.slice(0, 3).join(", ") + (rest > 0 ? ` and ${number(rest)} more` : "");
}

const EVIDENCE = {
  COLLECTED_OPEN: "garbage-collected while open", LOOP_CLOSED: "its event loop was closed while it was open",
  SCOPE_ENDED: "still open at the end", IDLE: "open, and not used for long",
};

// -- parts

const at = site => site ? `${site.file}:${site.line}` : "opened before the watch";
const siteLine = site => h("span", { class: "site" }, at(site), site ? h("span", {}, ` in ${site.function}`) : "");
const source = site => site && site.source ? h("code", { class: "source" }, site.source) : "";
const facts = (...list) => h("ul", { class: "facts" }, list.filter(Boolean).map(text => h("li", {}, text)));
const tag = (text, kind = "") => h("span", { class: `tag ${kind}` }, text);
const head = (site, ...right) => h("div", { class: "head" }, siteLine(site), h("span", {}, right));
const card = (key, kind, ...children) => h("article", { class: `card ${kind}`, "data-key": key }, children);
const tile = (value, label, kind = "") => h("div", {}, h("b", { class: kind }, number(value)), h("span", {}, label));

function section(title, items, build, { note = "", empty = "", more = 0, total = items.length + more } = {}) {
  if (!items.length && !empty) return [];
  return [h("section", { "data-key": title },
    h("h2", {}, title, total ? h("span", { class: "count" }, number(total)) : ""),
    note && items.length ? h("p", { class: "note" }, note) : "",
    items.length ? items.map(build) : h("p", { class: "note" }, empty),
    more ? h("p", { class: "note" }, `${number(more)} more are not shown.`) : "")];
}

// The line itself first, then who called it.
const stack = frames => h("ol", { class: "stack" }, frames.map(frame => h("li", {}, siteLine(frame),
  frame.distribution ? h("span", { class: "soft" }, ` (${origin(frame.distribution)})`) : "", source(frame))));

function leak(item) {
  const kind = item.grade === "suspicion" ? "warn" : "bad", own = item.own_site;
  const times = new Set([clock(item.first_opened_at), clock(item.last_opened_at)]);
  return card(item.fingerprint + at(item.site) + item.evidence, kind,
    head(item.site, h("strong", { class: kind }, count(item.count, item.kind)), tag(item.grade, kind)),
    source(item.site),
    facts(item.scopes?.length ? `opened by ${names(item.scopes, item.scopes_more)}` : "",
      EVIDENCE[item.evidence] || item.evidence, item.known && `${number(item.known)} known to the baseline`,
      `opened ${[...times].join(" to ")}`, `oldest ${age(item.oldest_age_s)}`,
      item.tasks.length && `by ${names(item.tasks, item.tasks_more)}`, item.hosts.length && `to ${names(item.hosts)}`,
      item.labels.length && `labelled ${names(item.labels)}`, item.distribution && `in ${origin(item.distribution)}`,
      own && `called from ${at(own)}`),
    h("div", { class: "remedy" }, item.remedy.advice, h("pre", {}, item.remedy.example)),
    item.stack.length > 1 ? h("details", {}, h("summary", {}, "Stack"), stack(item.stack)) : "");
}

function response(item) {
  return card(item.fingerprint + at(item.site), "warn",
    head(item.site, count(item.count, "response")), source(item.site),
    facts(`oldest: ${item.method} ${item.host}${item.path}, ${age(item.oldest_age_s)}`,
      item.waiting && `${number(item.waiting)} without an answer yet`));
}

function pool(item) {
  return card(at(item.site) + item.host + item.limit, "bad",
    head(item.site, h("strong", { class: "bad" }, `${count(item.waits, "wait")} for ${item.host}`)), source(item.site),
    facts(`longest ${age(item.longest_wait_s)}`, item.failed && `${number(item.failed)} in vain`,
      `up to ${number(item.peak_waiting)} at once`,
      `${limitOf(item.limit)} in all, ${limitOf(item.limit_per_host)} to one host`),
    item.holders.length ? table(["held by", "responses"], item.holders.map(one => [at(one.site), number(one.responses)])) : "");
}

function churn(item) {
  return card(item.fingerprint + at(item.site), "warn",
    head(item.site, `${count(item.sessions, "session")} for ${count(item.requests, "request")}`), source(item.site),
    facts(`one shared session would spare ${count(item.spared, "connection")}`,
      item.spared_s && `and ${age(item.spared_s)} of connecting`, item.distribution && `in ${origin(item.distribution)}`));
}

const PROCESS = ["process", "opened", "closed", "leaked"];
const process = item => [
  h("div", {}, `${item.pid} ${item.program}`, h("div", { class: "soft" }, item.state)),
  number(item.opened), number(item.closed), number(item.leaked),
];
