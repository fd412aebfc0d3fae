// After elements.js and findings.js.
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
      card("processes", "", table(PROCESS, all.map(process))),
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
