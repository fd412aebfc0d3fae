// Charts in SVG: to be read with a pointer, by keyboard, and as a table. They follow the page's colours and
// width, and charts of one group show the same moment and the same part of the run.
//
//   new Chart({ title, note, scale, domain, start, data, series, x, y, marks, group }) has a figure, the element;
//   after a change of its data, draw() shows them.
//
//   scale     "time" (seconds), "log" or "linear": the axis from left to right
//   domain    [from, to]: all there is
//   start     [from, to]: the part that is shown first; all if it is left out
//   data      (from, to, pixels) => { edges: [[from, to], ...], values: [[...], ...] }: for the part to be shown,
//             the steps along the axis, and for each series a number or null a step
//   series    [{ name, kind, tone }]: kind is "area", "line", "bars" or "limit"; tone a class of charts.css
//   x, y      how a number on that axis is written
//   marks     [{ at, label }]: values to be pointed out
//   group     charts of the same name move together

const HEIGHT = 190, TOP = 14, BOTTOM = 22, RIGHT = 12, CHARACTER = 6.4;
const DRAG = 6, PART_MIN = 1e-6;
const CLOCK_STEPS = [
  .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
];
const LOG_FACTORS = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];
const groups = new Map();

// -- axes: where a number lies between 0 and 1, back again, and which numbers are written

function roundStep(span, wanted) {
  const raw = span / wanted, power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find(factor => factor * power >= raw * 0.999);
}

function multiples(from, to, step) {
  const first = Math.ceil(from / step - 1e-9), last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => +((first + index) * step).toPrecision(12));
}

function logTicks(from, to, wanted) {
  const powers = multiples(Math.floor(Math.log10(from)), Math.ceil(Math.log10(to)), 1);
  const ticks = factors => powers.flatMap(power => factors.map(factor => +(factor * 10 ** power).toPrecision(3)))
    .filter(tick => tick >= from && tick <= to);
  const fitting = LOG_FACTORS.map(ticks).find(list => list.length <= wanted);
  if (!fitting) return ticks([1]).filter((_, index, all) => index % Math.ceil(all.length / wanted) === 0);
  return fitting.length > 2 ? fitting : linearTicks(from, to, wanted);
}

const linearTicks = (from, to, wanted) => multiples(from, to, roundStep(to - from, wanted));

function clockTicks(from, to, wanted) {
  const step = CLOCK_STEPS.find(step => (to - from) / step <= wanted);
  return step ? multiples(from, to, step) : linearTicks(from, to, wanted);
}

const same = value => value;
const SCALES = {
  linear: { to: same, from: same, ticks: linearTicks },
  time: { to: same, from: same, ticks: clockTicks },
  log: { to: Math.log, from: Math.exp, ticks: logTicks },
};

// -- one chart

class Chart {
  constructor(spec) {
    this.spec = { note: "", scale: "linear", marks: [], x: String, y: String, ...spec };
    this.scale = SCALES[this.spec.scale];
    this.part = this.spec.start || this.spec.domain;
    this.hidden = new Set();
    this.at = null;
    this.peers = [this];
    if (spec.group) {
      this.peers = groups.get(spec.group) || [];
      this.peers.push(this);
      groups.set(spec.group, this.peers);
    }
    this.build();
  }

  build() {
    const { title, note, series } = this.spec;
    this.whole = h("button", { type: "button", class: "whole", hidden: "" }, "Show all");
    this.when = h("span", { class: "when" });
    this.values = series.map(() => h("span", { class: "value" }));
    this.keys = series.map(({ name, tone }, index) =>
      h("button", { type: "button", class: tone, "aria-pressed": "true" }, name, this.values[index]));
    // To those who do not see it a chart is a slider: arrow keys move it, and it tells where it is.
    this.svg = h("svg", { tabindex: "0", role: "slider", "aria-label": title, "aria-valuemin": "0" });
    if (series.length === 1) this.keys[0].hidden = true;
    this.figure = h("figure", { class: "chart" },
      h("figcaption", {}, h("strong", {}, title), note ? h("span", { class: "soft" }, note) : "", this.whole),
      h("div", { class: "legend" }, this.keys, this.when), this.svg, this.asTable());
    this.keys.forEach((key, index) => { key.onclick = () => this.toggle(index); });
    this.whole.onclick = () => { this.show(this.spec.domain); this.svg.focus(); };
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  asTable() {
    const details = h("details", {}, h("summary", {}, "As a table"));
    details.ontoggle = () => {
      if (!details.open || details.children.length > 1) return;
      const { edges, values } = this.spec.data(...this.spec.domain, 300);
      const rows = edges.map((edge, index) => [this.step(edge), ...values.map(list => this.written(list[index]))]);
      details.append(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.spec.title },
        table([this.spec.scale === "time" ? "time" : "from", ...this.spec.series.map(one => one.name)], rows)));
    };
    return details;
  }

  // -- what is shown

  show(part) {
    const [first, last] = this.spec.domain.map(this.scale.to);
    let [from, to] = part.map(this.scale.to);
    if (to - from < PART_MIN * (last - first)) return;
    const length = Math.min(to - from, last - first);
    from = Math.min(Math.max(from, first), last - length);
    const shown = length >= (last - first) * 0.999 ? this.spec.domain : [from, from + length].map(this.scale.from);
    for (const peer of this.peers) { peer.part = shown; peer.draw(); }
  }

  zoom(factor) {
    const [from, to] = this.part.map(this.scale.to);
    const middle = this.at === null ? (from + to) / 2 : this.scale.to(this.at);
    this.show([middle - (middle - from) * factor, middle + (to - middle) * factor].map(this.scale.from));
  }

  toggle(index) {
    if (this.hidden.has(index)) this.hidden.delete(index); else this.hidden.add(index);
    this.keys[index].setAttribute("aria-pressed", !this.hidden.has(index));
    this.draw();
  }

  point(at) { for (const peer of this.peers) { peer.at = at; peer.drawCursor(); } }

  // -- drawing

  draw() {
    this.width = this.svg.clientWidth;
    if (!this.width) return;
    this.shown = this.spec.data(...this.part, this.width);
    const heights = this.measure();
    const lines = this.spec.series.map((one, index) =>
      this.hidden.has(index) ? "" : this.drawSeries(one, this.shown.values[index]));
    this.cursor = h("g", { class: "cursor" });
    this.selection = h("rect", { class: "selection", y: TOP, height: HEIGHT - TOP - BOTTOM, width: 0 });
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.setAttribute("aria-valuemax", this.shown.edges.length - 1);
    this.svg.replaceChildren(this.drawGrid(heights), h("g", {}, lines), this.drawMarks(), this.selection, this.cursor);
    this.whole.hidden = this.part.every((value, index) => value === this.spec.domain[index]);
    this.drawCursor();
  }

  // Decide where everything lies, and return the heights that are written on the left.
  measure() {
    const seen = this.shown.values.filter((_, index) => !this.hidden.has(index)).flat();
    const most = seen.reduce((top, value) => Math.max(top, value ?? 0), 0) || 1, step = roundStep(most, 4);
    const top = Math.ceil(most / step - 1e-9) * step, heights = multiples(0, top, step);
    this.left = 10 + CHARACTER * Math.max(...heights.map(value => this.spec.y(value).length));
    const [from, to] = this.part.map(this.scale.to), inner = this.width - this.left - RIGHT;
    this.toX = value => this.left + inner * (this.scale.to(value) - from) / (to - from);
    this.fromX = pixel => this.scale.from(from + (to - from) * (pixel - this.left) / inner);
    this.toY = value => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top;
    return heights;
  }

  drawGrid(heights) {
    const bottom = HEIGHT - BOTTOM, right = this.width - RIGHT;
    const ticks = this.ticks(Math.max(2, Math.floor((right - this.left) / 45)));
    return h("g", { class: "grid" },
      heights.map(value => [h("line", { x1: this.left, x2: right, y1: this.toY(value), y2: this.toY(value) }),
        h("text", { x: this.left - 6, y: this.toY(value) + 4, "text-anchor": "end" }, this.spec.y(value))]),
      ticks.map(({ x, label }) => [h("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
        h("text", { x, y: bottom + 16, "text-anchor": "middle" }, label)]));
  }

  // As many as there is room for: those of a log scale do not lie evenly.
  ticks(wanted) {
    const ticks = this.scale.ticks(...this.part, wanted).map(value => {
      const label = this.spec.x(value), x = this.toX(value), half = CHARACTER * label.length / 2 + 4;
      return { x, label, from: x - half, to: x + half };
    }).filter(tick => tick.to < this.width + 6 && tick.from > -6);
    const crowded = ticks.some((tick, index) => index && tick.from < ticks[index - 1].to);
    return crowded && wanted > 1 ? this.ticks(wanted - 1) : ticks;
  }

  drawSeries({ kind, tone }, values) {
    if (kind === "bars") {
      return h("path", { class: `bars ${tone}`, d: values.map((value, index) => this.bar(value, index)).join("") });
    }
    const pieces = this.pieces(values, kind === "limit"), base = this.toY(0);
    const line = piece => `M${piece.map(point => point.join(" ")).join("L")}${piece.length === 1 ? "h.1" : ""}`;
    const area = piece => `${line(piece)}V${base}H${piece[0][0]}Z`;
    return h("g", { class: tone },
      kind === "area" ? h("path", { class: "area", d: pieces.map(area).join("") }) : "",
      h("path", { class: kind === "limit" ? "limit" : "line", d: pieces.map(line).join("") }));
  }

  bar(value, index) {
    const [from, to] = this.shown.edges[index].map(edge => this.within(edge)), gap = to - from > 4 ? 1 : 0;
    return value ? `M${from} ${this.toY(0)}V${this.toY(value).toFixed(1)}H${to - gap}V${this.toY(0)}Z` : "";
  }

  // Points without a hole between them: a line must not lead over what nobody measured.
  pieces(values, steps) {
    const pieces = [];
    values.forEach((value, index) => {
      if (value === null) return;
      if (!index || values[index - 1] === null) pieces.push([]);
      const [from, to] = this.shown.edges[index], height = this.toY(value).toFixed(1);
      const places = steps ? [from, to] : [(from + to) / 2];
      pieces.at(-1).push(...places.map(place => [this.within(place), height]));
    });
    return pieces;
  }

  within(value) { return +this.toX(Math.min(Math.max(value, this.part[0]), this.part[1])).toFixed(1); }

  drawMarks() {
    let free = -Infinity, row = 0;
    const seen = this.spec.marks.filter(({ at }) => at >= this.part[0] && at <= this.part[1]);
    return h("g", { class: "marks" }, seen.map(({ at, label }) => {
      const x = this.toX(at), wide = CHARACTER * label.length + 6, turned = x + wide > this.width - RIGHT;
      row = (turned ? x - wide : x) < free ? row + 1 : 0;
      free = turned ? x : x + wide;
      return [h("line", { x1: x, x2: x, y1: TOP - 6, y2: HEIGHT - BOTTOM }),
        h("text", { x: turned ? x - 4 : x + 4, y: TOP + 3 + 13 * row, "text-anchor": turned ? "end" : "start" }, label)];
    }));
  }

  // -- reading

  index() {
    if (this.at === null || !this.shown?.edges.length) return -1;
    const found = this.shown.edges.findIndex(([, to]) => this.at < to);
    return found < 0 ? this.shown.edges.length - 1 : found;
  }

  written(value) { return value === null || value === undefined ? "-" : this.spec.y(value); }

  step([from, to]) {
    return this.spec.scale === "time" ? this.spec.x(from) : `${this.spec.x(from)} to ${this.spec.x(to)}`;
  }

  drawCursor() {
    if (!this.shown) return;
    const index = this.index(), edge = this.shown.edges[index];
    const figures = this.shown.values.map(list => edge ? this.written(list[index]) : "");
    this.values.forEach((value, series) => { value.textContent = figures[series]; });
    this.when.textContent = !edge ? "" : figures.length === 1 ? `${this.step(edge)}: ${figures[0]}` : this.step(edge);
    this.svg.setAttribute("aria-valuenow", Math.max(index, 0));
    this.svg.setAttribute("aria-valuetext", edge
      ? [this.step(edge), ...this.spec.series.map(({ name }, series) => `${name} ${figures[series]}`)].join(", ")
      : "Arrow keys read, plus and minus zoom, Escape shows all");
    this.cursor.replaceChildren(...edge && edge[1] > this.part[0] && edge[0] < this.part[1] ? this.pointer(index) : []);
  }

  pointer(index) {
    const ends = this.shown.edges[index].map(edge => this.within(edge)), x = (ends[0] + ends[1]) / 2;
    const dots = this.spec.series.map(({ tone }, series) => {
      const value = this.hidden.has(series) ? null : this.shown.values[series][index];
      return value === null ? "" : h("circle", { class: tone, cx: x, cy: this.toY(value), r: 3.5 });
    });
    return [h("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }), ...dots];
  }

  move(key, far) {
    const { edges } = this.shown, last = edges.length - 1, now = this.index();
    const next = { ArrowLeft: now - far, ArrowRight: now + far, Home: 0, End: last }[key];
    const [from, to] = edges[Math.min(Math.max(next, 0), last)].map(this.scale.to), middle = (from + to) / 2;
    const part = this.part.map(this.scale.to), half = (part[1] - part[0]) / 2;
    this.point(this.scale.from(middle));
    if (middle < part[0] || middle > part[1]) this.show([middle - half, middle + half].map(this.scale.from));
  }

  listen() {
    const { svg } = this;
    let began = null;
    const inside = event => {
      const x = event.clientX - svg.getBoundingClientRect().left;
      return Math.min(Math.max(x, this.left), this.width - RIGHT);
    };
    svg.onpointermove = event => {
      const x = inside(event);
      if (began === null) return this.point(this.fromX(x));
      this.selection.setAttribute("x", Math.min(x, began));
      this.selection.setAttribute("width", Math.abs(x - began));
    };
    svg.onpointerdown = event => {
      if (event.pointerType === "touch") return this.point(this.fromX(inside(event)));
      if (event.button === 0) { began = inside(event); svg.setPointerCapture(event.pointerId); }
    };
    svg.onpointerup = event => {
      const from = began, x = inside(event);
      began = null;
      if (from === null) return;
      this.selection.setAttribute("width", 0);
      if (Math.abs(x - from) > DRAG) this.show([Math.min(x, from), Math.max(x, from)].map(this.fromX));
    };
    svg.onpointercancel = () => { began = null; this.selection.setAttribute("width", 0); };
    svg.onpointerleave = () => { if (began === null) this.point(null); };
    svg.ondblclick = () => this.show(this.spec.domain);
    svg.onblur = () => this.point(null);
    svg.onkeydown = event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.move(event.key, event.shiftKey ? 10 : 1);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape") { this.point(null); this.show(this.spec.domain); }
      else return;
      event.preventDefault();
    };
  }
}

// Spread counts of fine buckets over as many bins as there is room for, each as wide as the next on a log scale.
function bins(buckets, from, to, pixels, most = Infinity) {
  const size = Math.round(Math.max(8, Math.min(pixels / 7, most)));
  const start = Math.log(from), width = (Math.log(to) - start) / size, counts = new Array(size).fill(0);
  for (const [low, high, number] of buckets) {
    const first = (Math.log(low) - start) / width, last = (Math.log(high) - start) / width;
    for (let bin = Math.max(0, Math.floor(first)); bin < Math.min(size, last); bin++)
      counts[bin] += number * (Math.min(last, bin + 1) - Math.max(first, bin)) / (last - first);
  }
  const edge = bin => Math.exp(start + bin * width);
  return { edges: counts.map((_, bin) => [edge(bin), edge(bin + 1)]), values: [counts] };
}
