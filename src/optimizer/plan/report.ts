/**
 * The report of `optimize` as one HTML file that needs nothing else: table, plots, what each pass did and left alone. Called by the
 * command. Pure.
 */
import { percent } from '../verify/gate.ts';
import { speedOf } from './choose.ts';
import { qualityOf, qualityTitle, worstSqnr } from './quality.ts';
import type { Markup } from './report-html.ts';
import { html, styleSheet, table } from './report-html.ts';
import { layerBars, sizeAndTime } from './report-plots.ts';
import type { BatchTiming, OptimizeResult, VariantResult } from './result.ts';

const mostListed = 200;

export function renderReport(result: OptimizeResult): string {
  const { variants, notes, model, choice, data, machine, target, maxDrop, task } = result;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${model}: variants</title><style>${{ html: styleSheet }}</style></head><body>
<h1>${model}</h1>
<p class="soft">${data.title}: ${data.calibrationRows} rows to calibrate, ${data.heldOutRows} held out to verify. ${task}; at most ${percent(maxDrop)} may be lost; target: ${target}.<br>
${machine.cpu}, ${machine.arch}, 1 thread, ${machine.runtime}.</p>
<p class="choice">${choice}</p>
${notes.map((note) => html`<p class="note">${note}</p>`)}
<h2>Variants</h2>
${variantTable(result)}
<p class="soft">Times are medians of rounds that took turns, with the interval that holds them with 95 % confidence. * no good variant beats it in size, time and quality at once.</p>
<h2>Size and time</h2>
${sizeAndTime(variants)}
${variants.filter(({ state }) => state !== 'original').map(detailsOf)}
</body></html>
`;
  return page.html;
}

function variantTable(result: OptimizeResult): Markup {
  const { variants, chosen } = result;
  const batches = variants[0]?.timings.map(({ batch }) => batch) ?? [];
  const rowsText = (batch: number) => `${batch} ${batch === 1 ? 'row' : 'rows'}, ms`;
  const headers = [
    '',
    'Variant',
    'Gate',
    qualityTitle(result),
    'Worst SQNR',
    'MB',
    ...batches.map(rowsText),
    'Memory, MB',
  ];
  const rows = variants.map((variant) => [
    variant.id === chosen ? 'chosen' : variant.pareto ? '*' : '',
    variant.title,
    gateCell(variant),
    qualityOf(variant, result),
    worstSqnr(variant),
    variant.sizeBytes === 0 ? '-' : (variant.sizeBytes / 1e6).toFixed(2),
    ...batches.map((batch) => timingCell(variant, batch)),
    variant.residentBytes === 0 ? '-' : (variant.residentBytes / 1e6).toFixed(0),
  ]);
  return table(headers, rows);
}

function timingCell(variant: VariantResult, batch: number): Markup | string {
  const timing = variant.timings.find((one) => one.batch === batch);
  if (timing === undefined) return '-';
  const { median, low, high } = timing.ms;
  const text = `${number(median)} (${number(low)}-${number(high)})`;
  return variant.state === 'original'
    ? text
    : html`${text} <span class="${colourOf(timing)}">${timing.speedup.median.toFixed(2)}x</span>`;
}

function colourOf(timing: BatchTiming): string {
  return { faster: 'good', slower: 'bad', same: 'soft' }[speedOf(timing)];
}

function number(value: number): string {
  return value < 0.1 ? value.toFixed(4) : value < 10 ? value.toFixed(2) : value.toFixed(1);
}

function gateCell({ state }: VariantResult): Markup {
  if (state === 'original') return html``;
  return html`<span class="${state === 'passed' ? 'good' : 'bad'}">${state}</span>`;
}

function detailsOf(variant: VariantResult): Markup {
  const { title, state, verdict, difference, layers, proof, passes, machineSpecific } = variant;
  const classes = difference?.labels?.classes ?? [];
  return html`<h2>${title} <span class="${state === 'passed' ? 'good' : 'bad'}">${state}</span></h2>
<p>${verdict.reason}${machineSpecific ? ' It is made for this kind of processor only.' : ''}</p>
${difference === undefined ? '' : outputTable(variant)}
${proof === undefined || proof.problems.length === 0 ? '' : html`<p class="bad">${proof.problems.join(' ')}</p>`}
${proof === undefined ? '' : html`<details><summary>What the runtime really runs</summary><p>${operatorText(proof.operators)}</p></details>`}
${classes.length === 0 ? '' : html`<details><summary>Classes that changed most</summary>${classTable(variant)}</details>`}
${layers.length === 0 ? '' : html`<details${state === 'passed' ? { html: '' } : { html: ' open' }}><summary>Precision by layer (SQNR in dB)</summary>${layerBars(layers)}</details>`}
${passes.map(passDetails)}`;
}

function outputTable({ difference }: VariantResult): Markup {
  const rows = difference!.outputs.map(({ name, sqnrDb, cosine, maxError, meanError, unexplained }) => [
    name,
    sqnrDb >= 150 ? 'exact' : sqnrDb.toFixed(1),
    cosine.toFixed(6),
    maxError.toPrecision(3),
    meanError.toPrecision(3),
    percent(unexplained),
  ]);
  return table(['Output', 'SQNR, dB', 'Cosine', 'Largest error', 'Mean error', 'Variance missed'], rows);
}

function classTable({ difference }: VariantResult): Markup {
  const rows = difference!.labels!.classes.map(({ label, original, variant, lost, gained }) => [
    label,
    original,
    variant,
    lost,
    gained,
  ]);
  return table(['Class', 'Rows of the original', 'Rows of the variant', 'Left it', 'Came to it'], rows);
}

function operatorText(operators: Readonly<Record<string, number>>): string {
  return Object.entries(operators)
    .toSorted(([, a], [, b]) => b - a)
    .map(([operator, count]) => `${operator} ${count}`)
    .join(', ');
}

function passDetails({ title, changed, skipped, notes }: VariantResult['passes'][number]): Markup {
  const list = (changes: typeof changed) =>
    table(
      ['Node', 'Operator', 'What'],
      changes.slice(0, mostListed).map(({ node, opType, what }) => [node, opType, what]),
    );
  return html`<details><summary>${title}: ${changed.length} changed, ${skipped.length} left alone</summary>
${notes.map((note) => html`<p>${note}</p>`)}${changed.length === 0 ? '' : list(changed)}${skipped.length === 0 ? '' : html`<h3>Left alone</h3>${list(skipped)}`}</details>`;
}
