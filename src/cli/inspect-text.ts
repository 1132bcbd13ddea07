/** The report of `hotpath inspect` as text. Called by inspect.ts. Pure. */
import type { ModelReport, ValueReport } from '../optimizer/graph/inspect/inspect-model.ts';
import type { LayerReport } from '../optimizer/graph/inspect/layers.ts';
import { methods } from '../optimizer/graph/inspect/quantizability.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

export function renderInspection(report: ModelReport, mostLayers: number, style: Style): string {
  const sections = [
    general(report),
    signature(report, style),
    operators(report, style),
    layers(report, mostLayers, style),
    quantization(report, style),
    list('Warnings', report.warnings, style.bold),
    list('Problems', report.problems, style.red),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function general(report: ModelReport): string {
  const opsets = report.opsets.map(({ domain, version }) => `${domain || 'ai.onnx'} ${version}`).join(', ');
  const rows = [
    ['Producer', report.producer || '-'],
    ['IR version', String(report.irVersion)],
    ['Opsets', opsets || 'none'],
    ['Parameters', `${count(report.parameters)} in ${bytes(report.weightBytes)}`],
    ['Operations', flopsText(report)],
    ['Batching', report.batching.reason],
    ...report.externalFiles.map(({ file, bytes: size, tensors }) => [
      'Data file',
      `${file}: ${tensors} tensors, ${bytes(size)}`,
    ]),
    ...Object.entries(report.metadata).map(([key, value]) => [`Metadata ${key}`, shortened(value, 100)]),
  ];
  const width = Math.max(...rows.map(([label]) => label!.length));
  return rows.map(([label, text]) => `${label!.padEnd(width)}  ${text}`).join('\n');
}

function flopsText({ flops, layersWithoutFlops }: ModelReport): string {
  const unknown = layersWithoutFlops === 0 ? '' : `, without ${layersWithoutFlops} layers of unknown shapes`;
  return flops === 0 ? '-' : `${count(flops)} FLOPs a row, variable sizes taken as 1${unknown}`;
}

function signature({ inputs, outputs }: ModelReport, style: Style): string {
  const row = (what: string) => (value: ValueReport) => [
    what,
    value.name,
    value.kind === 'tensor' ? (value.datatype ?? '?') : value.kind,
    value.shape === null ? '-' : `[${value.shape.map((size) => (size === '' ? '?' : size)).join(', ')}]`,
  ];
  return renderTable(
    ['', 'NAME', 'TYPE', 'SHAPE'],
    [...inputs.map(row('input')), ...outputs.map(row('output'))],
    style,
  );
}

function operators({ operators: found, nodes }: ModelReport, style: Style): string {
  const texts = found.map(({ operator, domain, count: times }) => `${domain && `${domain}.`}${operator} ${times}`);
  return `${style.bold(`OPERATORS (${nodes})`)}\n${wrap(texts, 110).join('\n')}`;
}

function layers({ layers: found, weightBytes }: ModelReport, most: number, style: Style): string {
  if (found.length === 0 || most === 0) return '';
  const shown = found.slice(0, most);
  const rows = shown.map((layer) => [
    layer.name,
    layer.operator,
    layer.weightDatatype === null ? '-' : `${layer.weightDatatype} [${layer.weightShape.join(', ')}]`,
    count(layer.parameters),
    bytes(layer.weightBytes),
    percent(weightBytes === 0 ? 0 : layer.weightBytes / weightBytes),
    layer.flops === null ? (layer.counted ? '?' : '-') : count(layer.flops),
    marks(layer),
  ]);
  const table = renderTable(
    ['LAYER', 'OPERATOR', 'WEIGHT', 'PARAMETERS', 'SIZE', 'SHARE', 'FLOPS', 'FITS'],
    rows,
    style,
  );
  const rest = found.length - shown.length;
  return rest === 0 ? table : `${table}\n${style.dim(`.. and ${rest} more (--layers ${found.length})`)}`;
}

const short = { 'dynamic INT8': 'dyn8', 'static INT8': 'qdq8', 'weight-only INT4': 'w4', FP16: 'fp16' } as const;

function marks({ methods: verdicts }: LayerReport): string {
  const fitting = methods.filter((method) => verdicts?.[method] === 'yes').map((method) => short[method]);
  return fitting.join(' ') || '-';
}

function quantization({ quantization: reports }: ModelReport, style: Style): string {
  if (reports.every(({ layers: able, obstacles }) => able === 0 && obstacles.length === 0)) return '';
  const rows = reports.map(({ method, layers: able, weightShare, obstacles }) => [
    `${method} (${short[method]})`,
    String(able),
    percent(weightShare),
    obstacles
      .toSorted((a, b) => b.layers - a.layers)
      .slice(0, 4)
      .map(({ reason, layers: times }) => `${times}: ${reason}`)
      .join('; '),
  ]);
  return renderTable(['METHOD', 'LAYERS', 'OF WEIGHTS', 'WHY NOT THE OTHERS'], rows, style);
}

function list(title: string, sentences: readonly string[], paint: (text: string) => string): string {
  return sentences.length === 0 ? '' : [paint(title), ...sentences.map((sentence) => `  ${sentence}`)].join('\n');
}

function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 2 > width) lines.push(word);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines;
}

const units = ['', ' K', ' M', ' G', ' T'] as const;

/** 1234567 as `1.23 M`. */
function scaled(value: number, step: number, names: readonly string[]): string {
  let index = 0;
  while (value >= step && index < names.length - 1) {
    value /= step;
    index++;
  }
  return `${index === 0 ? value : value.toPrecision(3)}${names[index]}`;
}

const count = (value: number): string => scaled(value, 1000, units);
const bytes = (value: number): string => scaled(value, 1000, [' B', ' KB', ' MB', ' GB', ' TB']);
const percent = (share: number): string => `${Math.round(share * 100)} %`;
const shortened = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length)}…` : text.replaceAll('\n', ' ');
