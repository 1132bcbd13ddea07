/** The plots of the report as inline SVG: size against time, and precision layer by layer. Called by report.ts. Pure. */

import type { LayerDifference } from '../verify/layers.ts';
import type { Markup } from './report-html.ts';
import { html } from './report-html.ts';
import type { VariantResult } from './result.ts';

const width = 720;
const height = 340;
const labelWidth = 170;
const margin = { left: 70, right: 150, top: 16, bottom: 44 };

interface Axis {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Logarithmic, with ticks at 1, 2 and 5. */
function logAxis(values: readonly number[], from: number, to: number): Axis {
  const low = Math.log10(Math.min(...values) / 1.3);
  const high = Math.log10(Math.max(...values) * 1.3);
  const place = (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (const step of [1, 2, 5]) {
      const value = step * 10 ** power;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
    }
  }
  return { place, ticks };
}

const colours = {
  original: 'var(--ink)',
  passed: 'var(--good)',
  refused: 'var(--bad)',
  failed: 'var(--bad)',
  unchanged: 'var(--soft)',
} as const;

/** Left and down is better. Hollow: refused. */
export function sizeAndTime(variants: readonly VariantResult[]): Markup {
  const shown = variants.filter(({ timings, sizeBytes }) => timings.length > 0 && sizeBytes > 0);
  if (shown.length < 2) return html``;
  const timeOf = (variant: VariantResult) => Math.max(1e-6, variant.timings[0]!.ms.median);
  const megabytes = ({ sizeBytes }: VariantResult) => sizeBytes / 1e6;
  const x = logAxis(shown.map(megabytes), margin.left, width - margin.right);
  const y = logAxis(shown.map(timeOf), height - margin.bottom, margin.top);
  const bottom = height - margin.bottom;
  const vertical = x.ticks.map((tick) => {
    const at = x.place(tick).toFixed(1);
    return html`<line x1="${at}" x2="${at}" y1="${margin.top}" y2="${bottom}"/><text class="soft" x="${at}" y="${bottom + 16}" text-anchor="middle">${short(tick)}</text>`;
  });
  const horizontal = y.ticks.map((tick) => {
    const at = y.place(tick).toFixed(1);
    return html`<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}"/><text class="soft" x="${margin.left - 6}" y="${at}" dy="4" text-anchor="end">${short(tick)}</text>`;
  });
  const labels = spreadLabels(
    shown.map((variant) => ({ x: x.place(megabytes(variant)), y: y.place(timeOf(variant)) })),
  );
  const points = shown.map((variant, index) => {
    const [cx, cy] = [x.place(megabytes(variant)).toFixed(1), y.place(timeOf(variant)).toFixed(1)];
    const colour = colours[variant.state];
    const fill = variant.state === 'refused' ? 'none' : colour;
    return html`<circle cx="${cx}" cy="${cy}" r="6" fill="${fill}" stroke="${colour}" stroke-width="2"><title>${variant.title}</title></circle><text x="${Number(cx) + 11}" y="${labels[index]!.toFixed(1)}" dy="4">${variant.title}</text>`;
  });
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Size against time of each variant">${vertical}${horizontal}${points}
<text class="soft" x="${(margin.left + width - margin.right) / 2}" y="${height - 6}" text-anchor="middle">file, MB</text>
<text class="soft" transform="translate(14 ${height / 2}) rotate(-90)" text-anchor="middle">1 row, ms</text></svg>`;
}

/** Labels that stand side by side at least a line apart, each as near to its point as that allows. */
function spreadLabels(points: readonly { readonly x: number; readonly y: number }[]): number[] {
  const placed: { readonly x: number; readonly y: number; readonly index: number }[] = [];
  const order = points.map((point, index) => ({ ...point, index })).toSorted((a, b) => a.y - b.y);
  for (const { x, y, index } of order) {
    const near = placed.filter((other) => Math.abs(other.x - x) < labelWidth);
    placed.push({ x, y: Math.max(y, ...near.map((other) => other.y + 14)), index });
  }
  return placed.toSorted((a, b) => a.index - b.index).map(({ y }) => y);
}

function short(value: number): string {
  return Number(value.toPrecision(2)).toString();
}

const rowHeight = 16;
const barStart = 260;
const mostDb = 80;

/** A bar per layer, in the order of the model; beyond 80 dB all are as good. */
export function layerBars(layers: readonly LayerDifference[]): Markup {
  const bars = layers.map(({ node, opType, sqnrDb }, index) => {
    const y = index * rowHeight;
    const length = (Math.max(0, Math.min(mostDb, sqnrDb)) / mostDb) * (width - barStart - 70);
    const name = node.length > 30 ? `..${node.slice(-28)}` : node;
    const colour = sqnrDb < 20 ? 'var(--bad)' : 'var(--mark)';
    return html`<text x="${barStart - 8}" y="${y + 12}" text-anchor="end">${name} <tspan class="soft">${opType}</tspan><title>${node}</title></text><rect x="${barStart}" y="${y + 3}" width="${length.toFixed(1)}" height="10" fill="${colour}"/><text class="soft" x="${(barStart + length + 6).toFixed(1)}" y="${y + 12}">${sqnrDb >= 150 ? 'exact' : sqnrDb.toFixed(1)}</text>`;
  });
  return html`<svg viewBox="0 0 ${width} ${layers.length * rowHeight + 4}" role="img" aria-label="SQNR in decibels by layer">${bars}</svg>`;
}
