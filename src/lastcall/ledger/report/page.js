// After all other scripts: the page itself.
const report = JSON.parse($("data").textContent);
const { history, sessions: totals } = report;
const LEAKS_SHOWN = 8, CHURN_SHOWN = 5;

const drawn = spec => new Chart(spec).figure;
const counted = (title, size) => h("h2", {}, title, size ? h("span", { class: "count" }, number(size)) : "");

// -- the head of the page

function titles() {
  const lone = report.leaks.some(one => one.kind === "connector"), { leaked } = totals;
  const said = [leaked && `${number(leaked)} leaked`, lone && "connectors leaked"].filter(Boolean);
  if (report.of) $("title").textContent = `Sessions of ${report.of}`;
  $("state").textContent = said.join(", ") || "None leaked";
  $("state").className = `state ${said.length ? "bad" : "good"}`;
}

function about() {
  const { processes } = report, first = processes[0];
  if (!first) return h("p", { class: "note" }, "No session was opened.");
  const began = Date.parse(first.started_at), ended = Math.max(...processes.map(one => Date.parse(one.reported_at)));
  return h("div", { class: "note" }, facts(
    new Date(began).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }),
    `took ${span(Math.max(0, ended - began) / 1000)}`,
    processes.length === 1 ? "1 process" : `${number(processes.length)} processes`,
    `Python ${first.python}`, `aiohttp ${first.aiohttp}`));
}

function tiles() {
  const { opened, closed, leaked, open } = totals, { leaks, churn: churns } = report;
  const places = new Set(leaks.map(one => one.fingerprint + at(one.site))).size;
  const spare = churns.reduce((sum, one) => sum + one.spared, 0);
  const all = name => history.sites.reduce((sum, site) => sum + site[name], 0);
  const found = [
    tile(opened, "opened"), tile(closed, "closed"), tile(leaked, "leaked", leaked ? "bad" : "good"),
    open && tile(open, "still open"),
    leaks.length && tile(places, places === 1 ? "place to mend" : "places to mend"),
    history && tile(all("requests"), "requests"), history && tile(all("connections"), "connections"),
    churns.length && tile(spare, "connections to spare", spare ? "warn" : ""),
  ].filter(Boolean);
  return h("div", { class: found.length % 4 ? "tiles" : "tiles four" }, found);
}

// -- leaks, and sessions for a call

function inParts(items, most, build, what) {
  const list = h("div", {}, items.slice(0, most).map(build));
  if (items.length <= most) return list;
  const more = h("button", { type: "button" }, `Show all ${number(items.length)} ${what}`);
  more.onclick = () => { list.append(...items.slice(most).map(build)); more.remove(); };
  return [list, more];
}

function leaks() {
  const { leaks: all } = report, none = h("article", { class: "card good" }, "Every session was closed.");
  return h("section", {}, counted("Leaks", all.length), all.length ? inParts(all, LEAKS_SHOWN, leak, "leaks") : none);
}

function churnCard(item) {
  const share = item.connections ? 100 * item.spared / item.connections : 0, said = spared(item);
  const look = { class: "share amber", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  return card("", "warn",
    head(item.site, `${count(item.sessions, "session")} for ${count(item.requests, "request")}`), source(item.site),
    h("p", {}, `${said[0].toUpperCase()}${said.slice(1)}.`), h("svg", look, h("rect", { width: share, height: 1 })),
    facts(`${span(item.connect_s)} spent opening connections`, item.distribution && `in ${origin(item.distribution)}`));
}

function churns() {
  const note = "No leak, and no pooling: each pays for connections of its own. The bar is what sharing would spare.";
  if (!report.churn.length) return [];
  return h("section", {}, counted("A session for each call", report.churn.length), h("p", { class: "note" }, note),
    inParts(report.churn, CHURN_SHOWN, churnCard, "lines"));
}

// -- over time

function sessionsOpen({ opened, ended, count: counts, outcome }) {
  const leaking = [...outcome.keys()].filter(row => isLeak(outcome[row]));
  const pick = column => Float64Array.from(leaking, row => column[row]);
  const crowds = [new Crowd(opened, ended, counts)];
  if (leaking.length) crowds.push(new Crowd(pick(opened), pick(ended), pick(counts)));
  const data = (from, to, pixels) => {
    const steps = Math.max(2, Math.floor(pixels / 2)), width = (to - from) / steps;
    const edges = Array.from({ length: steps }, (_, index) => [from + index * width, from + (index + 1) * width]);
    return { edges, values: crowds.map(crowd => [...crowd.profile(from, width, steps)]) };
  };
  const series = [{ name: "open", kind: "area", tone: "blue" }, { name: "of them leaked", kind: "area", tone: "red" }];
  return { title: "Sessions", note: "open at once", data, series: series.slice(0, crowds.length) };
}

function curves(sessions) {
  const { flow, seconds } = history, { width } = flow;
  const edges = flow.in_use.map((_, index) => [index * width, (index + 1) * width]);
  const shared = { scale: "time", domain: [0, Math.max(seconds, 1e-3)], x: moment, y: rate, group: "run" };
  const series = (...values) => () => ({ edges, values });
  const perSecond = list => list.map(value => value / width);
  return h("div", { class: "charts" },
    drawn({ ...shared, ...sessionsOpen(sessions) }),
    drawn({ ...shared, title: "Connections", note: "at most, in each step", data: series(flow.connections, flow.in_use),
      series: [{ name: "open", kind: "line", tone: "grey" }, { name: "in use", kind: "area", tone: "violet" }] }),
    drawn({ ...shared, title: "Requests", note: "per second",
      data: series(perSecond(flow.requests), perSecond(flow.made)),
      series: [{ name: "requests", kind: "area", tone: "green" },
        { name: "new connections", kind: "line", tone: "amber" }] }));
}

function overTime(sessions, timeline) {
  const { left_out: many } = history;
  return h("section", {}, h("h2", {}, "Over time"), timeline.figure, curves(sessions), many ? h("p", { class: "note" },
    `${count(many, "closed session")} more were counted only: there were too many to keep all their times.`) : "");
}

// -- all of it

function others() {
  const { processes, responses, pools } = report;
  return [
    section("Open responses", responses, response,
      { note: "Each holds a connection of its pool until it is read or released." }),
    section("Pools that made requests wait", pools, pool),
    section("Processes", processes.length ? [processes] : [],
      all => card("", "", table(PROCESS, all.map(process))), { total: processes.length }),
  ];
}

async function main() {
  titles();
  const place = h("div", {});
  $("main").append(about(), tiles(), leaks(), place);
  const isAble = "DecompressionStream" in window, sessions = history && isAble ? await readSessions(history) : null;
  const timeline = sessions?.size ? new Timeline(sessions, [0, Math.max(history.seconds, 1e-3)], "run") : null;
  const lines = linesOf(report, sessions);
  if (!isAble) place.append(h("p", { class: "banner" }, "This browser is too old to show the line of time."));
  if (timeline) place.append(overTime(sessions, timeline));
  if (lines.length) place.append(new LinesTable(lines, timeline, sessions).element);
  $("main").append(...[churns(), others()].flat(Infinity));
  document.documentElement.dataset.ready = performance.now().toFixed();
}

main();
