/** A training report as one HTML page without anything from elsewhere. Called by train.ts. All text from the table is escaped. */
import type { Evaluation, TrainReport } from '../training/train-report.ts';
import { metricTitles, remarks, showNumber, showShare } from './train-print.ts';

const css = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.25rem .75rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}.bar{display:inline-block;height:.7rem;background:#3b6ea5}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}}`;

export function renderTrainPage(report: TrainReport, name: string): string {
  const { evaluation, rows, columns, trainMs, options, seed } = report;
  const title = `${name}: ${report.model}${report.target === undefined ? '' : ` for ${report.target}`}`;
  const used = columns.map((column) => `${column.name} (${column.kind})`).join(', ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${css}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p>${report.task}, ${rows.train} rows to learn from, ${rows.test} to test on, seed ${seed}, trained in ${Math.round(trainMs)} ms, ${report.sizeBytes} bytes.</p>
${evaluation === undefined ? clusters(report) : evaluationParts(evaluation)}
<h2>Remarks</h2><ul>${remarks(report)
    .map((remark) => `<li>${escapeHtml(remark)}</li>`)
    .join('')}</ul>
<h2>Settings</h2><p>Columns: ${escapeHtml(used)}.</p><p>Options: <code>${escapeHtml(JSON.stringify(options))}</code></p>
</body></html>
`;
}

function evaluationParts(evaluation: Evaluation): string {
  const { metrics, baseline, importance, metric } = evaluation;
  const figures = Object.entries(metrics).map(([name, value]) => [
    metricTitles[name as keyof typeof metricTitles],
    showNumber(value),
    showNumber((baseline as unknown as Record<string, number>)[name]),
  ]);
  const most = Math.max(1e-12, ...importance.map(({ permutation }) => permutation));
  const bars = importance.map((each) => {
    const width = Math.round((200 * Math.max(0, each.permutation)) / most);
    return [
      each.name,
      raw(`<span class="bar" style="width:${width}px"></span>`),
      showNumber(each.permutation),
      showShare(each),
    ];
  });
  return [
    `<h2>On the test rows</h2>${table(['', 'model', 'baseline'], figures)}`,
    confusionPart(evaluation),
    `<h2>Columns</h2>${table(['column', '', `worse if shuffled (${metricTitles[metric]})`, 'used'], bars)}`,
  ].join('\n');
}

function confusionPart({ confusion, classNames }: Evaluation): string {
  if (confusion === undefined || classNames === undefined) return '';
  const most = Math.max(1, ...confusion.flat());
  const rows = confusion.map((counts, label) => [
    classNames[label]!,
    ...counts.map((count) => shade(count, count / most)),
  ]);
  return `<h2>Confusion</h2><p>Rows: true class. Columns: predicted class.</p>${table(['', ...classNames], rows)}`;
}

function shade(count: number, part: number): Cell {
  return raw(
    `<span style="background:rgba(59,110,165,${(0.6 * part).toFixed(2)});padding:.2rem .5rem">${count}</span>`,
  );
}

function clusters({ clusterRows = [] }: TrainReport): string {
  return `<h2>Clusters</h2>${table(
    ['cluster', 'rows'],
    clusterRows.map((rows, index) => [String(index), String(rows)]),
  )}`;
}

/** Text, which is escaped, or markup made here. */
type Cell = string | { readonly html: string };

function raw(html: string): Cell {
  return { html };
}

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (each: Cell) => (typeof each === 'string' ? escapeHtml(each) : each.html);
  const body = rows.map((row) => `<tr>${row.map((each) => `<td>${cell(each)}</td>`).join('')}</tr>`).join('');
  return `<table><tr>${head.map((each) => `<th>${escapeHtml(each)}</th>`).join('')}</tr>${body}</table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
