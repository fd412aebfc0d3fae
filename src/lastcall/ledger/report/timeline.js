// After charts.js and bands.js: the line of time, a band for each line of code, in it a bar for each session.

const BANDS_SHOWN = 12, BANDS_OPENED = 6, NEAR = 3;
const TONES = {
  lived: "--bar", used: "--bar-used", leak: "--bar-leak", leakUsed: "--bar-leak-used", open: "--bar-open",
  openUsed: "--bar-open-used",
};
const HELP = "Point at a bar to read it, drag to look closer; once it has the focus, the wheel zooms. By keyboard: arrows"
  + " go from session to session and from line to line, plus and minus zoom, Escape shows all.";

class Timeline extends Chart {
  constructor(sessions, domain, group) {
    super({ title: "Line of time", scale: "time", domain, x: moment, group, sessions });
  }

  build() {
    const { sessions, title } = this.spec, slider = { role: "slider", "aria-valuemin": "0", "aria-valuemax": "100" };
    this.bands = sessions.sites.filter(site => site.rows).map(site => new Band(sessions, site, this));
    this.current = null;
    this.svg = h("svg", { tabindex: "0", "aria-label": title, ...slider });
    this.list = h("div", {});
    this.stage = h("div", { class: "stage" }, this.svg, this.list);
    this.told = h("p", { class: "told" });
    this.rest = press(`Show all ${number(this.bands.length)} lines`, "", () => this.showBands(Infinity));
    this.rest.className = "rest";
    this.figure = h("figure", { class: "chart timeline" },
      h("figcaption", {}, h("strong", {}, title),
        h("span", { class: "soft" }, "each bar is a session, each band a line of code"), this.tools()),
      this.keys(), this.stage, this.rest, this.told);
    this.watchColours();
    this.showBands(BANDS_SHOWN);
    this.say();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  tools() {
    this.whole = press("All", "Show all", () => this.show(this.spec.domain));
    const hasLeaks = this.spec.sessions.outcome.some(isLeak);
    return h("div", { class: "tools" },
      hasLeaks ? press("Next leak", "Go to the next leak", () => this.nextLeak()) : "",
      press("←", "Earlier", () => this.pan(-0.5)), press("→", "Later", () => this.pan(0.5)),
      press("−", "Zoom out", () => this.zoom(2)), press("+", "Zoom in", () => this.zoom(0.5)), this.whole);
  }

  keys() {
    const { outcome } = this.spec.sessions, leaks = outcome.some(isLeak) ? [["leak", "leaked"]] : [];
    const open = outcome.includes(OPEN) ? [["open", "still open"]] : [];
    return h("div", { class: "key" }, [["lived", "open"], ["used", "in use"], ...leaks, ...open].map(([kind, name]) =>
      h("span", { class: kind }, name)));
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
      const isEarly = this.list.children.length <= BANDS_OPENED, isFirst = index === 0 && most === BANDS_SHOWN;
      if (isFirst || isEarly && band.isSlim) band.toggle(true);
    });
    this.rest.hidden = this.list.children.length === this.bands.length;
    if (this.width) this.draw();
  }

  watchColours() {
    const read = () => {
      const style = getComputedStyle(document.documentElement), tone = key => pixel(style.getPropertyValue(key).trim());
      this.tones = Object.fromEntries(Object.entries(TONES).map(([name, key]) => [name, tone(key)]));
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
    this.cursor = h("g", {});
    this.selection = h("rect", { class: "selection", y: 18, height: "100%", width: 0 });
    const ticks = this.ticks(Math.max(2, Math.floor(this.inner / 70)));
    const grid = ticks.map(({ x, label }) => [upright(x), h("text", { x, y: 12, "text-anchor": "middle" }, label)]);
    this.svg.replaceChildren(h("g", { class: "grid" }, grid), this.selection, this.cursor);
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
    const x = this.at === null ? null : this.toX(this.at);
    const shown = x !== null && x >= this.left && x <= this.width;
    this.cursor.replaceChildren(...shown ? [upright(x, "at")] : [], ...this.outline());
  }

  // A frame round the session that is told of.
  outline() {
    if (!this.current || this.current.row < 0) return [];
    const { band, row } = this.current, { opened, ended } = this.spec.sessions;
    const x = Math.max(this.left, this.toX(opened[row])), end = Math.min(this.width - RIGHT, this.toX(ended[row]));
    if (end < this.left || x > this.width - RIGHT) return [];
    const place = band.isOpen && band.placeOf ? band.placeOf[band.laneOf[row - band.site.first]] : 0;
    if (place < 0) return [];
    const thick = band.isOpen ? band.thick : 0, y = band.canvas.offsetTop + place * thick - 1.5;
    const width = Math.max(2, end - x) + 3, height = (band.isOpen ? Math.max(2, thick - 2) : BAND) + 3;
    return [h("rect", { class: "found", x: x - 1.5, y, width, height, rx: 2 })];
  }

  // -- reading

  tell(band, row) {
    const { opened, ended, count: counts, outcome, requests, connections, process, pids } = this.spec.sessions;
    const alike = counts[row] > 1 ? `${number(counts[row])} sessions alike, ` : "";
    const lived = span(ended[row] - opened[row]);
    const used = `${count(requests[row], "request")} over ${count(connections[row], "connection")}, in use for`;
    this.current = { band, row };
    this.say(band, [
      `${alike}opened at ${moment(opened[row])}, ${isLeak(outcome[row]) ? "open for" : "lived"} ${lived}`,
      requests[row] ? `${used} ${span(this.spec.sessions.usedFor(row))}` : "never used",
      OUTCOMES[outcome[row]], pids.length > 1 ? `process ${pids[process[row]]}` : "",
    ].filter(Boolean).join("; "));
  }

  tellCrowd(band, when) {
    const { all, used, leaked } = band.crowds, share = (this.part[1] - this.part[0]) / this.inner;
    const [most, uses, leaks] = [all, used, leaked].map(crowd => crowd.profile(when - share / 2, share, 1)[0]);
    this.current = null;
    this.say(band, [`at ${moment(when)} ${number(most)} open`, uses ? `${number(uses)} of them in use` : "",
      leaks ? `${number(leaks)} of them leaked` : ""].filter(Boolean).join(", "));
  }

  say(band, words) {
    const [from, to] = this.spec.domain;
    this.told.className = band ? "told" : "told help";
    this.told.replaceChildren(...band ? [h("b", {}, at(band.site.site)), `: ${words}.`] : [HELP]);
    this.svg.setAttribute("aria-valuetext", band ? `${at(band.site.site)}: ${words}` : HELP);
    this.svg.setAttribute("aria-valuenow", Math.round(100 * ((this.at ?? from) - from) / (to - from)));
  }

  read(event) {
    const y = event.clientY, when = this.fromX(event.clientX - this.svg.getBoundingClientRect().left);
    const boxes = this.bands.filter(band => band.isSeen).map(band => [band, band.canvas.getBoundingClientRect()]);
    const [band, box] = boxes.find(([, { top, bottom }]) => y >= top && y < bottom) || [];
    if (!band) return;
    const near = (this.part[1] - this.part[0]) * NEAR / this.inner;
    const row = band.isOpen ? band.find(when, y - box.top, near) : -1;
    if (row >= 0) this.tell(band, row); else this.tellCrowd(band, when);
    this.drawCursor();
  }

  shownBands() { return this.bands.slice(0, this.list.children.length); }

  // -- going from session to session

  move(key, far) {
    const band = this.current?.band || this.band || this.bands[0], { first, last } = band.site;
    const isTold = this.current && this.current.row >= 0, begin = this.firstShown(band) - (key === "ArrowRight" ? 1 : 0);
    const now = isTold ? this.current.row : begin;
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
    if (!band.isOpen) { band.toggle(true); this.draw(); }
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
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return onkeydown(event);
      this.moveBand(event.key === "ArrowUp" ? -1 : 1);
      event.preventDefault();
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

function press(text, label, act) {
  const button = h("button", { type: "button", ...label && { "aria-label": label, title: label } }, text);
  button.onclick = act;
  return button;
}

const upright = (x, kind = "") => h("line", { class: kind, x1: x, x2: x, y1: 18, y2: "100%" });

// A colour as a canvas keeps it: "#rgb" or "#rrggbb" as a number, alpha first and red last.
function pixel(colour) {
  const digits = colour.length === 4 ? [...colour.slice(1)].map(digit => digit + digit).join("") : colour.slice(1);
  const [red, green, blue] = [0, 2, 4].map(index => parseInt(digits.slice(index, index + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
