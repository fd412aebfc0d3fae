// The line of time, after charts.js and findings.js: a band for each line of code, in it a bar for each session.
//
// Nothing is drawn for each of a hundred thousand sessions: a closed band shows how many were open at each pixel,
// an opened one paints each pixel of its rows once.

const BAND = 34, ROWS = 260, LANE = 12, BANDS_SHOWN = 12, LANES_OPENED = 14, NEAR = 3, BLOCK = 64, TINY = 1e-9;
const CLOSED = 0, OPEN = 1;
const OUTCOMES = ["closed", "open", "garbage-collected while open", "its event loop closed under it", "still open at the end"];
const TONES = { lived: "--bar", used: "--bar-used", leak: "--bar-leak", leakUsed: "--bar-leak-used", open: "--bar-open", openUsed: "--bar-open-used" };
const isLeak = outcome => outcome > OPEN;

// -- reading the columns

async function inflate(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let index = 0; index < packed.length; index++) bytes[index] = packed.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Numbers in base 128, the low digits first.
function numbers(bytes, make = Float64Array) {
  let size = 0, place = 0, value = 0, factor = 1;
  for (let index = 0; index < bytes.length; index++) if (bytes[index] < 128) size++;
  const found = new make(size);
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte < 128) { found[place++] = value; value = 0; factor = 1; }
  }
  return found;
}

async function readSessions({ columns, sites, unit, pids }) {
  const bytes = await inflate(columns.data), read = {};
  let offset = 0;
  columns.names.forEach((name, index) => {
    read[name] = numbers(bytes.subarray(offset, offset += columns.bytes[index]), name === "outcome" ? Uint8Array : Float64Array);
  });
  return new Sessions(read, sites, unit, pids);
}

// All of them, by site and then by when they were opened; moments in seconds since the program began.
class Sessions {
  constructor({ opened, lived, outcome, count, process, requests, connections, spans, times }, sites, unit, pids) {
    Object.assign(this, { pids, outcome, count, process, requests, connections, opened, ended: lived, times });
    this.size = opened.length;
    this.spansAt = new Uint32Array(this.size + 1);
    let first = 0, time = 0;
    this.sites = sites.map(site => ({ ...site, first, last: first += site.rows }));
    for (const site of this.sites) {
      let moment = 0;
      for (let row = site.first; row < site.last; row++) {
        moment += opened[row];
        let step = moment;
        this.spansAt[row] = time;
        for (const end = time + 2 * spans[row]; time < end; time++) { step += times[time]; times[time] = step * unit; }
        opened[row] = moment * unit;
        // As short as it was, it was there.
        lived[row] = (moment + (lived[row] || 0.5)) * unit;
      }
    }
    this.spansAt[this.size] = time;
  }

  usedFor(row) {
    let sum = 0;
    for (let at = this.spansAt[row]; at < this.spansAt[row + 1]; at += 2) sum += this.times[at + 1] - this.times[at];
    return sum;
  }
}

// How many of some there were at any moment, as steps; and the most in any stretch of time, read off in blocks.
class Crowd {
  constructor(begins, ends, weights) {
    const size = begins.length, keys = new Float64Array(2 * size), weigh = index => weights ? weights[index % size] : 1;
    // A typed array sorts without a function, and so a hundred times faster: the index travels in the low digits.
    // What ends comes before what begins at the same moment.
    const key = (moment, index) => Math.round(moment * 2e4) * 2 * size + index;
    for (let index = 0; index < size; index++) { keys[index] = key(ends[index], index); keys[size + index] = key(begins[index], size + index); }
    keys.sort();
    this.moments = new Float64Array(2 * size);
    this.levels = new Float64Array(2 * size);
    this.blocks = new Float64Array(Math.ceil(2 * size / BLOCK));
    this.most = 0;
    for (let place = 0, level = 0; place < 2 * size; place++) {
      const index = keys[place] % (2 * size), block = Math.floor(place / BLOCK);
      level += index < size ? -weigh(index) : weigh(index);
      this.moments[place] = index < size ? ends[index] : begins[index - size];
      this.levels[place] = level;
      this.blocks[block] = Math.max(this.blocks[block], level);
      this.most = Math.max(this.most, level);
    }
  }

  // How many steps there were before a moment.
  before(moment, low = 0) {
    let high = this.moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.moments[middle] < moment) low = middle + 1; else high = middle;
    }
    return low;
  }

  at(moment) {
    const place = this.before(moment + TINY);
    return place ? this.levels[place - 1] : 0;
  }

  // The most in each of *size* stretches of time, one after the other.
  profile(from, width, size) {
    const found = new Float64Array(size);
    for (let index = 0, low = this.before(from); index < size; index++) {
      const high = this.before(from + (index + 1) * width, low);
      found[index] = this.highest(low, high);
      low = high;
    }
    return found;
  }

  highest(low, high) {
    const { levels, blocks } = this;
    let most = low ? levels[low - 1] : 0;
    while (low < high) {
      if (low % BLOCK === 0 && low + BLOCK <= high) { most = Math.max(most, blocks[low / BLOCK]); low += BLOCK; }
      else most = Math.max(most, levels[low++]);
    }
    return most;
  }
}

// -- one band

class Band {
  constructor(sessions, site, timeline) {
    Object.assign(this, { sessions, site, timeline, isOpen: false, isSeen: false, lanes: null });
    const leaked = site.leaked ? h("span", { class: "bad" }, `${number(site.leaked)} leaked`) : "";
    this.button = h("button", { type: "button", "aria-expanded": "false" }, siteLine(site.site),
      h("span", {}, count(site.opened || site.leaked, site.kind)), leaked);
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("div", { class: "band" }, this.button, this.canvas);
    this.button.onclick = () => this.toggle(!this.isOpen);
  }

  toggle(open) {
    this.isOpen = open;
    this.button.setAttribute("aria-expanded", open);
    this.timeline.draw();
  }

  // How many were open, how many of them were in use, and how many leaked.
  get crowds() {
    if (this.found) return this.found;
    const { opened, ended, count, outcome, spansAt, times } = this.sessions, { first, last } = this.site;
    const leaks = [], begins = [], ends = [];
    for (let row = first; row < last; row++) {
      if (isLeak(outcome[row])) leaks.push(row);
      else for (let at = spansAt[row]; at < spansAt[row + 1]; at += 2) { begins.push(times[at]); ends.push(times[at + 1]); }
    }
    return this.found = {
      all: new Crowd(opened.subarray(first, last), ended.subarray(first, last), count.subarray(first, last)),
      used: new Crowd(begins, ends),
      leaked: new Crowd(leaks.map(row => opened[row]), leaks.map(row => ended[row]), leaks.map(row => count[row])),
    };
  }

  // Give each session the first lane that is free when it is opened.
  arrange() {
    if (this.lanes) return;
    const { opened, ended } = this.sessions, { first, last } = this.site;
    const free = new Heap(), busy = new Heap();
    this.laneOf = new Uint32Array(last - first);
    const sizes = [];
    for (let row = first; row < last; row++) {
      while (busy.size && busy.least() < opened[row]) free.add(busy.takeValue(), 0, true);
      const lane = free.size ? free.takeValue() : sizes.length;
      sizes[lane] = (sizes[lane] || 0) + 1;
      this.laneOf[row - first] = lane;
      busy.add(ended[row], lane);
    }
    this.lanes = sizes.map(size => new Uint32Array(size));
    sizes.fill(0);
    for (let row = first; row < last; row++) {
      const lane = this.laneOf[row - first];
      this.lanes[lane][sizes[lane]++] = row;
    }
  }

  get laneHeight() { return Math.max(1, Math.min(LANE, ROWS / this.lanes.length)); }

  get height() {
    if (!this.isOpen) return BAND;
    this.arrange();
    return Math.max(LANE, Math.min(ROWS, Math.ceil(this.lanes.length * this.laneHeight)));
  }

  rowOf(lane) { return Math.min(this.height - 1, Math.floor(lane * this.height / this.lanes.length)); }

  draw(left, width, [from, to], tones) {
    const scale = window.devicePixelRatio || 1, height = this.height;
    const canvas = this.canvas, wide = Math.max(1, Math.round((width + left) * scale)), tall = Math.round(height * scale);
    if (canvas.width !== wide || canvas.height !== tall) { canvas.width = wide; canvas.height = tall; }
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d"), image = context.createImageData(wide, tall);
    const ink = new Uint32Array(image.data.buffer), inner = Math.round(width * scale), begin = Math.round(left * scale);
    const paint = { ink, wide, tall, begin, inner, from, to, perPixel: (to - from) / inner, scale, tones };
    if (this.isOpen) this.drawLanes(paint); else this.drawCrowd(paint);
    context.putImageData(image, 0, 0);
  }

  drawCrowd({ ink, wide, tall, begin, inner, from, perPixel, tones }) {
    const { all, used, leaked } = this.crowds, most = all.most || 1;
    const [totals, uses, leaks] = [all, used, leaked].map(crowd => crowd.profile(from, perPixel, inner));
    const size = value => value ? Math.max(2, Math.round(tall * Math.min(1, value / most))) : 0;
    for (let x = 0; x < inner; x++) {
      if (!totals[x]) continue;
      const red = size(leaks[x]), blue = red + size(uses[x]), top = Math.min(tall, Math.max(size(totals[x]), red));
      for (let up = 0; up < top; up++)
        ink[(tall - 1 - up) * wide + begin + x] = up < red ? tones.leakUsed : up < blue ? tones.used : tones.lived;
    }
  }

  drawLanes(paint) {
    const { tall, scale } = paint, lanes = this.lanes.length, thick = tall / lanes, gap = thick >= 4 * scale ? Math.round(2 * scale) : 0;
    // What was painted in a row must not be painted over by what says less.
    const ranks = lanes > tall ? new Uint8Array(paint.inner * tall) : null;
    for (let lane = 0; lane < lanes; lane++) {
      const top = Math.min(tall - 1, Math.floor(lane * thick));
      const bottom = Math.max(top + 1, Math.min(tall, Math.floor((lane + 1) * thick)) - gap);
      this.drawLane(this.lanes[lane], top, bottom, paint, ranks);
    }
  }

  drawLane(rows, top, bottom, paint, ranks) {
    const { opened, ended, outcome, spansAt, times } = this.sessions;
    const { from, to, perPixel, inner, tones } = paint;
    let place = firstFrom(rows, ended, from), painted = -1;
    while (place < rows.length && opened[rows[place]] <= to) {
      const row = rows[place++], kind = outcome[row];
      const x = Math.max(0, Math.floor((opened[row] - from) / perPixel));
      const end = Math.min(inner, Math.max(x + 1, Math.ceil((ended[row] - from) / perPixel)));
      if (end <= painted && !isLeak(kind)) {
        // All that is left within this pixel is not worth a look.
        place = Math.max(place, firstFrom(rows, ended, from + painted * perPixel, place));
        continue;
      }
      const [lived, used] = kind === CLOSED ? [tones.lived, tones.used]
        : kind === OPEN ? [tones.open, tones.openUsed] : [tones.leak, tones.leakUsed];
      const rank = kind === CLOSED ? 1 : kind === OPEN ? 2 : 3;
      fill(paint, ranks, x, end, top, bottom, end - x === 1 && (rank > 1 || spansAt[row + 1] > spansAt[row]) ? used : lived, rank);
      for (let at = spansAt[row]; at < spansAt[row + 1] && end - x > 1; at += 2) {
        const a = Math.max(0, Math.floor((times[at] - from) / perPixel)), b = Math.min(inner, Math.ceil((times[at + 1] - from) / perPixel));
        if (b > 0 && a < inner) fill(paint, ranks, a, Math.max(a + 1, b), top, bottom, used, rank + 1);
      }
      // Where it was found open.
      if (rank === 3 && ended[row] <= to) fill(paint, ranks, Math.max(x, end - Math.round(3 * paint.scale)), end, top, bottom, used, 5);
      painted = end;
    }
  }

  // The session at a place of an opened band, or the nearest of those close by.
  find(moment, y, near) {
    this.arrange();
    const { opened, ended } = this.sessions, rows = this.height, lanes = this.lanes.length;
    const lane = Math.floor(y * lanes / rows), last = Math.max(lane + 1, Math.floor((y + 1) * lanes / rows));
    let best = -1, distance = near;
    for (let each = lane; each < Math.min(last, lanes); each++) {
      const list = this.lanes[each], place = firstFrom(list, ended, moment - near);
      for (let next = place; next < list.length && opened[list[next]] <= moment + near; next++) {
        const row = list[next], away = Math.max(0, opened[row] - moment, moment - ended[row]);
        if (away < distance) { distance = away; best = row; }
      }
    }
    return best;
  }
}

function fill({ ink, wide, begin, inner }, ranks, from, to, top, bottom, tone, rank) {
  for (let y = top; y < bottom; y++) {
    if (!ranks) { ink.fill(tone, y * wide + begin + from, y * wide + begin + to); continue; }
    for (let x = from; x < to; x++)
      if (ranks[y * inner + x] < rank) { ranks[y * inner + x] = rank; ink[y * wide + begin + x] = tone; }
  }
}

// Where in *rows*, of which each ends before the next begins, the first is that ends at *moment* or later.
function firstFrom(rows, ended, moment, low = 0) {
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ended[rows[middle]] < moment) low = middle + 1; else high = middle;
  }
  return low;
}

// The least key first.
class Heap {
  constructor() { this.keys = []; this.values = []; }
  get size() { return this.keys.length; }
  least() { return this.keys[0]; }

  add(key, value, isOwnValue = false) {
    const { keys, values } = this;
    let at = keys.length;
    keys.push(key); values.push(isOwnValue ? key : value);
    while (at) {
      const above = (at - 1) >> 1;
      if (keys[above] <= keys[at]) break;
      this.swap(at, above);
      at = above;
    }
  }

  takeValue() {
    const { keys, values } = this, found = values[0], key = keys.pop(), value = values.pop();
    if (keys.length) {
      keys[0] = key; values[0] = value;
      for (let at = 0; ;) {
        let least = at;
        for (const below of [2 * at + 1, 2 * at + 2]) if (below < keys.length && keys[below] < keys[least]) least = below;
        if (least === at) break;
        this.swap(at, least);
        at = least;
      }
    }
    return found;
  }

  swap(one, other) {
    for (const list of [this.keys, this.values]) [list[one], list[other]] = [list[other], list[one]];
  }
}

// -- the line of time

class Timeline extends Chart {
  constructor(sessions, domain, group) {
    super({ title: "Line of time", scale: "time", domain, x: moment, group, sessions });
  }

  build() {
    const { sessions, title } = this.spec, button = (label, text, act) => {
      const made = h("button", { type: "button", "aria-label": label, title: label }, text);
      made.onclick = act;
      return made;
    };
    this.bands = sessions.sites.filter(site => site.rows).map(site => new Band(sessions, site, this));
    this.current = null;
    this.whole = button("Show all", "All", () => this.show(this.spec.domain));
    this.tools = h("div", { class: "tools" },
      sessions.outcome.some(isLeak) ? button("Go to the next leak", "Next leak", () => this.nextLeak()) : "",
      button("Earlier", "←", () => this.pan(-0.5)), button("Later", "→", () => this.pan(0.5)),
      button("Zoom out", "−", () => this.zoom(2)), button("Zoom in", "+", () => this.zoom(0.5)), this.whole);
    this.svg = h("svg", { tabindex: "0", role: "slider", "aria-label": title, "aria-valuemin": "0", "aria-valuemax": "100" });
    this.list = h("div", {});
    this.stage = h("div", { class: "stage" }, this.svg, this.list);
    this.told = h("p", { class: "told" });
    this.rest = button("Show all lines", `Show all ${number(this.bands.length)} lines`, () => this.showBands(Infinity));
    this.rest.className = "rest";
    this.figure = h("figure", { class: "chart timeline" },
      h("figcaption", {}, h("strong", {}, title), h("span", { class: "soft" }, "each bar is a session, each band a line of code"), this.tools),
      h("div", { class: "key" }, [["lived", "open"], ["used", "in use"], ["leak", "leaked"],
        sessions.outcome.includes(OPEN) ? ["open", "still open"] : null].filter(Boolean).map(([kind, name]) => h("span", { class: kind }, name))),
      this.stage, this.rest, this.told);
    this.watchColours();
    this.showBands(BANDS_SHOWN);
    this.say();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  showBands(most) {
    const seen = new IntersectionObserver(entries => {
      for (const { target, isIntersecting } of entries) {
        const band = this.bands.find(one => one.element === target);
        band.isSeen = isIntersecting;
        if (isIntersecting && band.isStale) this.drawBand(band);
      }
    }, { rootMargin: "200px" });
    this.bands.slice(this.list.children.length, most).forEach((band, index) => {
      this.list.append(band.element);
      seen.observe(band.element);
      const few = band.site.rows <= 2000 && (band.arrange(), band.lanes.length <= LANES_OPENED);
      if (few && this.list.children.length <= 6 || index === 0 && most === BANDS_SHOWN) {
        band.isOpen = true;
        band.button.setAttribute("aria-expanded", "true");
      }
    });
    this.rest.hidden = this.list.children.length === this.bands.length;
    if (this.width) this.draw();
  }

  watchColours() {
    const read = () => {
      const style = getComputedStyle(document.documentElement);
      this.tones = Object.fromEntries(Object.entries(TONES).map(([name, key]) => [name, pixel(style.getPropertyValue(key).trim())]));
      this.draw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
    this.tones = {};
    requestAnimationFrame(read);
  }

  // -- drawing, at most once a frame

  draw() {
    for (const band of this.bands) band.isStale = true;
    this.width = this.svg.clientWidth;
    if (!this.width || this.drawing) return;
    this.left = 2;
    this.drawing = requestAnimationFrame(() => { this.drawing = 0; this.drawNow(); });
    this.measure();
  }

  measure() {
    const [from, to] = this.part, inner = this.width - this.left - RIGHT;
    this.toX = value => this.left + inner * (value - from) / (to - from);
    this.fromX = x => from + (to - from) * (x - this.left) / inner;
    this.inner = inner;
  }

  drawNow() {
    this.width = this.svg.clientWidth;
    this.measure();
    for (const band of this.bands) if (band.isSeen) this.drawBand(band);
    const tall = this.stage.clientHeight;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${tall}`);
    this.cursor = h("g", {});
    this.selection = h("rect", { class: "selection", y: 0, height: tall, width: 0 });
    const ticks = this.ticks(Math.max(2, Math.floor(this.inner / 70)));
    this.svg.replaceChildren(h("g", { class: "grid" }, ticks.map(({ x, label }) => [
      h("line", { x1: x, x2: x, y1: 18, y2: tall }), h("text", { x, y: 12, "text-anchor": "middle" }, label)])), this.selection, this.cursor);
    this.whole.disabled = this.part.every((value, index) => value === this.spec.domain[index]);
    this.drawCursor();
  }

  drawBand(band) {
    if (this.tones.lived === undefined || !this.width) return;
    band.isStale = false;
    band.draw(this.left, this.inner, this.part, this.tones);
  }

  drawCursor() {
    if (!this.cursor) return;
    const { tall = this.stage.clientHeight } = this, x = this.at === null ? null : this.toX(this.at);
    const shown = x !== null && x >= this.left && x <= this.width;
    this.cursor.replaceChildren(...shown ? [h("line", { class: "at", x1: x, x2: x, y1: 18, y2: tall })] : [], ...this.outline());
  }

  // A frame round the session that is told of.
  outline() {
    if (!this.current || this.current.row < 0) return [];
    const { band, row } = this.current, { opened, ended } = this.spec.sessions;
    const x = Math.max(this.left, this.toX(opened[row])), end = Math.min(this.width - RIGHT, this.toX(ended[row]));
    if (end < this.left || x > this.width - RIGHT) return [];
    const top = band.canvas.offsetTop, high = band.isOpen ? Math.max(3, band.laneHeight) : band.height;
    const y = band.isOpen ? top + band.rowOf(band.laneOf[row - band.site.first]) : top;
    return [h("rect", { class: "found", x: x - 1.5, y: y - 1.5, width: Math.max(2, end - x) + 3, height: high + (band.isOpen ? 1 : 3), rx: 2 })];
  }

  // -- reading

  tell(band, row) {
    const { sessions } = this.spec, { opened, ended, count: counts, outcome, requests, connections, process } = sessions;
    this.current = { band, row };
    const alike = counts[row], used = sessions.usedFor(row), lived = ended[row] - opened[row];
    const words = [`${alike > 1 ? `${number(alike)} sessions alike, ` : ""}opened at ${moment(opened[row])}, ${isLeak(outcome[row]) ? "open for" : "lived"} ${span(lived)}`,
      requests[row] ? `${count(requests[row], "request")} over ${count(connections[row], "connection")}, in use for ${span(used)}` : "never used",
      OUTCOMES[outcome[row]], this.spec.sessions.pids.length > 1 ? `process ${this.spec.sessions.pids[process[row]]}` : ""];
    this.say(band, words.filter(Boolean).join("; "));
  }

  tellCrowd(band, when) {
    const { all, used, leaked } = band.crowds, share = this.fromX(this.left + 1) - this.fromX(this.left);
    const [most, uses, leaks] = [all, used, leaked].map(crowd => crowd.profile(when - share / 2, share, 1)[0]);
    this.current = null;
    this.say(band, `at ${moment(when)} ${number(most)} open${uses ? `, ${number(uses)} of them in use` : ""}${leaks ? `, ${number(leaks)} of them leaked` : ""}`);
  }

  say(band, words) {
    const help = "Point at a bar to read it, drag to look closer; once it has the focus, the wheel zooms. By keyboard: arrows go from session"
      + " to session and from line to line, plus and minus zoom, Escape shows all.";
    this.told.replaceChildren(...band ? [h("b", {}, at(band.site.site)), `: ${words}.`] : [help]);
    this.svg.setAttribute("aria-valuetext", band ? `${at(band.site.site)}: ${words}` : help);
    const [from, to] = this.spec.domain;
    this.svg.setAttribute("aria-valuenow", Math.round(100 * ((this.at ?? from) - from) / (to - from)));
  }

  read(event) {
    const y = event.clientY, when = this.fromX(event.clientX - this.svg.getBoundingClientRect().left);
    const band = this.shownBands().find(one => {
      const box = one.canvas.getBoundingClientRect();
      return y >= box.top && y < box.bottom;
    });
    if (!band) return;
    const row = band.isOpen ? band.find(when, y - band.canvas.getBoundingClientRect().top, (this.part[1] - this.part[0]) * NEAR / this.inner) : -1;
    if (row >= 0) this.tell(band, row); else this.tellCrowd(band, when);
    this.drawCursor();
  }

  shownBands() { return this.bands.slice(0, this.list.children.length); }

  // -- going from session to session

  move(key, far) {
    if (key === "ArrowUp" || key === "ArrowDown") return this.moveBand(key === "ArrowUp" ? -1 : 1);
    const band = this.current?.band || this.band || this.bands[0], { first, last } = band.site;
    const now = this.current?.row >= first && this.current.row < last ? this.current.row : this.firstShown(band) - (key === "ArrowRight" ? 1 : 0);
    const next = { ArrowLeft: now - far, ArrowRight: now + far, Home: first, End: last - 1 }[key];
    this.go(band, Math.min(Math.max(next, first), last - 1));
  }

  moveBand(step) {
    const shown = this.shownBands(), now = shown.indexOf(this.current?.band || this.band);
    const band = shown[Math.min(Math.max(now + step, 0), shown.length - 1)];
    this.go(band, this.firstShown(band));
  }

  // The first session of a band that is opened within the part shown.
  firstShown({ site: { first, last } }) {
    const { opened } = this.spec.sessions;
    let low = first, high = last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (opened[middle] < this.part[0]) low = middle + 1; else high = middle;
    }
    return Math.min(low, last - 1);
  }

  go(band, row) {
    const { opened, ended } = this.spec.sessions, [from, to] = this.part, half = (to - from) / 2;
    this.band = band;
    if (!band.isOpen) band.toggle(true);
    if (opened[row] > to || ended[row] < from) this.show([opened[row] - half, opened[row] + half]);
    this.point(Math.max(opened[row], this.part[0]));
    this.tell(band, row);
    this.drawCursor();
    band.element.scrollIntoView({ block: "nearest" });
  }

  nextLeak() {
    const { outcome } = this.spec.sessions, size = outcome.length, now = this.current ? this.current.row : -1;
    for (let step = 1; step <= size; step++) {
      const row = (now + step) % size;
      if (!isLeak(outcome[row])) continue;
      const band = this.bands.find(({ site }) => row >= site.first && row < site.last);
      if (this.list.children.length <= this.bands.indexOf(band)) this.showBands(Infinity);
      return this.go(band, row);
    }
  }

  goTo(site) {
    const band = this.bands.find(one => one.site.index === site.index);
    if (!band) return;
    if (this.list.children.length <= this.bands.indexOf(band)) this.showBands(Infinity);
    this.svg.focus({ preventScroll: true });
    this.go(band, this.firstShown(band));
  }

  pan(share) {
    const [from, to] = this.part, far = (to - from) * share;
    this.show([from + far, to + far]);
  }

  listen() {
    super.listen();
    const { svg } = this, { onpointermove, onpointerdown, onkeydown } = svg;
    svg.onpointermove = event => { onpointermove(event); if (!event.buttons) this.read(event); };
    svg.onpointerdown = event => { onpointerdown(event); this.read(event); };
    svg.onblur = () => {};
    svg.onkeydown = event => {
      if (event.key === "ArrowUp" || event.key === "ArrowDown") { this.move(event.key, 1); event.preventDefault(); } else onkeydown(event);
    };
    svg.addEventListener("wheel", event => {
      // The page scrolls, and the browser zooms, as ever: only who has chosen the line of time zooms it.
      if (document.activeElement !== svg || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const isSideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (isSideways) return this.pan(Math.sign(event.deltaX) * 0.1);
      this.at = this.fromX(event.clientX - svg.getBoundingClientRect().left);
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8);
    }, { passive: false });
  }
}

// A colour as a canvas keeps it: "#rgb" or "#rrggbb" as a number, alpha first and red last.
function pixel(colour) {
  const digits = colour.length === 4 ? [...colour.slice(1)].map(digit => digit + digit).join("") : colour.slice(1);
  const [red, green, blue] = [0, 2, 4].map(index => parseInt(digits.slice(index, index + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
