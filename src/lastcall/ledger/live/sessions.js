// After elements.js.
const REFRESH_MS = 2000, PATIENCE_MS = 10000, TOKEN_KEY = "lastcall.token";
const address = location.pathname.replace(/\/$/, "") + "/sessions.json";
let token = sessionStorage.getItem(TOKEN_KEY), paused = false, timer = 0, seenAt = null;

// Make what is shown like what was built, and touch no more: focus, selection and open details stay.
function morph(shown, built) {
  const size = built.childNodes.length;
  const olds = new Map([...shown.childNodes].filter(node => node.dataset?.key).map(node => [node.dataset.key, node]));
  [...built.childNodes].forEach((next, index) => {
    const same = olds.get(next.dataset?.key);
    if (same && same !== shown.childNodes[index]) shown.insertBefore(same, shown.childNodes[index]);
    const now = shown.childNodes[index];
    if (!now) shown.append(next);
    else if (now.nodeName !== next.nodeName || now.dataset?.key !== next.dataset?.key) shown.insertBefore(next, now);
    else if (now.nodeType === Node.TEXT_NODE) { if (now.data !== next.data) now.data = next.data; }
    else {
      for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
      morph(now, next);
    }
  });
  while (shown.childNodes.length > size) shown.lastChild.remove();
}

// -- words

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
  SCOPE_ENDED: "its process ended while it was open", IDLE: "open, and not used for long",
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

function leak(item) {
  const kind = item.grade === "suspicion" ? "warn" : "bad", own = item.own_site;
  const times = new Set([clock(item.first_opened_at), clock(item.last_opened_at)]);
  return card(item.fingerprint + at(item.site) + item.evidence, kind,
    head(item.site, h("strong", { class: kind }, count(item.count, item.kind)), tag(item.grade, kind)),
    source(item.site),
    facts(EVIDENCE[item.evidence] || item.evidence, `opened ${[...times].join(" to ")}`, `oldest ${age(item.oldest_age_s)}`,
      item.tasks.length && `by ${names(item.tasks, item.tasks_more)}`, item.hosts.length && `to ${names(item.hosts)}`,
      item.labels.length && `labelled ${names(item.labels)}`, item.distribution && `in ${origin(item.distribution)}`,
      own && `called from ${at(own)}`),
    h("div", { class: "remedy" }, item.remedy.advice, h("pre", {}, item.remedy.example)),
    item.stack.length > 1 ? h("details", {}, h("summary", {}, "Stack"),
      h("pre", {}, item.stack.map(frame => `${frame.file}:${frame.line} in ${frame.function}`).join("\n"))) : "");
}

function meter(site) {
  // Against what one pool may hold, where it has a limit; else the two parts against each other.
  const room = Math.min(site.limit || Infinity, site.limit_per_host * site.hosts || Infinity);
  const whole = Math.max(site.in_use + site.idle, site.count === 1 && room < Infinity ? room : 1);
  const used = 100 * site.in_use / whole, idle = 100 * site.idle / whole;
  return h("svg", { class: site.waiting ? "meter full" : "meter", viewBox: "0 0 100 1", preserveAspectRatio: "none",
    "aria-hidden": "true" }, h("rect", { class: "used", width: used, height: 1 }),
    h("rect", { class: "idle", x: used, width: idle, height: 1 }));
}

function openSite(item) {
  const title = item.profile === null ? "" : tag(`profile ${item.profile}`, "good");
  const limits = item.limit !== null && `${limitOf(item.limit)} in all, ${limitOf(item.limit_per_host)} to one host`;
  return card(item.fingerprint + at(item.site) + item.kind + item.profile, item.waiting ? "bad" : "info",
    head(item.site, count(item.count, item.kind), title), source(item.site),
    item.limit === null ? "" : meter(item),
    facts(...item.limit === null ? ["not used yet"] : [`${number(item.in_use)} in use`, `${number(item.idle)} idle`,
      item.waiting && `${count(item.waiting, "request")} waiting for a free connection`, limits,
      `${count(item.connections, "connection")} opened`], `oldest ${age(item.oldest_age_s)}`,
    item.closing && `${number(item.closing)} closing`, item.tasks.length && `by ${names(item.tasks)}`,
    item.labels.length && `labelled ${names(item.labels)}`, item.distribution && `in ${origin(item.distribution)}`),
    item.by_host.length ? table(["host", "in use", "idle", "waiting"], item.by_host.map(host =>
      [`${host.host}:${host.port}`, number(host.in_use), number(host.idle),
        host.waiting ? h("strong", { class: "bad" }, number(host.waiting)) : "0"])) : "",
    item.hosts > item.by_host.length ? h("p", { class: "note" }, `${number(item.hosts)} hosts in all.`) : "");
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

const process = item => [`${item.pid} ${item.program}`, item.state, number(item.opened), number(item.closed), number(item.leaked)];

function summary({ sessions, live }) {
  const waiting = live.sites.reduce((sum, site) => sum + site.waiting, 0);
  return h("div", { class: "tiles", "data-key": "tiles" }, tile(sessions.open, "open"), tile(sessions.opened, "opened"),
    tile(sessions.closed, "closed"), tile(sessions.leaked, "leaked", sessions.leaked ? "bad" : "good"),
    tile(waiting, "requests waiting", waiting ? "warn" : ""));
}

function render(report) {
  const { live } = report, more = live.left_out;
  const built = h("main", {},
    live.level === "off" ? h("p", { class: "banner bad", "data-key": "off" }, "The watch is off: call lastcall.watch().") : "",
    summary(report),
    section("Leaks", report.leaks, leak, { more: more.leaks, empty: "Nothing leaked so far." }),
    section("Open now", live.sites, openSite, { more: more.sites, empty: "No session is open.",
      note: "By the line that opened them. Requests that wait come first." }),
    section("Open responses", report.responses, response, { more: more.responses,
      note: "Each holds a connection of its pool until it is read or released.",
      empty: live.level === "responses" ? "None." : "Their lines are known at lastcall.watch(\"responses\")." }),
    section("Pools that made requests wait", report.pools, pool, { more: more.pools }),
    section("A session for each call", report.churn, churn, { more: more.churn,
      note: "No leak, but each pays for connections of its own." }),
    section("Processes", report.processes.length ? [report.processes] : [], all =>
      card("processes", "", table(["process", "state", "opened", "closed", "leaked"], all.map(process))),
    { more: more.processes, total: report.processes.length + more.processes }));
  morph($("main"), built);
}

// -- asking, again and again

function say(text, kind = "") {
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").className = `state ${kind}`;
}

async function ask() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) return refuse();
  if (!answer.ok) {
    const reason = await answer.json().then(body => body.detail, () => "");
    return say(typeof reason === "string" && reason || `The server answers ${answer.status}.`, "bad");
  }
  render(await answer.json());
  seenAt = new Date();
  $("login").hidden = true;
  say(paused ? "Paused" : "Live", paused ? "" : "good");
}

function refuse() {
  // It asks no more until it has one: each refusal would be a line in the server's log.
  if ($("login").hidden) { $("login").hidden = false; $("token").focus(); }
  $("refused").textContent = token ? "This is not the token." : "";
  say("A token is needed", "bad");
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try { await ask(); } catch {
    say(seenAt ? `No answer: last seen at ${seenAt.toLocaleTimeString()}` : "The server does not answer", "bad");
  }
  clearTimeout(timer);
  if (!paused && $("login").hidden) timer = setTimeout(refresh, REFRESH_MS);
}

$("pause").onclick = () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Go on" : "Pause";
  clearTimeout(timer);
  paused ? say("Paused") : refresh();
};
$("login").onsubmit = event => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem(TOKEN_KEY, token);
  refresh();
};
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); });
refresh();
