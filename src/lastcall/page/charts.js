// Charts in SVG: to be read with a pointer, by keyboard, and as a table. They follow the page's colours and
// width, and charts of one group show the same moment and the same part of the run.
//
//   chart({ title, note, scale, domain, start, data, series, x, y, marks, group }) gives a <figure>.
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
const CLOCK_STEPS = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
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
  const ticks = factors => multiples(Math.floor(Math.log10(from)), Math.ceil(Math.log10(to)), 1)
    .flatMap(power => factors.map(factor => +(factor * 10 ** power).toPrecision(3))).filter(tick => tick >= from && tick <= to);
  const fitting = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]].map(ticks).find(list => list.length <= wanted);
  if (!fitting) return ticks([1]).filter((_, index, all) => index % Math.ceil(all.length / wanted) === 0);
  return fitting.length > 2 ? fitting : multiples(from, to, roundStep(to - from, wanted));
}

const linear = { to: value => value, from: value => value, ticks: (from, to, wanted) => multiples(from, to, roundStep(to - from, wanted)) };
const SCALES = {
  linear,
  time: { ...linear, ticks: (from, to, wanted) =>
    multiples(from, to, CLOCK_STEPS.find(step => (to - from) / step <= wanted) || roundStep(to - from, wanted)) },
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
    this.keys = series.map((one, index) => h("button", { type: "button", class: one.tone, "aria-pressed": "true" }, one.name, this.values[index]));
    this.svg = h("svg", { tabindex: "0", role: "slider", "aria-label": title, "aria-valuemin": "0", "aria-valuenow": "0" });
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
    const [from, to] = this.part.map(this.scale.to), middle = this.scale.to(this.at ?? this.scale.from((from + to) / 2));
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
    const width = this.svg.clientWidth;
    if (!width) return;
    const shown = index => !this.hidden.has(index);
    this.shown = this.spec.data(...this.part, width);
    const top = Math.max(0, ...this.shown.values.filter((_, index) => shown(index)).flat().filter(value => value !== null));
    const step = roundStep(top || 1, 4);
    this.top = (Math.ceil((top || 1) / step - 1e-9)) * step;
    const heights = multiples(0, this.top, step);
    this.left = 10 + CHARACTER * Math.max(...heights.map(value => this.spec.y(value).length));
    this.width = width;
    const [from, to] = this.part.map(this.scale.to);
    this.toX = value => this.left + (width - this.left - RIGHT) * (this.scale.to(value) - from) / (to - from);
    this.fromX = pixel => this.scale.from(from + (to - from) * (pixel - this.left) / (width - this.left - RIGHT));
    this.toY = value => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / this.top;
    this.cursor = h("g", { class: "cursor" });
    this.selection = h("rect", { class: "selection", y: TOP, height: HEIGHT - TOP - BOTTOM, width: 0 });
    const drawn = this.spec.series.map((one, index) => shown(index) ? this.drawSeries(one, this.shown.values[index]) : null);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(this.drawGrid(heights), h("g", {}, drawn.filter(Boolean)), this.drawMarks(), this.selection, this.cursor);
    this.svg.setAttribute("aria-valuemax", this.shown.edges.length - 1);
    this.whole.hidden = this.part.every((value, index) => value === this.spec.domain[index]);
    this.drawCursor();
  }

  drawGrid(heights) {
    const bottom = HEIGHT - BOTTOM, inner = this.width - this.left - RIGHT;
    const ticks = this.ticks(Math.max(2, Math.floor(inner / 45)));
    return h("g", { class: "grid" },
      heights.map(value => [h("line", { x1: this.left, x2: this.width - RIGHT, y1: this.toY(value), y2: this.toY(value) }),
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
    const { edges } = this.shown, base = this.toY(0);
    const edge = value => this.toX(Math.min(Math.max(value, this.part[0]), this.part[1])).toFixed(1);
    if (kind === "bars") return h("path", { class: `bars ${tone}`, d: values.map((value, index) => {
      const [from, to] = edges[index].map(edge), gap = to - from > 4 ? 1 : 0;
      return value ? `M${from} ${base}V${this.toY(value).toFixed(1)}H${(to - gap).toFixed(1)}V${base}Z` : "";
    }).join("") });
    // Pieces without a hole: a line must not lead over what nobody measured.
    const pieces = [];
    values.forEach((value, index) => {
      if (value === null) return;
      if (!index || values[index - 1] === null) pieces.push([]);
      const [from, to] = edges[index], height = this.toY(value).toFixed(1);
      if (kind === "limit") pieces.at(-1).push(`${edge(from)} ${height}`, `${edge(to)} ${height}`);
      else pieces.at(-1).push(`${edge((from + to) / 2)} ${height}`);
    });
    const line = pieces.map(piece => `M${piece.join("L")}${piece.length === 1 ? "h.1" : ""}`).join("");
    const ends = piece => [piece[0].split(" ")[0], piece.at(-1).split(" ")[0]];
    const area = kind === "area" && pieces.map(piece => `M${ends(piece)[0]} ${base}L${piece.join("L")}L${ends(piece)[1]} ${base}Z`).join("");
    return h("g", { class: tone }, area ? h("path", { class: "area", d: area }) : "", h("path", { class: kind === "limit" ? "limit" : "line", d: line }));
  }

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

  step([from, to]) { return this.spec.scale === "time" ? this.spec.x(from) : `${this.spec.x(from)} to ${this.spec.x(to)}`; }

  drawCursor() {
    if (!this.shown) return;
    const index = this.index(), edge = this.shown.edges[index];
    this.cursor.replaceChildren();
    this.values.forEach((value, series) => { value.textContent = edge ? this.written(this.shown.values[series][index]) : ""; });
    this.when.textContent = edge ? this.step(edge) + (this.values.length === 1 ? `: ${this.values[0].textContent}` : "") : "";
    const read = edge ? [this.step(edge), ...this.spec.series.map((one, series) => `${one.name} ${this.values[series].textContent}`)] : [];
    this.svg.setAttribute("aria-valuenow", Math.max(index, 0));
    this.svg.setAttribute("aria-valuetext", read.length ? read.join(", ") : "Arrow keys read, plus and minus zoom, Escape shows all");
    if (!edge || edge[1] < this.part[0] || edge[0] > this.part[1]) return;
    const x = this.toX(this.scale.from((this.scale.to(Math.max(edge[0], this.part[0])) + this.scale.to(Math.min(edge[1], this.part[1]))) / 2));
    this.cursor.append(h("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }), ...this.spec.series.map(({ tone }, series) => {
      const value = this.shown.values[series][index];
      return value === null || this.hidden.has(series) ? "" : h("circle", { class: tone, cx: x, cy: this.toY(value), r: 3.5 });
    }));
  }

  move(key, far) {
    const { edges } = this.shown, last = edges.length - 1, now = this.index();
    const next = { ArrowLeft: now - far, ArrowRight: now + far, Home: 0, End: last }[key];
    const [from, to] = edges[Math.min(Math.max(next, 0), last)];
    this.point(this.scale.from((this.scale.to(from || PART_MIN) + this.scale.to(to)) / 2));
  }

  listen() {
    const { svg } = this;
    let began = null;
    const inside = event => Math.min(Math.max(event.clientX - svg.getBoundingClientRect().left, this.left), this.width - RIGHT);
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
      if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.move(event.key, event.shiftKey ? 10 : 1);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "Escape") { this.point(null); this.show(this.spec.domain); }
      else return;
      event.preventDefault();
    };
  }
}

const chart = spec => new Chart(spec).figure;

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
