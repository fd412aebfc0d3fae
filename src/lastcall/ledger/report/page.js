// After all other scripts: the page itself.
const report = JSON.parse($("data").textContent);
const { history } = report;
const LEAKS_SHOWN = 8, CHURN_SHOWN = 5, SITES_SHOWN = 50;
const two = value => String(value).padStart(2, "0");

// A moment since the program began: as many figures as the part shown can tell apart.
function moment(seconds) {
  const whole = Math.floor(seconds + 1e-6), rest = seconds - whole;
  const part = rest > 5e-5 ? rest.toFixed(rest * 1000 % 1 > 0.05 && rest * 1000 % 1 < 0.95 ? 4 : 3).slice(1).replace(/0+$/, "") : "";
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}${part}`;
}

const span = seconds => seconds < 0.01 ? `${(seconds * 1000).toFixed(1)} ms` : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : age(seconds);
const rate = value => value >= 9999.5 ? `${(value / 1000).toFixed(0)}k` : value >= 10 || value === Math.trunc(value) ? number(Math.round(value)) : value.toFixed(1);
const drawn = spec => new Chart(spec).figure;

// -- the head of the page

function titles() {
  const { sessions: { leaked }, leaks } = report, lone = leaks.filter(one => one.kind === "connector").length;
  if (report.of) $("title").textContent = `Sessions of ${report.of}`;
  $("state").textContent = leaked || lone ? [leaked && `${number(leaked)} leaked`, lone && "connectors leaked"].filter(Boolean).join(", ") : "None leaked";
  $("state").className = `state ${leaked || lone ? "bad" : "good"}`;
}

function about() {
  const { processes } = report, first = processes[0];
  if (!first) return h("p", { class: "note" }, "No session was opened.");
  const began = new Date(first.started_at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  const ended = Math.max(...processes.map(one => Date.parse(one.reported_at)));
  return h("div", { class: "note" }, facts(began, `took ${span(Math.max(0, ended - Date.parse(first.started_at)) / 1000)}`,
    count(processes.length, "process").replace("processs", "processes"), `Python ${first.python}`, `aiohttp ${first.aiohttp}`));
}

function tiles() {
  const { sessions: { opened, closed, leaked, open }, leaks, churn: churns } = report;
  const spared = churns.reduce((sum, one) => sum + one.spared, 0), places = new Set(leaks.map(one => one.fingerprint + at(one.site))).size;
  const sites = history ? history.sites : [], add = key => sites.reduce((sum, one) => sum + one[key], 0);
  const found = [tile(opened, "opened"), tile(closed, "closed"), tile(leaked, "leaked", leaked ? "bad" : "good"),
    open ? tile(open, "still open") : null, leaks.length ? tile(places, places === 1 ? "place to mend" : "places to mend") : null,
    history && tile(add("requests"), "requests"), history && tile(add("connections"), "connections"),
    churns.length ? tile(spared, "connections to spare", spared ? "warn" : "") : null].filter(Boolean);
  return h("div", { class: found.length === 8 || found.length === 4 ? "tiles four" : "tiles" }, found);
}

// -- leaks

function shownInParts(items, most, build, what) {
  const list = h("div", {}, items.slice(0, most).map(build));
  if (items.length <= most) return list;
  const more = h("button", { type: "button" }, `Show all ${number(items.length)} ${what}`);
  more.onclick = () => { list.append(...items.slice(most).map(build)); more.remove(); };
  return [list, more];
}

function leaks() {
  const { leaks: all } = report;
  return h("section", {}, h("h2", {}, "Leaks", all.length ? h("span", { class: "count" }, number(all.length)) : ""),
    all.length ? shownInParts(all, LEAKS_SHOWN, leak, "leaks") : h("article", { class: "card good" }, "Every session was closed."));
}

// -- over time

function curves(sessions) {
  const domain = [0, history.seconds], { flow } = history, edges = flow.in_use.map((_, index) => [index * flow.width, (index + 1) * flow.width]);
  const shared = { scale: "time", domain, x: moment, group: "run" };
  const perSecond = list => list.map(value => value / flow.width);
  const crowd = rows => new Crowd(rows.map(row => sessions.opened[row]), rows.map(row => sessions.ended[row]), rows.map(row => sessions.count[row]));
  const all = [...sessions.opened.keys()], leaking = all.filter(row => isLeak(sessions.outcome[row]));
  const crowds = [crowd(all), ...leaking.length ? [crowd(leaking)] : []];
  const opened = (from, to, pixels) => {
    const steps = Math.max(2, Math.floor(pixels / 2)), width = (to - from) / steps;
    return {
      edges: Array.from({ length: steps }, (_, index) => [from + index * width, from + (index + 1) * width]),
      values: crowds.map(one => [...one.profile(from, width, steps)]),
    };
  };
  return h("div", { class: "charts" },
    drawn({ ...shared, title: "Sessions", note: "open at once", data: opened, y: rate,
      series: [{ name: "open", kind: "area", tone: "blue" }, { name: "of them leaked", kind: "area", tone: "red" }].slice(0, crowds.length) }),
    drawn({ ...shared, title: "Connections", note: "at most, in each step", data: () => ({ edges, values: [flow.connections, flow.in_use] }), y: rate,
      series: [{ name: "open", kind: "line", tone: "grey" }, { name: "in use", kind: "area", tone: "violet" }] }),
    drawn({ ...shared, title: "Requests", note: "per second", y: rate,
      data: () => ({ edges, values: [perSecond(flow.requests), perSecond(flow.made)] }),
      series: [{ name: "requests", kind: "area", tone: "green" }, { name: "new connections", kind: "line", tone: "amber" }] }));
}

// -- the table of lines

// One entry for each line of which something is known, whether or not its sessions are.
function linesOf(sessions) {
  const found = new Map(), key = ({ site, kind }) => `${at(site)} ${site.function} ${kind || "session"}`;
  for (const site of sessions ? sessions.sites : []) found.set(key(site), { ...site });
  const line = item => {
    if (!found.has(key(item))) {
      found.set(key(item), { site: item.site, kind: item.kind || "session", distribution: item.distribution, stacks: item.stack ? [item.stack] : [],
        opened: 0, closed: 0, leaked: 0, requests: 0, connections: 0 });
    }
    return found.get(key(item));
  };
  for (const item of report.leaks) {
    const one = line(item);
    (one.leaks ||= []).push(item);
    if (!sessions) { one.opened += item.count; one.leaked += item.count; one.requests += item.requests; one.connections += item.connections; }
  }
  for (const item of report.churn) {
    const one = line(item);
    one.churn = item;
    if (!sessions) { one.opened += item.sessions; one.closed += item.sessions; one.requests += item.requests; one.connections += item.connections; }
  }
  return [...found.values()];
}

const FILTERS = {
  All: () => true, Leaking: line => line.leaked > 0, "One session a call": line => line.churn,
  "Your code": line => !line.distribution, Dependencies: line => line.distribution,
};
const COLUMNS = [
  ["line", line => `${line.site.file}:${String(line.site.line).padStart(7, "0")}`],
  ["opened", line => line.opened], ["closed", line => line.closed, "wide"], ["leaked", line => line.leaked],
  ["requests", line => line.requests], ["connections", line => line.connections, "wide"],
  ["requests each", line => line.opened ? line.requests / line.opened : 0, "wide"],
];

class Table {
  constructor(lines, timeline, sessions) {
    Object.assign(this, { lines, timeline, sessions, filter: "All", words: "", column: 3, falling: true, most: SITES_SHOWN });
    this.found = h("span", { class: "count", role: "status" });
    this.input = h("input", { type: "search", placeholder: "Filter by file, function or source", "aria-label": "Filter lines" });
    this.input.oninput = () => { this.words = this.input.value.toLowerCase(); this.most = SITES_SHOWN; this.draw(); };
    this.choices = Object.keys(FILTERS).filter(name => name === "All" || lines.some(FILTERS[name])).map(name => {
      const button = h("button", { type: "button" }, name, " ", h("span", { class: "soft" }, number(lines.filter(FILTERS[name]).length)));
      button.onclick = () => { this.filter = name; this.most = SITES_SHOWN; this.draw(); };
      button.name = name;
      return button;
    });
    this.heads = COLUMNS.map(([name, , kind = ""], index) => {
      const button = h("button", { type: "button" }, name);
      button.onclick = () => { this.falling = this.column === index ? !this.falling : index > 0; this.column = index; this.draw(); };
      return h("th", { scope: "col", class: kind }, button);
    });
    this.body = h("tbody", {});
    this.more = h("button", { type: "button" });
    this.more.onclick = () => { this.most = Infinity; this.draw(); };
    this.element = h("section", {}, h("h2", {}, "Lines", this.found),
      h("div", { class: "filters" }, this.choices.length > 1 ? h("div", { class: "choices" }, this.choices) : "", this.input),
      h("article", { class: "card" }, h("table", { class: "sites" }, h("thead", {}, h("tr", {}, this.heads)), this.body), this.more));
    this.draw();
  }

  draw() {
    const { falling, words } = this, value = COLUMNS[this.column][1], sign = falling ? -1 : 1;
    const compare = (one, other) => one < other ? -1 : one > other ? 1 : 0;
    const lines = this.lines.filter(FILTERS[this.filter])
      .filter(({ site }) => !words || `${at(site)} ${site.function} ${site.source}`.toLowerCase().includes(words))
      .sort((one, other) => sign * compare(value(one), value(other)) || other.opened - one.opened);
    this.found.textContent = lines.length === this.lines.length ? number(lines.length) : `${number(lines.length)} of ${number(this.lines.length)}`;
    for (const button of this.choices) button.setAttribute("aria-pressed", button.name === this.filter);
    this.heads.forEach((cell, index) => {
      if (index === this.column) cell.setAttribute("aria-sort", falling ? "descending" : "ascending"); else cell.removeAttribute("aria-sort");
    });
    this.body.replaceChildren(...lines.slice(0, this.most).flatMap(line => this.rows(line)));
    if (!lines.length) this.body.append(h("tr", {}, h("td", { colspan: COLUMNS.length }, "No line is like that.")));
    this.more.hidden = lines.length <= this.most;
    this.more.textContent = `Show all ${number(lines.length)} lines`;
  }

  rows(line) {
    const button = h("button", { type: "button", "aria-expanded": !!line.isOpen }, siteLine(line.site));
    const tags = [line.churn && tag("one session a call", "warn"), line.kind === "connector" && tag("connector"), line.distribution && tag(origin(line.distribution))];
    const cells = COLUMNS.slice(1).map(([name, value, kind = ""]) =>
      h("td", { class: name === "leaked" && line.leaked ? `${kind} bad` : kind }, name === "requests each" ? rate(value(line)) : number(value(line))));
    const row = h("tr", {}, h("td", {}, button, h("div", {}, tags.filter(Boolean))), cells);
    button.onclick = () => {
      line.isOpen = !line.isOpen;
      button.setAttribute("aria-expanded", line.isOpen);
      if (line.isOpen) row.after(this.details(line)); else row.nextElementSibling.remove();
    };
    return line.isOpen ? [row, this.details(line)] : [row];
  }

  details(line) {
    const show = h("button", { type: "button" }, "Show on the line of time");
    show.onclick = () => this.timeline.goTo(line);
    return h("tr", { class: "more" }, h("td", { colspan: COLUMNS.length },
      line.stacks.length ? line.stacks.map(stack) : source(line.site), this.lifetimes(line),
      line.churn ? facts(spared(line.churn)) : "",
      (line.leaks || []).map(item => h("p", { class: "remedy" }, tag(item.grade, item.grade === "suspicion" ? "warn" : "bad"), item.remedy.advice)),
      this.timeline && line.rows ? show : ""));
  }

  lifetimes(line) {
    if (!this.sessions || !line.rows) return "";
    const { opened, ended } = this.sessions;
    const lived = Float64Array.from({ length: line.rows }, (_, index) => ended[line.first + index] - opened[line.first + index]).sort();
    return facts(`lived ${span(lived[lived.length >> 1])} in the median`, `${span(lived[0])} at least`, `${span(lived.at(-1))} at most`);
  }
}

const spared = item => item.spared ? `one shared session would have spared ${number(item.spared)} of ${count(item.connections, "connection")}`
  + (item.spared_s > 0.0005 ? ` and ${span(item.spared_s)} of opening them` : "") : "one shared session would have spared no connection";

// -- churn and the rest

function churnCard(item) {
  const share = item.connections ? 100 * item.spared / item.connections : 0;
  const look = { class: "share amber", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  return card("", "warn", head(item.site, `${count(item.sessions, "session")} for ${count(item.requests, "request")}`), source(item.site),
    h("p", {}, `${spared(item)}.`.replace(/^o/, "O")), h("svg", look, h("rect", { width: share, height: 1 })),
    facts(`${span(item.connect_s)} spent opening connections`, item.distribution && `in ${origin(item.distribution)}`));
}

function rest() {
  const { processes } = report;
  return [
    report.churn.length ? h("section", {}, h("h2", {}, "A session for each call", h("span", { class: "count" }, number(report.churn.length))),
      h("p", { class: "note" }, "No leak, and no pooling: each pays for connections of its own. The bar is what sharing would spare."),
      shownInParts(report.churn, CHURN_SHOWN, churnCard, "lines")) : [],
    section("Open responses", report.responses, response, { note: "Each holds a connection of its pool until it is read or released." }),
    section("Pools that made requests wait", report.pools, pool),
    section("Processes", processes.length ? [processes] : [], all =>
      card("", "", table(["process", "state", "opened", "closed", "leaked"], all.map(process))), { total: processes.length }),
  ];
}

async function main() {
  titles();
  $("main").append(about(), tiles(), leaks());
  let sessions = null, timeline = null;
  const place = h("section", {});
  if (history && history.sites.some(site => site.rows)) {
    $("main").append(place);
    sessions = await readSessions(history);
    timeline = new Timeline(sessions, [0, Math.max(history.seconds, 1e-3)], "run");
    place.append(h("h2", {}, "Over time"), timeline.figure, h("div", { class: "after" }, curves(sessions)),
      history.left_out ? h("p", { class: "note" }, `${count(history.left_out, "closed session")} were too many to be kept with their times: they are counted, and in no bar.`) : "");
  }
  const lines = linesOf(sessions);
  if (lines.length) $("main").append(new Table(lines, timeline, sessions).element);
  $("main").append(...rest().flat(Infinity));
  document.documentElement.dataset.ready = performance.now().toFixed();
}

main();
