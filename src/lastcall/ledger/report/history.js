// The history of a report: every session with its moments, and how many there were at any of them.

const CLOSED = 0, OPEN = 1, BLOCK = 16, TINY = 1e-9;
const isLeak = outcome => outcome > OPEN;

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
    const part = bytes.subarray(offset, offset += columns.bytes[index]);
    read[name] = numbers(part, name === "outcome" ? Uint8Array : Float64Array);
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
    this.sites = sites.map((site, index) => ({ ...site, index, first, last: first += site.rows }));
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
    for (let index = 0; index < size; index++) {
      keys[index] = key(ends[index], index);
      keys[size + index] = key(begins[index], size + index);
    }
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
