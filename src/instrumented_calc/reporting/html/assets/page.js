(() => {
"use strict";
const DATA = JSON.parse(document.getElementById("plots").textContent);
const SVG = document.createElementNS.bind(document, (document.querySelector("svg") || svgRoot()).namespaceURI);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const runs = {};

function svgRoot() { // without a drawing in the page: the parser knows the name space
  const holder = document.createElement("div");
  holder.innerHTML = "<svg></svg>";
  return holder.firstChild;
}

function svg(name, attributes = {}, text = null) {
  const made = SVG(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== null) made.textContent = text;
  return made;
}

function html(name, className = "", text = null) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  return made;
}

/* Numbers and units */

const TIMES = [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]];
const BYTES = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];
const unitOf = (units, value) => units.find(([size]) => value >= size) || units[units.length - 1];
const whole = (value) => Math.round(value).toLocaleString("en-US");

function figures(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size >= digits - 1 && size < 15) return value.toLocaleString("en-US", {maximumFractionDigits: 0});
  if (size < -5 || size >= 15) return value.toExponential(digits - 1);
  return value.toLocaleString("en-US", {minimumFractionDigits: digits - 1 - size, maximumFractionDigits: digits - 1 - size});
}

function duration(ns) {
  const [size, unit] = unitOf(TIMES, ns);
  return `${figures(ns / size)} ${unit}`;
}

function memory(bytes) {
  const [size, unit] = unitOf(BYTES, bytes);
  return `${figures(bytes / size)} ${unit}`;
}

function linearTicks(low, high, most) {
  const raw = (high - low) / Math.max(most, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= raw * 0.999);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) + 0; at * step <= high + step * 1e-9; at += 1) ticks.push(at * step + 0);
  return {ticks, step};
}

function logTicks(low, high, most) {
  const decades = Math.log10(high / low);
  const steps = decades < 1.3 ? [1, 1.5, 2, 3, 4, 5, 7] : decades < 2.5 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    for (const step of steps) {
      const at = step * 10 ** power;
      if (at >= low * 0.999 && at <= high * 1.001) ticks.push(at);
    }
  const every = Math.ceil(ticks.length / Math.max(most, 2));
  return ticks.filter((_, place) => place % every === 0);
}

function tickText(value, step, most = 1e8) { // more has no room beside an axis
  const decimals = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 9);
  if (Math.abs(value) >= most || (value !== 0 && decimals > 6)) return value.toExponential(1);
  return value.toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
}

/* Tip */

const tip = html("div", "tip");
tip.hidden = true;
document.body.append(tip);

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${clamp(x + 12, 4, Math.max(innerWidth - box.width - 4, 4))}px`;
  tip.style.top = `${y + 16 + box.height > innerHeight ? y - box.height - 10 : y + 16}px`;
}

const hideTip = () => { tip.hidden = true; };

/* Plots */

const LEFT = 66, RIGHT = 14, TOP = 10, BOTTOM = 38, HEIGHT = 184, ROW = 15;
const SHORT = {"warm-up": "warm-up", "trace window": "traced", "profiled steps": "profiled", compilation: "compiled", GC: "GC", waiting: "waiting", stall: "stalled"};
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "12 3", "1 4", "6 2 1 2 1 2", "3 5"];

class Run {
  constructor(anchor) {
    this.data = DATA[anchor];
    this.plots = [];
    const axis = this.data.axis;
    this.full = [axis.low, Math.max(axis.high, axis.low + 1)];
    this.view = this.full;
    this.cursor = null;
  }

  zoom(low, high) {
    const least = Math.min(2, this.full[1] - this.full[0]);
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    const width = Math.min(high - low, this.full[1] - this.full[0]);
    low = clamp(low, this.full[0], this.full[1] - width);
    this.view = [low, low + width];
    this.plots.forEach((plot) => plot.draw());
  }

  point(at) {
    this.cursor = at;
    this.plots.forEach((plot) => plot.showCursor());
  }
}

class Plot {
  constructor(host, run, spec) {
    Object.assign(this, {host, run, spec, linked: !spec.x});
    this.row = html("div", "row");
    this.unit = html("span", "unit");
    this.readout = html("p", "readout");
    this.readout.setAttribute("aria-live", "polite");
    this.reset = html("button", "", "Whole range");
    this.reset.type = "button";
    this.reset.hidden = true;
    this.reset.addEventListener("click", () => this.setView(...this.full()));
    this.row.append(this.unit, this.readout, this.reset);
    this.chart = svg("svg", {class: "chart", tabindex: 0, role: "img"});
    const keys = this.linked ? "arrow keys move the cursor, plus and minus zoom, Escape shows the whole range" : "arrow keys move the cursor";
    this.chart.setAttribute("aria-label", `${host.dataset.title}: ${keys}; the numbers are in the table below`);
    host.append(this.row, this.chart);
    if (spec.legend.length) host.append(this.legend());
    if (this.linked) run.plots.push(this);
    this.listen();
    new ResizeObserver(() => { if (host.clientWidth !== this.width) this.draw(); }).observe(host);
    this.draw();
  }

  full() { return this.linked ? this.run.full : this.spec.x.domain; }
  view() { return this.linked ? this.run.view : this.spec.x.domain; }
  setView(low, high) { if (this.linked) this.run.zoom(low, high); }

  legend() {
    const list = html("ul", "legend");
    for (const {name, colour, dash, shape} of this.spec.legend) {
      const item = html("li");
      const sample = svg("svg", {width: 26, height: 12, "aria-hidden": "true"});
      if (shape === "area") sample.append(svg("rect", {x: 1, y: 1, width: 24, height: 10, fill: `var(--${colour})`, "fill-opacity": 0.4, stroke: `var(--${colour})`, "stroke-dasharray": dash}));
      else if (shape === "band") sample.append(svg("rect", {x: 1, y: 1, width: 24, height: 10, fill: `var(--${colour})`, "fill-opacity": 0.25}), svg("path", {d: "M1 6H25", class: "line", stroke: `var(--${colour})`}));
      else if (shape) sample.append(marker(shape, 13, 6, colour));
      else sample.append(svg("path", {d: "M1 6H25", class: "line", stroke: `var(--${colour})`, "stroke-dasharray": dash}));
      item.append(sample, html("span", "", name));
      list.append(item);
    }
    return list;
  }

  draw() {
    const {spec, chart} = this;
    const width = Math.max(this.host.clientWidth, 220);
    this.width = this.host.clientWidth;
    const rows = spec.rows || [];
    const bottom = HEIGHT - BOTTOM;
    const height = HEIGHT + rows.length * ROW + (rows.length ? 4 : 0);
    chart.setAttribute("height", height);
    chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.replaceChildren();
    const [x0, x1] = this.view();
    const log = spec.x && spec.x.log;
    const fx = log ? Math.log : (value) => value;
    this.px = (x) => LEFT + (fx(x) - fx(x0)) / (fx(x1) - fx(x0)) * (width - LEFT - RIGHT);
    this.toX = (px) => {
      const part = (px - LEFT) / (width - LEFT - RIGHT);
      return log ? Math.exp(fx(x0) + part * (fx(x1) - fx(x0))) : x0 + part * (x1 - x0);
    };
    const scale = spec.scale(x0, x1);
    const {low, high} = scale;
    const fy = scale.log ? Math.log : (value) => value;
    const py = (y) => bottom - (fy(clamp(y, low, high)) - fy(low)) / (fy(high) - fy(low)) * (bottom - TOP);
    const size = scale.size || 1;
    const ticks = scale.log ? logTicks(low / size, high / size, 6) : linearTicks(low / size, high / size, 5).ticks;
    const step = scale.log ? null : linearTicks(low / size, high / size, 5).step;
    for (const tick of ticks) {
      const y = py(tick * size);
      chart.append(svg("path", {d: `M${LEFT} ${y}H${width - RIGHT}`, class: "grid"}));
      chart.append(svg("text", {x: LEFT - 6, y: y + 4, "text-anchor": "end"}, scale.text ? scale.text(tick) : scale.log ? figures(tick, tick < 10 ? 2 : 2) : tickText(tick, step)));
    }
    this.unit.textContent = scale.unit;
    this.drawX(width, height, x0, x1, log);
    const clip = `clip${Plot.count += 1}`;
    const clipPath = svg("clipPath", {id: clip});
    clipPath.append(svg("rect", {x: LEFT - 6, y: 0, width: width - LEFT - RIGHT + 12, height})); // whole marks at the edges
    const inside = svg("g", {"clip-path": `url(#${clip})`});
    chart.append(clipPath, inside);
    spec.paint({inside, px: this.px, py, low, high, bottom, view: [x0, x1], width});
    rows.forEach((row, number) => this.drawRow(inside, row, number, width));
    if (this.linked) this.drawPins(inside, bottom, width);
    this.cursorLine = svg("path", {class: "cursor", visibility: "hidden"});
    this.choice = svg("rect", {class: "choice", y: TOP, height: bottom - TOP, visibility: "hidden"});
    inside.append(this.choice, this.cursorLine);
    this.bottom = bottom;
    if (this.linked) this.reset.hidden = x0 === this.full()[0] && x1 === this.full()[1];
    this.showCursor();
  }

  drawX(width, height, x0, x1, log) {
    const {chart, spec} = this;
    const y = HEIGHT - BOTTOM;
    chart.append(svg("path", {d: `M${LEFT} ${y}H${width - RIGHT}`, class: "axis"}));
    const most = Math.max(Math.floor((width - LEFT - RIGHT) / 84), 2);
    const size = log ? spec.x.size : 1;
    const far = log && x1 > 4 * x0; // over less, a logarithmic scale is almost a linear one
    const {ticks, step} = far ? {ticks: logTicks(x0 / size, x1 / size, most), step: 0} : linearTicks(x0 / size, x1 / size, most);
    const shown = log ? ticks : ticks.filter((tick) => Number.isInteger(tick));
    const base = height - 20;
    let end = -Infinity;
    for (const tick of shown) {
      const x = this.px(tick * size);
      const text = far ? figures(tick, 2) : tickText(tick, log ? step : Math.max(step, 1), 1e12);
      const half = text.length * 3.3;
      chart.append(svg("path", {d: `M${x} ${y}v4`, class: "axis"}));
      const middle = clamp(x, half, width - half);
      if (middle - half < end + 8) continue;
      chart.append(svg("text", {x: middle, y: base, "text-anchor": "middle"}, text));
      end = middle + half;
    }
    chart.append(svg("text", {x: (LEFT + width - RIGHT) / 2, y: height - 5, "text-anchor": "middle"}, spec.x ? spec.x.name : this.run.data.axis.name));
  }

  drawRow(inside, {kind, spans, colour}, number, width) {
    const y = HEIGHT - BOTTOM + 6 + number * ROW;
    this.chart.append(svg("text", {x: LEFT - 6, y: y + 10, "text-anchor": "end"}, SHORT[kind] || kind));
    inside.append(svg("path", {d: `M${LEFT} ${y + 6}H${width - RIGHT}`, class: "grid"}));
    for (const span of spans) {
      const left = this.px(span.first), right = this.px(span.last + 1);
      const rect = svg("rect", {x: left, y, width: Math.max(right - left, 3), height: 11, fill: `var(--${colour})`, class: "span"});
      const words = `${span.kind}, ${this.run.data.axis.name} ${whole(span.first)}${span.last > span.first ? ` to ${whole(span.last)}` : ""}${span.text ? `: ${span.text}` : ""}`;
      rect.append(svg("title", {}, words));
      inside.append(rect);
    }
  }

  drawPins(inside, bottom, width) {
    let end = -Infinity, level = 0;
    for (const pin of [...this.run.data.pins].sort((one, other) => one.at - other.at)) {
      const x = this.px(pin.at);
      if (x < LEFT - 1 || x > width - RIGHT + 1) continue;
      const line = svg("path", {d: `M${x} ${TOP - 4}V${bottom}`, class: `pin ${pin.kind}`});
      line.append(svg("title", {}, `${pin.kind}: ${pin.text}`));
      inside.append(line);
      if (!this.spec.pins) continue;
      const shown = pin.text.length > 28 ? `${pin.text.slice(0, 27)}…` : pin.text;
      const room = shown.length * 6.2 + 12;
      const left = x + room > width - RIGHT ? Math.max(x - room + 8, LEFT - 4) : x + 4;
      if (left < end) { level += 1; } else { level = 0; }
      if (level > 2) continue;
      inside.append(svg("text", {x: left, y: TOP + 10 + level * 14, class: "mark"}, shown));
      end = Math.max(end, left + room);
    }
  }

  showCursor() {
    const at = this.linked ? this.run.cursor : this.at;
    if (at === null || at === undefined) {
      this.cursorLine.setAttribute("visibility", "hidden");
      this.readout.textContent = this.spec.idle || "";
      return;
    }
    const x = this.px(at);
    this.cursorLine.setAttribute("d", `M${x} ${TOP - 4}V${this.bottom}`);
    this.cursorLine.setAttribute("visibility", "visible");
    this.readout.textContent = this.spec.words(at);
  }

  point(at) {
    const [low, high] = this.view();
    at = clamp(at, low, high);
    if (this.linked) this.run.point(at);
    else { this.at = at; this.showCursor(); }
  }

  listen() {
    const {chart} = this;
    const place = (event) => event.clientX - chart.getBoundingClientRect().left;
    let begin = null;
    chart.addEventListener("pointermove", (event) => {
      const x = place(event);
      if (begin !== null && this.linked) {
        this.choice.setAttribute("x", Math.min(begin, x));
        this.choice.setAttribute("width", Math.abs(x - begin));
        this.choice.setAttribute("visibility", "visible");
      }
      this.point(this.toX(x));
    });
    chart.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      begin = place(event);
      chart.setPointerCapture(event.pointerId);
    });
    chart.addEventListener("pointerup", (event) => {
      const x = place(event);
      if (begin !== null && Math.abs(x - begin) > 5) this.setView(...[this.toX(begin), this.toX(x)].sort((one, other) => one - other));
      begin = null;
      this.choice.setAttribute("visibility", "hidden");
    });
    chart.addEventListener("pointercancel", () => { begin = null; this.choice.setAttribute("visibility", "hidden"); });
    chart.addEventListener("pointerleave", () => {
      if (begin === null && document.activeElement !== chart) { if (this.linked) this.run.point(null); else { this.at = null; this.showCursor(); } }
    });
    chart.addEventListener("dblclick", () => this.setView(...this.full()));
    chart.addEventListener("keydown", (event) => {
      const [low, high] = this.view();
      const at = this.linked ? this.run.cursor : this.at;
      const middle = at === null || at === undefined ? (low + high) / 2 : at;
      const steps = {ArrowRight: 1, ArrowLeft: -1};
      if (event.key in steps) this.point(this.spec.next(middle, steps[event.key]));
      else if (event.key === "Home") this.point(low);
      else if (event.key === "End") this.point(high);
      else if (event.key === "+" || event.key === "=") this.setView(middle - (high - low) / 4, middle + (high - low) / 4);
      else if (event.key === "-") this.setView(middle - (high - low), middle + (high - low));
      else if (event.key === "Escape") this.setView(...this.full());
      else return;
      event.preventDefault();
    });
  }
}
Plot.count = 0;

function marker(shape, x, y, colour) {
  const d = {triangle: `M${x} ${y - 5}l5 9h-10z`, cross: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`}[shape];
  return svg("path", {d, class: "point", stroke: `var(--${colour})`, "stroke-width": 1.8, fill: shape === "cross" ? "none" : `var(--${colour})`});
}

/* The entry of ascending values that a position belongs to. */
function entry(values, at) {
  let low = 0, high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= at) low = middle; else high = middle - 1;
  }
  return low;
}

function nearest(values, at) {
  const place = entry(values, at);
  return place + 1 < values.length && values[place + 1] - at < at - values[place] ? place + 1 : place;
}

const inView = (first, last, [x0, x1]) => first.map((_, place) => place).filter((place) => last[place] >= x0 && first[place] <= x1);

function limits(values, room = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return [0, 1];
  const extra = (high - low) * room || Math.abs(high) * 0.02 || 1;
  return [low - extra, high + extra];
}

function bandPath(xs, lows, highs) {
  if (!xs.length) return "";
  return `M${xs.map((x, place) => `${x} ${highs[place]}`).join("L")}L${xs.map((x, place) => `${x} ${lows[place]}`).reverse().join("L")}Z`;
}

const linePath = (xs, ys) => (xs.length ? `M${xs.map((x, place) => `${x} ${ys[place]}`).join("L")}` : "");

function latencySpec(run) {
  const {bins, slow, failed, spans, axis} = run.data;
  const middle = bins.first.map((first, place) => (first + bins.last[place]) / 2);
  const [size, unit] = unitOf(TIMES, [...bins.median].sort((one, other) => one - other)[bins.median.length >> 1]);
  const kinds = [...new Set(spans.map((each) => each.kind))];
  const colours = {"warm-up": "s7", "trace window": "s3", "profiled steps": "s8", compilation: "s4", GC: "s2", waiting: "s1", stall: "bad"};
  const legend = [{name: "fastest to slowest, median as a line", colour: "s0", shape: "band"}];
  if (slow.length) legend.push({name: "slow calculation", colour: "s1", shape: "triangle"});
  if (failed.length) legend.push({name: "failed calculation", colour: "bad", shape: "cross"});
  return {
    legend, pins: true, idle: "Drag over a plot to zoom; plus, minus and arrow keys work, too.",
    rows: kinds.map((kind) => ({kind, colour: colours[kind] || "s7", spans: spans.filter((each) => each.kind === kind)})),
    next: (at, step) => middle[clamp(nearest(middle, at) + step, 0, middle.length - 1)],
    words: (at) => {
      const place = nearest(middle, at);
      const where = bins.first[place] === bins.last[place] ? whole(bins.first[place]) : `${whole(bins.first[place])} to ${whole(bins.last[place])}`;
      return `${axis.name} ${where}: ${whole(bins.calls[place])} ${bins.calls[place] === 1 ? "call" : "calls"}, min ${duration(bins.min[place])}, median ${duration(bins.median[place])}, max ${duration(bins.max[place])}`;
    },
    scale: (x0, x1) => {
      const shown = inView(bins.first, bins.last, [x0, x1]);
      const values = shown.flatMap((place) => [bins.min[place], bins.max[place]]);
      values.push(...slow.filter(([at]) => at >= x0 && at <= x1).map(([, wall]) => wall));
      const positive = values.filter((value) => value > 0);
      const [least, most] = [Math.min(...positive), Math.max(...positive)];
      if (!positive.length) return {low: 0, high: 1, unit: "time per call, ns"};
      if (most > 6 * least) return {low: least * 0.85, high: most * 1.25, log: true, size, unit: `time per call, ${unit} (log)`};
      const room = Math.max(0.02 * most - (most - least) / 2, 0); // differences of less are not worth a scale
      const [low, high] = limits([least - room, most + room]);
      return {low: Math.max(low, 0), high, size, unit: `time per call, ${unit}`};
    },
    paint: ({inside, px, py, view}) => {
      const shown = inView(bins.first, bins.last, [view[0] - (view[1] - view[0]), view[1] + (view[1] - view[0])]);
      const edges = shown.flatMap((place) => [px(bins.first[place] - 0.5), px(bins.last[place] + 0.5)]);
      const twice = (values, of = py) => shown.flatMap((place) => [of(values[place]), of(values[place])]);
      inside.append(svg("path", {d: bandPath(edges, twice(bins.min), twice(bins.max)), fill: "var(--s0)", "fill-opacity": 0.25}));
      inside.append(svg("path", {d: linePath(shown.map((place) => px(middle[place])), shown.map((place) => py(bins.median[place]))), class: "line", stroke: "var(--s0)"}));
      if (shown.length === 1) inside.append(svg("circle", {cx: px(middle[shown[0]]), cy: py(bins.median[shown[0]]), r: 3, fill: "var(--s0)"}));
      for (const [calls, shape, colour] of [[slow, "triangle", "s1"], [failed, "cross", "bad"]])
        for (const [at, wall, text] of calls) {
          const mark = marker(shape, px(at), py(wall), colour);
          mark.append(svg("title", {}, `${duration(wall)}: ${text}`));
          inside.append(mark);
        }
    },
  };
}

function partsSpec(run) {
  const {bins, parts, axis} = run.data;
  const middle = bins.first.map((first, place) => (first + bins.last[place]) / 2);
  const layers = [...parts, {name: "between calculations", ns: bins.gap}];
  const mean = layers.map(({ns}) => ns.map((time, place) => time / bins.calls[place]));
  const sums = [];
  mean.forEach((values, number) => sums.push(values.map((value, place) => value + (number ? sums[number - 1][place] : 0))));
  const top = sums[sums.length - 1];
  const [size, unit] = unitOf(TIMES, [...top].sort((one, other) => one - other)[top.length >> 1]);
  const colour = (number) => `s${number % 9}`;
  return {
    legend: layers.map(({name}, number) => ({name, colour: colour(number), dash: DASHES[number % 9], shape: "area"})).reverse(),
    next: (at, step) => middle[clamp(nearest(middle, at) + step, 0, middle.length - 1)],
    words: (at) => {
      const place = nearest(middle, at);
      const shown = layers.map(({name}, number) => `${name} ${duration(mean[number][place])}`);
      return `${axis.name} ${whole(bins.first[place])}: ${shown.join(", ")}`;
    },
    scale: (x0, x1) => {
      const shown = inView(bins.first, bins.last, [x0, x1]).map((place) => top[place]).sort((one, other) => one - other);
      const most = shown.length ? Math.min(shown[shown.length - 1], 4 * shown[shown.length >> 1]) : 1;
      return {low: 0, high: most * 1.06 || 1, size, unit: `mean per calculation, ${unit}`};
    },
    paint: ({inside, px, py}) => {
      const xs = middle.map(px);
      sums.forEach((values, number) => {
        const lower = number ? sums[number - 1] : values.map(() => 0);
        inside.append(svg("path", {d: bandPath(xs, lower.map(py), values.map(py)), fill: `var(--${colour(number)})`, "fill-opacity": 0.4}));
        inside.append(svg("path", {d: linePath(xs, values.map(py)), class: "line", stroke: `var(--${colour(number)})`, "stroke-dasharray": DASHES[number % 9]}));
      });
    },
  };
}

function distributionSpec(run) {
  const {edges, calls, marks} = run.data.distribution;
  const total = calls.reduce((sum, each) => sum + each, 0);
  const most = Math.max(...calls);
  const log = most > 300;
  const height = (number) => (log ? Math.log10(1 + number) : number);
  const [size, unit] = unitOf(TIMES, marks.length ? marks[0][1] : edges[0]);
  const middles = calls.map((_, place) => Math.sqrt(edges[place] * edges[place + 1]));
  return {
    legend: [], x: {domain: [edges[0], edges[edges.length - 1]], log: true, size, name: `time per call, ${unit} (log)`},
    next: (at, step) => middles[clamp(entry(edges, at) + step, 0, middles.length - 1)],
    words: (at) => {
      const place = Math.min(entry(edges, at), calls.length - 1);
      return `${duration(edges[place])} to ${duration(edges[place + 1])}: ${whole(calls[place])} ${calls[place] === 1 ? "call" : "calls"}, ${figures(100 * calls[place] / total)} % of ${whole(total)}`;
    },
    scale: () => (log ? {low: 0, high: height(most) * 1.3, unit: "calls (log)", text: (tick) => (Number.isInteger(tick) ? (tick > 6 ? `${whole(10 ** (tick - 6))} M` : tick ? whole(10 ** tick) : "0") : "")} : {low: 0, high: most * 1.35 || 1, unit: "calls"}),
    paint: ({inside, px, py, bottom, width}) => {
      calls.forEach((number, place) => {
        const left = px(edges[place]), right = px(edges[place + 1]), y = py(height(number));
        if (number) inside.append(svg("rect", {x: left + 0.5, y, width: Math.max(right - left - 1, 1), height: bottom - y, fill: "var(--s0)", "fill-opacity": 0.6, class: "bucket"}));
      });
      let end = -Infinity, level = 0;
      for (const [name, at] of marks) {
        const x = px(at), text = `${name} ${duration(at)}`, room = text.length * 6.4 + 10;
        const left = x + room > width - RIGHT ? x - room + 6 : x + 4;
        level = left < end ? level + 1 : 0;
        inside.append(svg("path", {d: `M${x} ${TOP - 4}V${bottom}`, class: "pin phase"}), svg("text", {x: left, y: TOP + 6 + 14 * level, class: "mark"}, text));
        end = Math.max(end, left + room);
      }
    },
  };
}

function seriesSpec(run, series, {change = false, units = null, limit = null, unitName = null} = {}) {
  const shift = series.map((each) => (change ? each.middle[0] : 0));
  const moved = series.map((each, number) => ({
    ...each, middle: each.middle.map((value) => value - shift[number]),
    low: (each.low || each.middle).map((value) => value - shift[number]), high: (each.high || each.middle).map((value) => value - shift[number]),
  }));
  const longest = moved.reduce((best, each) => (each.at.length > best.at.length ? each : best));
  const text = (value, unit) => (units ? memory(value) : `${change && value > 0 ? "+" : ""}${figures(value, 5)} ${unit}`);
  const values = moved.flatMap((each) => [...each.low, ...each.high]);
  const largest = Math.max(...values.map(Math.abs));
  const near = limit !== null && limit < 3 * largest;
  const [size, unit] = units ? unitOf(units, largest) : [1, unitName || series[0].unit.replace("A^3", "Å³").replace("eV/A", "eV/Å").replace(/^A$/, "Å")];
  const legend = series.length > 1 || limit !== null ? series.map(({name}, number) => ({name, colour: `s${number}`, dash: DASHES[number]})) : [];
  if (limit !== null) legend.push({name: near ? `limit, ${memory(limit)}` : `limit, ${memory(limit)}: far above`, colour: "ink", dash: "7 4"});
  return {
    legend,
    next: (at, step) => longest.at[clamp(nearest(longest.at, at) + step, 0, longest.at.length - 1)],
    words: (at) => {
      const shown = moved.map((each) => `${each.name} ${text(each.middle[nearest(each.at, at)], each.unit)}`);
      return `${run.data.axis.name} ${whole(longest.at[nearest(longest.at, at)])}: ${shown.join(", ")}`;
    },
    scale: (x0, x1) => {
      const shown = moved.flatMap((each) => each.at.flatMap((at, place) => (at >= x0 && at <= x1 ? [each.low[place], each.high[place]] : [])));
      if (near) shown.push(limit);
      const [low, high] = limits(shown);
      return {low: units ? Math.max(low, 0) : low, high, size, unit: change ? `change, ${unit}` : unit};
    },
    paint: ({inside, px, py, width}) => {
      if (near) inside.append(svg("path", {d: `M${LEFT} ${py(limit)}H${width - RIGHT}`, class: "limit"}));
      moved.forEach((each, number) => {
        const xs = each.at.map(px);
        if (each.low) inside.append(svg("path", {d: bandPath(xs, each.low.map(py), each.high.map(py)), fill: `var(--s${number})`, "fill-opacity": 0.2}));
        inside.append(svg("path", {d: linePath(xs, each.middle.map(py)), class: "line", stroke: `var(--s${number})`, "stroke-dasharray": DASHES[number]}));
        if (xs.length < 30) xs.forEach((x, place) => inside.append(svg("circle", {cx: x, cy: py(each.middle[place]), r: 2.2, fill: `var(--s${number})`})));
      });
    },
  };
}

function specOf(host, run) {
  const {kind, fields} = host.dataset;
  if (kind === "latency") return latencySpec(run);
  if (kind === "parts") return partsSpec(run);
  if (kind === "distribution") return distributionSpec(run);
  if (kind === "memory") return seriesSpec(run, run.data.memory, {units: BYTES, limit: run.data.limit});
  const names = fields.split(" ");
  const chosen = run.data.state.filter((each) => names.includes(each.field));
  return seriesSpec(run, chosen, {change: names.includes("potential_ev") || names.includes("conserved_ev")});
}

/* Flame graph */

const HINT = "Click a piece to enlarge it, or use arrow keys and Enter; Escape shows everything.";

function flame(figure) {
  const pieces = all("svg.piece", figure);
  const readout = figure.querySelector(".readout");
  const made = pieces.map((node) => ({
    node, left: parseFloat(node.getAttribute("x")), width: parseFloat(node.getAttribute("width")),
    parent: Number(node.dataset.parent), label: node.getAttribute("aria-label"),
    text: node.querySelector("text"), name: node.querySelector("text").textContent,
  }));
  made.forEach((each) => each.node.querySelector("title").remove());
  let root = 0, focus = 0;
  const above = (number) => { const found = []; for (let at = made[number].parent; at >= 0; at = made[at].parent) found.push(at); return found; };
  const children = (number) => made.flatMap((each, place) => (each.parent === number ? [place] : []));

  function fit() {
    const total = figure.clientWidth;
    for (const each of made) {
      const room = Math.floor((parseFloat(each.node.getAttribute("width")) / 100 * total - 10) / 6.6);
      each.text.textContent = room < 3 ? "" : each.name.length > room ? `${each.name.slice(0, room - 1)}…` : each.name;
    }
  }

  function zoom(number) {
    root = number;
    const {left, width} = made[number];
    const around = new Set(above(number));
    made.forEach((each, place) => {
      const inside = place === number || above(place).includes(number);
      each.node.setAttribute("visibility", inside || around.has(place) ? "visible" : "hidden");
      each.node.setAttribute("x", inside ? `${(each.left - left) / width * 100}%` : around.has(place) ? "0%" : "100%");
      each.node.setAttribute("width", inside ? `${each.width / width * 100}%` : around.has(place) ? "100%" : "0%");
    });
    fit();
    readout.textContent = number ? `${made[number].label}. Escape shows everything.` : HINT;
  }

  function move(number) {
    made[focus].node.setAttribute("tabindex", -1);
    focus = number;
    made[focus].node.setAttribute("tabindex", 0);
    made[focus].node.focus();
    readout.textContent = made[focus].label;
  }

  made.forEach((each, number) => {
    each.node.addEventListener("click", () => { zoom(number === root && number ? 0 : number); move(number); });
    each.node.addEventListener("pointermove", (event) => showTip(each.label, event.clientX, event.clientY));
    each.node.addEventListener("pointerleave", hideTip);
    each.node.addEventListener("focus", () => { readout.textContent = each.label; });
    each.node.addEventListener("keydown", (event) => {
      const shown = (list) => list.filter((place) => made[place].node.getAttribute("visibility") !== "hidden");
      const beside = shown(children(each.parent)), place = beside.indexOf(number), inner = shown(children(number));
      if (event.key === "ArrowRight" && place + 1 < beside.length) move(beside[place + 1]);
      else if (event.key === "ArrowLeft" && place > 0) move(beside[place - 1]);
      else if (event.key === "ArrowUp" && each.parent >= 0) move(each.parent);
      else if (event.key === "ArrowDown" && inner.length) move(inner[0]);
      else if (event.key === "Enter" || event.key === " ") zoom(number);
      else if (event.key === "Escape") { zoom(0); move(0); }
      else return;
      event.preventDefault();
    });
  });
  readout.textContent = HINT;
  new ResizeObserver(fit).observe(figure);
}

function flameChoices(panel) {
  const figures_ = all("figure.flame", panel);
  if (figures_.length < 2) return;
  const choices = html("div", "choices");
  const buttons = figures_.map((figure, number) => {
    const button = html("button", "", figure.dataset.title);
    button.type = "button";
    button.addEventListener("click", () => choose(number));
    choices.append(button);
    return button;
  });
  const choose = (chosen) => figures_.forEach((figure, number) => {
    figure.hidden = number !== chosen;
    buttons[number].setAttribute("aria-pressed", number === chosen);
  });
  figures_[0].before(choices);
  choose(0);
}

/* Tables: sort by a column, save as CSV */

function sortable(table) {
  const heads = all("thead th", table), body = table.tBodies[0], original = [...body.rows];
  const numeric = (text) => {
    const found = /^[~+]?(-?[\d,]*\.?\d+)(?: x 10\^(-?\d+))?/.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) * 10 ** Number(found[2] || 0) : null;
  };
  heads.forEach((head, column) => {
    if (original.length && original.every((row) => !row.cells[column] || row.cells[column].className === "n" || row.cells[column].textContent.trim() === "-") && column) head.className = "n";
    const button = html("button", "", head.textContent);
    button.type = "button";
    button.title = "Sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (was === "ascending") { body.append(...original); return; }
      const sign = was === "descending" ? 1 : -1;
      head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      const keyed = original.map((row) => { const text = row.cells[column] ? row.cells[column].textContent.trim() : ""; return {row, text, value: numeric(text)}; });
      keyed.sort((one, other) => {
        if (one.value === null && other.value === null) return sign * (one.text < other.text ? -1 : one.text > other.text ? 1 : 0);
        if (one.value === null || other.value === null) return one.value === null ? 1 : -1;
        return sign * (one.value - other.value);
      });
      body.append(...keyed.map((each) => each.row));
    });
  });
  const save_ = html("button", "", "Save as CSV");
  save_.type = "button";
  save_.addEventListener("click", () => {
    const cell = (text) => { const safe = /^[=+\-@\t\r]/.test(text) && numeric(text) === null ? `'${text}` : text; return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe; };
    const lines = all("tr", table).map((row) => [...row.cells].map((each) => cell(each.textContent.trim())).join(","));
    save(`${table.parentElement.getAttribute("aria-label")}.csv`, `${lines.join("\n")}\n`, "text/csv");
  });
  table.parentElement.after(save_);
}

function save(name, text, type) {
  const link = html("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = name.replace(/[^\w.-]+/g, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/* Filter: rows and figures that have all words */

function filter(holder) {
  const [input, output] = [holder.querySelector("input"), holder.querySelector("output")];
  const items = [...all("table.data tbody tr"), ...all(".charts section.panel")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const rows = items.filter((item) => item.tagName === "TR").length;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, place) => {
      item.hidden = !words.every((word) => texts[place].includes(word));
      if (item.tagName === "TR" && !item.hidden) shown += 1;
    });
    output.textContent = words.length ? `${whole(shown)} of ${whole(rows)} rows` : "";
  });
  holder.hidden = false;
}

/* Page */

function theme(button) {
  const names = ["", "dark", "light"], words = ["as the system", "dark", "light"];
  let chosen = 0;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % names.length;
    if (names[chosen]) document.body.dataset.theme = names[chosen]; else delete document.body.dataset.theme;
    button.textContent = `Theme: ${words[chosen]}`;
  });
}

function allNumbers() { // as text: a script rounds large integers
  const [numbers, plots] = ["numbers", "plots"].map((id) => document.getElementById(id).textContent.trim());
  return plots === "{}" ? numbers : `${numbers.slice(0, -1)},"plots":${plots}}`;
}

function arrive(id) {
  const target = id && document.getElementById(id);
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target.classList.contains("panel")) {
    target.classList.add("flash");
    setTimeout(() => target.classList.remove("flash"), 1500);
  }
}

document.querySelector(".tools").hidden = false;
theme(document.getElementById("theme"));
document.getElementById("download").addEventListener("click", () => save("numbers.json", allNumbers(), "application/json"));
all("figure.flame").forEach(flame);
all("section.panel").forEach(flameChoices);
for (const anchor in DATA) if (DATA[anchor].axis) runs[anchor] = new Run(anchor);
all(".plot").forEach((host) => { const run = runs[host.dataset.run]; new Plot(host, run, specOf(host, run)); });
all("a.jump").forEach((link) => link.addEventListener("click", () => {
  const run = runs[link.dataset.run];
  if (run && link.dataset.at !== undefined) { run.zoom(...run.full); run.point(Number(link.dataset.at)); }
}));
addEventListener("hashchange", () => arrive(decodeURIComponent(location.hash.slice(1))));
arrive(decodeURIComponent(location.hash.slice(1)));
all("a[href^='#']").forEach((link) => link.addEventListener("click", () => arrive(decodeURIComponent(link.getAttribute("href").slice(1)))));
all("table.data").forEach((table) => { if (table.closest("details")) table.closest("details").addEventListener("toggle", () => sortable(table), {once: true}); else sortable(table); });
all("p.filter").forEach(filter);
document.body.dataset.drawn = "yes";
})();
