/** A training report for the terminal. Called by train.ts. Figures stand beside those of the baseline, so that one sees whether anything was learned. */
import type { Importance } from '../training/evaluate/importance.ts';
import type { MetricName } from '../training/evaluate/metrics.ts';
import type { ModelKind } from '../training/pipeline/trained-model.ts';
import type { Agreement } from '../training/pipeline/verify.ts';
import type { Evaluation, TrainReport } from '../training/train-report.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

export const metricTitles: Readonly<Record<MetricName, string>> = {
  accuracy: 'accuracy',
  logLoss: 'log loss',
  macroF1: 'macro F1',
  auc: 'AUC',
  rmse: 'RMSE',
  mae: 'MAE',
  r2: 'R2',
};

/** Wider matrices are in the JSON and the page only. */
const widestConfusion = 12;
const mostImportances = 15;

export function printReport(report: TrainReport, style: Style): string {
  const { evaluation } = report;
  const blocks = [
    heading(report, style),
    evaluation === undefined ? clusterTable(report, style) : metricsTable(evaluation, style),
    evaluation === undefined ? '' : verdict(evaluation, report.model, style),
    evaluation === undefined ? '' : confusionTable(evaluation, style),
    evaluation === undefined ? '' : importanceTable(evaluation, style),
    ...remarks(report).map((remark) => `- ${remark}`),
  ];
  return blocks
    .filter((block) => block !== '')
    .join('\n\n')
    .replaceAll('\n\n- ', '\n- ');
}

function heading({ task, model, target, rows, columns, trainMs }: TrainReport, { bold }: Style): string {
  const what = target === undefined ? task : `${task} of ${target}`;
  const test = rows.test === 0 ? '' : `, ${rows.test} rows to test on`;
  const used = `${columns.length} ${columns.length === 1 ? 'column' : 'columns'}`;
  return `${bold(`${model}: ${what}`)}\n${rows.train} rows and ${used} to learn from${test}; trained in ${showMs(trainMs)}.`;
}

function metricsTable({ metrics, baseline }: Evaluation, style: Style): string {
  const rows = Object.entries(metrics).map(([name, value]) => [
    metricTitles[name as MetricName],
    showNumber(value),
    showNumber((baseline as unknown as Record<string, number>)[name]),
  ]);
  return renderTable(['ON TEST ROWS', 'MODEL', 'BASELINE'], rows, style);
}

/** Says so when nothing was learned. */
function verdict({ metrics, baseline }: Evaluation, model: ModelKind, { red }: Style): string {
  const [own, base] =
    'rmse' in metrics && 'rmse' in baseline
      ? [-metrics.rmse, -baseline.rmse]
      : 'accuracy' in metrics && 'accuracy' in baseline
        ? [-metrics.logLoss, -baseline.logLoss]
        : [0, 0];
  if (own > base) return '';
  const pace = model === 'mlp' ? ', or it learned too fast or too slowly (--learning-rate)' : '';
  return red(
    `The model is no better than the baseline: these columns do not tell the target, or there are too few rows${pace}.`,
  );
}

function confusionTable({ confusion, classNames }: Evaluation, style: Style): string {
  if (confusion === undefined || classNames === undefined || classNames.length > widestConfusion) return '';
  const rows = confusion.map((counts, label) => [classNames[label]!, ...counts.map(String)]);
  return renderTable(['TRUE \\ PREDICTED', ...classNames], rows, style);
}

function importanceTable({ importance, metric }: Evaluation, style: Style): string {
  const shown = importance.slice(0, mostImportances);
  const rows = shown.map((each) => [each.name, showNumber(each.permutation), showShare(each)]);
  const more = importance.length - shown.length;
  const rest = more === 0 ? '' : `\n${style.dim(`and ${more} more`)}`;
  return renderTable(['COLUMN', `WORSE IF SHUFFLED (${metricTitles[metric]})`, 'USED'], rows, style) + rest;
}

export function showShare({ share }: Importance): string {
  return share === undefined ? '-' : `${(100 * share).toFixed(1)} %`;
}

function clusterTable({ clusterRows = [] }: TrainReport, style: Style): string {
  const rows = clusterRows.map((count, cluster) => [String(cluster), String(count)]);
  return renderTable(['CLUSTER', 'ROWS'], rows, style);
}

/** Everything a reader should know that is no figure. */
export function remarks({ evaluation, notes, leftOut, agreement, inputs, columns }: TrainReport): string[] {
  const leaks = (evaluation?.leaks ?? []).map(
    ({ name, score }) =>
      `Column ${name} alone tells the target almost perfectly (${showNumber(score)}): make sure it is known before the target is, or leave it out with --exclude ${name}.`,
  );
  const left = leftOut.map(({ name, reason }) => `Left out ${name}: ${reason}.`);
  const proof =
    agreement === undefined
      ? []
      : [
          `The exported file was run on ${agreement.rows} rows: ${agreement.differentLabels === 0 ? 'no answer differs' : `${agreement.differentLabels} labels differ`} from the trainer's${tiesOf(agreement)} (largest difference ${agreement.largestDifference.toExponential(1)}).`,
        ];
  const names = columns.map(({ name }) => name).join(', ');
  const asked = inputs === 'tensor' ? `A row is a list of numbers: ${names}.` : `A row is an object of: ${names}.`;
  return [...leaks, ...notes, ...left, asked, ...proof];
}

/** Of networks, whose sums the runtime rounds. */
function tiesOf({ ties }: Agreement): string {
  if (ties === 0) return '';
  return `, but for ${ties} ${ties === 1 ? 'row' : 'rows'} where rounding decides between two classes`;
}

export function showNumber(value: number | undefined): string {
  if (value === undefined) return '-';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : 4);
}

function showMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
