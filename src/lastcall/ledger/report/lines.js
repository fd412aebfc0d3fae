// After timeline.js: the table of lines of code, which sorts, filters, and opens.

const LINES_SHOWN = 50;
const TOTALS = ["opened", "closed", "leaked", "requests", "connections"];
const FILTERS = {
  All: () => true,
  Leaking: line => line.leaked > 0,
  "One session a call": line => line.churn,
  "Your code": line => !line.distribution,
  Dependencies: line => line.distribution,
};
const COLUMNS = [
  { name: "line", value: line => `${line.site.file}:${String(line.site.line).padStart(7, "0")}` },
  { name: "opened", value: line => line.opened },
  { name: "closed", value: line => line.closed, kind: "wide" },
  { name: "leaked", value: line => line.leaked },
  { name: "requests", value: line => line.requests },
  { name: "connections", value: line => line.connections, kind: "wide" },
  { name: "requests each", value: line => line.opened ? line.requests / line.opened : 0, kind: "wide", write: rate },
];
const LEAKED = 3;

// One entry for each line of which something is known, whether or not there is a history of it.
function linesOf({ leaks, churn }, sessions) {
  const found = new Map(), key = ({ site, kind = "session" }) => `${at(site)} ${site.function} ${kind}`;
  for (const site of sessions ? sessions.sites : []) found.set(key(site), { ...site });
  const line = (item, totals) => {
    const { site, distribution, kind = "session", stack: frames } = item, none = TOTALS.map(name => [name, 0]);
    if (!found.has(key(item)))
      found.set(key(item), { site, kind, distribution, stacks: frames ? [frames] : [], ...Object.fromEntries(none) });
    const known = found.get(key(item));
    if (!sessions) for (const [name, value] of Object.entries(totals)) known[name] += value;
    return known;
  };
  for (const item of leaks) {
    const { count: leaked, requests, connections } = item;
    const known = line(item, { opened: leaked, leaked, requests, connections });
    known.leaks = [...known.leaks || [], item];
  }
  for (const item of churn) {
    const { sessions: opened, requests, connections } = item;
    line(item, { opened, closed: opened, requests, connections }).churn = item;
  }
  return [...found.values()];
}

class LinesTable {
  constructor(lines, timeline, sessions) {
    Object.assign(this, { lines, timeline, sessions });
    Object.assign(this, { filter: "All", words: "", column: LEAKED, isFalling: true, most: LINES_SHOWN });
    this.found = h("span", { class: "count", role: "status" });
    this.input = h("input", {
      type: "search", placeholder: "Filter by file, function or source", "aria-label": "Filter lines",
    });
    this.input.oninput = () => this.change({ words: this.input.value.toLowerCase() });
    this.choices = Object.keys(FILTERS).filter(name => name === "All" || lines.some(FILTERS[name]))
      .map(name => this.choice(name));
    this.heads = COLUMNS.map((column, index) => this.heading(column, index));
    this.body = h("tbody", {});
    this.more = h("button", { type: "button" });
    this.more.onclick = () => this.change({ most: Infinity });
    this.element = h("section", {}, h("h2", {}, "Lines", this.found),
      h("div", { class: "filters" }, h("div", { class: "choices" }, this.choices), this.input),
      h("article", { class: "card" },
        h("table", { class: "sites" }, h("thead", {}, h("tr", {}, this.heads)), this.body), this.more));
    this.draw();
  }

  choice(name) {
    const size = this.lines.filter(FILTERS[name]).length;
    const button = h("button", { type: "button", name }, name, " ", h("span", { class: "soft" }, number(size)));
    button.onclick = () => this.change({ filter: name });
    return button;
  }

  heading({ name, kind = "" }, index) {
    const button = h("button", { type: "button" }, name);
    button.onclick = () => this.change({
      column: index, isFalling: this.column === index ? !this.isFalling : index > 0, most: this.most,
    });
    return h("th", { scope: "col", class: kind }, button);
  }

  change(what) {
    Object.assign(this, { most: LINES_SHOWN }, what);
    this.draw();
  }

  chosen() {
    const { value } = COLUMNS[this.column], sign = this.isFalling ? -1 : 1;
    const compare = (one, other) => one < other ? -1 : one > other ? 1 : 0;
    const said = ({ site }) => `${at(site)} ${site.function} ${site.source}`.toLowerCase();
    return this.lines.filter(line => FILTERS[this.filter](line) && said(line).includes(this.words))
      .sort((one, other) => sign * compare(value(one), value(other)) || other.opened - one.opened);
  }

  draw() {
    const lines = this.chosen(), all = this.lines.length;
    this.found.textContent = lines.length === all ? number(all) : `${number(lines.length)} of ${number(all)}`;
    for (const button of this.choices) button.setAttribute("aria-pressed", button.name === this.filter);
    this.heads.forEach((cell, index) => {
      if (index !== this.column) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.isFalling ? "descending" : "ascending");
    });
    this.body.replaceChildren(...lines.slice(0, this.most).flatMap(line => this.rows(line)));
    if (!lines.length) this.body.append(h("tr", {}, h("td", { colspan: COLUMNS.length }, "No line is like that.")));
    this.more.hidden = lines.length <= this.most;
    this.more.textContent = `Show all ${number(lines.length)} lines`;
  }

  rows(line) {
    const button = h("button", { type: "button", "aria-expanded": !!line.isOpen }, siteLine(line.site));
    const tags = [line.churn && tag("one session a call", "warn"), line.kind === "connector" && tag("connector"),
      line.distribution && tag(origin(line.distribution))].filter(Boolean);
    const cells = COLUMNS.slice(1).map(({ name, value, kind = "", write = number }) =>
      h("td", { class: name === "leaked" && line.leaked ? `${kind} bad` : kind }, write(value(line))));
    const row = h("tr", {}, h("td", {}, button, h("div", {}, tags)), cells);
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
      (line.leaks || []).map(({ grade, remedy }) =>
        h("p", { class: "remedy" }, tag(grade, grade === "suspicion" ? "warn" : "bad"), remedy.advice)),
      this.timeline && line.rows ? show : ""));
  }

  lifetimes({ first, rows }) {
    if (!rows) return "";
    const { opened, ended } = this.sessions, lived = ended.slice(first, first + rows);
    lived.forEach((moment, index) => { lived[index] = moment - opened[first + index]; });
    lived.sort();
    const [least, middle, most] = [lived[0], lived[rows >> 1], lived[rows - 1]].map(span);
    return facts(`lived ${middle} in the median`, `${least} at least`, `${most} at most`);
  }
}
