// After findings.js and history.js: one line of code on the line of time, as a band.
//
// Nothing is drawn for each of a hundred thousand sessions: a closed band shows how many were open at each pixel,
// an opened one paints each pixel of its rows once.

const BAND = 34, ROWS = 260, LANE = 12, THICK = 18, LANES_OPENED = 14, ROWS_OPENED = 2000;

class Band {
  constructor(sessions, site, timeline) {
    Object.assign(this, { sessions, site, timeline, isOpen: false, isSeen: false, lanes: null });
    const leaked = site.leaked ? h("span", { class: "bad" }, `${number(site.leaked)} leaked`) : "";
    this.button = h("button", { type: "button", "aria-expanded": "false" }, siteLine(site.site),
      h("span", {}, count(site.opened || site.leaked, site.kind)), leaked);
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("div", { class: "band" }, this.button, this.canvas);
    this.button.onclick = () => { this.toggle(!this.isOpen); timeline.draw(); };
    this.toggle(false);
  }

  toggle(open) {
    this.isOpen = open;
    this.button.setAttribute("aria-expanded", open);
    // It keeps its place on the page also while nobody sees it.
    this.canvas.style.height = `${this.height}px`;
  }

  // How many were open, how many of them were in use, and how many leaked.
  get crowds() {
    if (this.found) return this.found;
    const { opened, ended, count, outcome, spansAt, times } = this.sessions, { first, last } = this.site;
    const rows = Array.from({ length: last - first }, (_, index) => first + index);
    const leaks = rows.filter(row => isLeak(outcome[row]));
    const begins = new Float64Array((spansAt[last] - spansAt[first]) / 2), ends = new Float64Array(begins.length);
    let used = 0;
    for (const row of rows) {
      if (isLeak(outcome[row])) continue;
      for (let at = spansAt[row]; at < spansAt[row + 1]; at += 2, used++) {
        begins[used] = times[at];
        ends[used] = times[at + 1];
      }
    }
    return this.found = {
      all: new Crowd(opened.subarray(first, last), ended.subarray(first, last), count.subarray(first, last)),
      used: new Crowd(begins.subarray(0, used), ends.subarray(0, used)),
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

  // Whether it has so few lanes that it may as well be open from the beginning.
  get isSlim() {
    if (this.site.rows > ROWS_OPENED) return false;
    this.arrange();
    return this.lanes.length <= LANES_OPENED;
  }

  get height() {
    if (!this.isOpen) return BAND;
    this.arrange();
    return Math.max(LANE, Math.min(ROWS, this.lanes.length * LANE));
  }

  // Only lanes with something in the part shown get a place, so that a few are not pressed into a corner.
  settle([from, to]) {
    const { opened, ended } = this.sessions;
    this.placeOf = new Int32Array(this.lanes.length).fill(-1);
    this.shown = [];
    this.lanes.forEach((rows, lane) => {
      const place = firstFrom(rows, ended, from);
      if (place === rows.length || opened[rows[place]] > to) return;
      this.placeOf[lane] = this.shown.length;
      this.shown.push(rows);
    });
    this.thick = Math.min(THICK, this.height / Math.max(1, this.shown.length));
  }

  draw(left, width, [from, to], tones) {
    const scale = window.devicePixelRatio || 1, height = this.height;
    const { canvas } = this, tall = Math.round(height * scale);
    const wide = Math.max(1, Math.round(this.timeline.width * scale));
    if (canvas.width !== wide || canvas.height !== tall) { canvas.width = wide; canvas.height = tall; }
    const context = canvas.getContext("2d"), image = context.createImageData(wide, tall);
    const ink = new Uint32Array(image.data.buffer), inner = Math.round(width * scale), begin = Math.round(left * scale);
    const paint = { ink, wide, tall, begin, inner, from, to, perPixel: (to - from) / inner, scale, tones };
    if (this.isOpen) { this.settle([from, to]); this.drawLanes(paint); } else this.drawCrowd(paint);
    context.putImageData(image, 0, 0);
  }

  drawCrowd({ ink, wide, tall, begin, inner, from, perPixel, scale, tones }) {
    const { all, used, leaked } = this.crowds;
    const [totals, uses, leaks] = [all, used, leaked].map(crowd => crowd.profile(from, perPixel, inner));
    const high = Math.min(LANE * scale, tall / totals.reduce((most, value) => Math.max(most, value), 1));
    const size = value => value ? Math.max(2, Math.round(high * value)) : 0;
    for (let x = 0; x < inner; x++) {
      if (!totals[x]) continue;
      const red = size(leaks[x]), blue = red + size(uses[x]), top = Math.min(tall, Math.max(size(totals[x]), red));
      for (let up = 0; up < top; up++)
        ink[(tall - 1 - up) * wide + begin + x] = up < red ? tones.leakUsed : up < blue ? tones.used : tones.lived;
    }
  }

  drawLanes(paint) {
    const { tall, scale } = paint, thick = this.thick * scale, gap = thick >= 4 * scale ? Math.round(2 * scale) : 0;
    // What was painted in a row must not be painted over by what says less.
    const ranks = thick < 1 ? new Uint8Array(paint.inner * tall) : null;
    this.shown.forEach((rows, place) => {
      const top = Math.min(tall - 1, Math.floor(place * thick));
      const bottom = Math.max(top + 1, Math.min(tall, Math.floor((place + 1) * thick)) - gap);
      this.drawLane(rows, top, bottom, paint, ranks);
    });
  }

  drawLane(rows, top, bottom, paint, ranks) {
    const { opened, ended } = this.sessions, { from, to, perPixel, inner } = paint;
    let place = firstFrom(rows, ended, from), painted = -1;
    while (place < rows.length && opened[rows[place]] <= to) {
      const row = rows[place++];
      const x = Math.max(0, Math.floor((opened[row] - from) / perPixel));
      const end = Math.min(inner, Math.max(x + 1, Math.ceil((ended[row] - from) / perPixel)));
      if (end <= painted && !isLeak(this.sessions.outcome[row])) {
        // All that is left within this pixel is not worth a look.
        place = Math.max(place, firstFrom(rows, ended, from + painted * perPixel, place));
        continue;
      }
      this.drawSession(row, x, end, (a, b, tone, rank) => fill(paint, ranks, a, b, top, bottom, tone, rank), paint);
      painted = end;
    }
  }

  drawSession(row, x, end, draw, { from, to, perPixel, inner, tones, scale }) {
    const { outcome, spansAt, times } = this.sessions, kind = outcome[row], first = spansAt[row], last = spansAt[row + 1];
    const [lived, used, rank] = kind === CLOSED ? [tones.lived, tones.used, 1]
      : kind === OPEN ? [tones.open, tones.openUsed, 2] : [tones.leak, tones.leakUsed, 3];
    if (end - x === 1) return draw(x, end, rank > 1 || last > first ? used : lived, rank);
    draw(x, end, lived, rank);
    for (let at = first; at < last; at += 2) {
      const a = Math.max(0, Math.floor((times[at] - from) / perPixel));
      const b = Math.min(inner, Math.ceil((times[at + 1] - from) / perPixel));
      if (b > 0 && a < inner) draw(a, Math.max(a + 1, b), used, rank + 1);
    }
    // Where it was found open.
    if (rank === 3 && this.sessions.ended[row] <= to) draw(Math.max(x, end - Math.round(3 * scale)), end, used, 5);
  }

  // The session at a place of an opened band, or the nearest of those close by.
  find(moment, y, near) {
    const { opened, ended } = this.sessions, first = Math.floor(y / this.thick);
    const last = Math.max(first + 1, Math.floor((y + 1) / this.thick));
    let best = -1, distance = near;
    for (const rows of this.shown.slice(first, last)) {
      for (let place = firstFrom(rows, ended, moment - near); place < rows.length; place++) {
        const row = rows[place], away = Math.max(0, opened[row] - moment, moment - ended[row]);
        if (opened[row] > moment + near) break;
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
