// Lines over epochs, as SVG: with a legend, a reading at the pointer, a sentence, and the figures as a table.
import { cx, html, useId, useLayoutEffect, useRef, useState } from "../app/ui.js";
import { figure } from "./format.js";

const HEIGHT = 220;
const SIDE = { left: 48, right: 12, top: 12, bottom: 28 };

/** @param series [{name, colour, dashed, points: [[x, y], …]}], @param format of y */
export function Chart({ title, series, format = figure, summary, from0 = false, x = "epoch" }) {
  const onAxis = format === figure ? (tick) => String(Number(tick.toPrecision(4))) : format;
  const place = useRef(null);
  const id = useId();
  const [width, setWidth] = useState(480);
  const [at, setAt] = useState(null);
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(([entry]) => setWidth(Math.max(240, entry.contentRect.width)));
    sizes.observe(place.current);
    return () => sizes.disconnect();
  }, []);
  const drawn = series.filter((each) => each.points.length);
  const frame = framed(drawn, width, from0);
  const point = (event) => {
    const left = event.clientX - event.currentTarget.getBoundingClientRect().left;
    setAt(frame && nearest(frame.xs, frame.unx(left)));
  };
  return html`<figure class="chart" ref=${place} aria-labelledby=${id}>
    <div class="row"><h2 id=${id} class="grow">${title}</h2>
      <ul class="legend plain">${series.map((each) => html`<li class=${cx(each.colour, each.dashed && "dashed")}>${each.name}</li>`)}</ul></div>
    ${frame
      ? html`<svg width=${width} height=${HEIGHT} aria-hidden="true" onPointerMove=${point} onPointerLeave=${() => setAt(null)}>
          ${frame.yTicks.map((tick) => html`<g class="tick"><line x1=${SIDE.left} x2=${width - SIDE.right} y1=${frame.y(tick)} y2=${frame.y(tick)} />
            <text x=${SIDE.left - 6} y=${frame.y(tick) + 4} text-anchor="end">${onAxis(tick)}</text></g>`)}
          ${frame.xTicks.map((tick) => html`<text class="x" x=${frame.x(tick)} y=${HEIGHT - 8} text-anchor="middle">${tick}</text>`)}
          ${at !== null && html`<line class="at" x1=${frame.x(at)} x2=${frame.x(at)} y1=${SIDE.top} y2=${HEIGHT - SIDE.bottom} />`}
          ${drawn.map(({ points, colour, dashed }) => html`<path class=${cx("line", colour, dashed && "dashed")} d=${path(points, frame)} />
            ${dots(points, at).map(([left, top]) => html`<circle class=${cx("dot", colour)} cx=${frame.x(left)} cy=${frame.y(top)} r="3.5" />`)}`)}
        </svg>`
      : html`<p class="dim none-yet">Nothing to draw yet.</p>`}
    <figcaption>${at === null ? summary : reading(series, at, format, x)}</figcaption>
    ${frame && html`<${Figures} series=${drawn} xs=${frame.xs} format=${format} x=${x} title=${title} />`}
  </figure>`;
}

function framed(series, width, from0) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([left]) => left)))].sort((a, b) => a - b);
  if (!xs.length) return null;
  const ys = series.flatMap(({ points }) => points.map(([, top]) => top));
  const yTicks = ticks(from0 ? 0 : Math.min(...ys), Math.max(...ys), 4);
  const [low, high] = [Math.min(yTicks[0], ...ys), Math.max(yTicks.at(-1), ...ys)];
  const [first, last] = [xs[0], xs.at(-1) === xs[0] ? xs[0] + 1 : xs.at(-1)];
  const inner = width - SIDE.left - SIDE.right;
  const tall = HEIGHT - SIDE.top - SIDE.bottom;
  return {
    xs,
    yTicks,
    xTicks: ticks(first, last, Math.min(8, last - first)).filter((tick) => Number.isInteger(tick) && tick >= first && tick <= last),
    x: (value) => SIDE.left + ((value - first) / (last - first)) * inner,
    unx: (left) => first + ((left - SIDE.left) / inner) * (last - first),
    y: (value) => SIDE.top + (1 - (value - low) / (high - low || 1)) * tall,
  };
}

/** Round numbers from below `low` to above `high`. */
function ticks(low, high, wanted) {
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((each) => each * power >= rough * 0.999) ?? 10);
  const found = [];
  for (let index = Math.floor(low / step); index <= Math.ceil(high / step - 1e-9); index++) found.push(Number((index * step).toPrecision(12)));
  return found;
}

const path = (points, frame) => points.map(([x, y], index) => `${index ? "L" : "M"}${frame.x(x).toFixed(1)} ${frame.y(y).toFixed(1)}`).join("");
const dots = (points, at) => (at === null ? points.slice(-1) : points.filter(([x]) => x === at));
const nearest = (xs, x) => xs.reduce((best, each) => (Math.abs(each - x) < Math.abs(best - x) ? each : best), xs[0]);

function reading(series, at, format, x) {
  const found = series.map(({ name, points }) => [name, points.find(([left]) => left === at)?.[1]]);
  return `${x} ${at}: ${found.filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${format(value)}`).join(", ")}`;
}

function Figures({ series, xs, format, x, title }) {
  return html`<details class="figures"><summary>As a table</summary><div class="scroll" tabindex="0" role="region" aria-label=${`${title}, figures`}><table>
    <thead><tr><th scope="col">${x}</th>${series.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead>
    <tbody>${xs.map((at) => html`<tr><th scope="row">${at}</th>${series.map(({ points }) => {
      const found = points.find(([left]) => left === at);
      return html`<td class="number">${found ? format(found[1]) : "–"}</td>`;
    })}</tr>`)}</tbody></table></div></details>`;
}

/** The points of one figure in a history; what is missing is left out. */
export const pointsOf = (history, name) => (history ?? []).filter((each) => each[name] != null).map((each) => [each.epoch, each[name]]);
