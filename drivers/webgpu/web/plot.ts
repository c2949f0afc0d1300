/** Speed over time as a line, drawn as SVG. The colours are the style sheet's. */
import { niceCeiling, type RatePoint } from './rates.ts';

const HEIGHT = 220;
const MARGIN = { top: 12, right: 12, bottom: 26, left: 64 };
const ROWS = 4;
const MOST_COLUMNS = 5;
const SVG = 'http://www.w3.org/2000/svg';

/** Draws all of it anew; `seconds` is how long the time axis is at least. */
export function drawPlot(svg: SVGSVGElement, points: readonly RatePoint[], seconds: number): void {
  const width = Math.max(240, svg.clientWidth);
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const longest = Math.max(seconds, points.at(-1)?.seconds ?? 1);
  const highest = niceCeiling(Math.max(...points.map((point) => point.hashesPerSecond), 0));
  const x = (at: number): number => MARGIN.left + ((right - MARGIN.left) * at) / longest;
  const y = (rate: number): number => bottom - ((bottom - MARGIN.top) * rate) / highest;

  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren();
  for (let i = 0; i <= ROWS; i++) {
    const rate = (highest * i) / ROWS;
    add(svg, 'line', { class: 'grid', x1: MARGIN.left, x2: right, y1: y(rate), y2: y(rate) });
    const text = add(svg, 'text', { x: MARGIN.left - 8, y: y(rate) + 4, 'text-anchor': 'end' });
    text.textContent = axisText(rate, highest);
  }
  const step = niceCeiling(longest / MOST_COLUMNS);
  for (let at = 0; at <= longest; at += step) {
    // The last one would stand out beyond the edge.
    const anchor = x(at) > right - 20 ? 'end' : 'middle';
    const text = add(svg, 'text', { x: x(at), y: HEIGHT - 6, 'text-anchor': anchor });
    text.textContent = `${axisText(at, longest)} s`;
  }
  if (points.length === 0) return;

  const path = points.map(
    (point) => `${fixed(x(point.seconds))} ${fixed(y(point.hashesPerSecond))}`,
  );
  const first = points[0]!;
  const last = points.at(-1)!;
  const area = `M${fixed(x(first.seconds))} ${bottom}L${path.join('L')}L${fixed(x(last.seconds))} ${bottom}Z`;
  add(svg, 'path', { class: 'area', d: area });
  add(svg, 'path', { class: 'line', d: `M${path.join('L')}` });
  add(svg, 'circle', { class: 'dot', cx: x(last.seconds), cy: y(last.hashesPerSecond), r: 3.5 });
}

function add(
  parent: SVGElement,
  name: string,
  attributes: Readonly<Record<string, string | number>>,
): SVGElement {
  const made = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  parent.append(made);
  return made;
}

/** A value of an axis that ends at `highest`, with the digits that its steps need. */
function axisText(value: number, highest: number): string {
  if (value === 0) return '0';
  if (highest >= 10_000) return `${(value / 1000).toLocaleString('en')} k`;
  return value.toLocaleString('en', { maximumFractionDigits: highest >= 100 ? 0 : 3 });
}

function fixed(value: number): string {
  return value.toFixed(1);
}
