/** What `hotpath serve` prints when it is ready: within a screen, the address, the models, and a line to try. Called by serve.ts. */
import type { Style } from './terminal.ts';

export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  readonly grpcUrl: string | undefined;
  readonly adminUrl: string | undefined;
  readonly modelsFolder: string;
  readonly models: readonly string[];
  readonly workers: number;
  /** Requests need a key. */
  readonly auth: boolean;
  /** From the start of the process, in milliseconds. */
  readonly readyMs: number;
}

const shownModels = 8;

function describeModels({ models, modelsFolder }: BannerFacts): string {
  if (models.length === 0) return `none yet: put one at ${modelsFolder}/<name>/1/model.onnx`;
  const shown = models.slice(0, shownModels).join(', ');
  return models.length > shownModels ? `${shown} and ${models.length - shownModels} more` : shown;
}

function lineToTry({ url, models, auth }: BannerFacts): string {
  const key = auth ? ` -H "X-API-Key: $HOTPATH_API_KEY"` : '';
  if (!models.includes('iris')) return `curl -s ${url}/api/v1/models${key}`;
  const body = `'{"model": "iris", "features": [5.1, 3.5, 1.4, 0.2]}'`;
  return `curl -s ${url}/api/v1/predict -H 'content-type: application/json'${key} -d ${body}`;
}

export function renderBanner(facts: BannerFacts, style: Style): string {
  const workers = facts.workers > 1 ? `, ${facts.workers} processes` : '';
  const rows: [string, string][] = [
    ['Models', describeModels(facts)],
    ['Docs', `${facts.url}/docs`],
    ['gRPC', facts.grpcUrl ?? 'off'],
    ['Admin', facts.adminUrl ?? 'off'],
  ];
  return [
    `${style.bold(`Hotpath ${facts.version}`)} serves at ${style.green(facts.url)} ${style.dim(`(ready in ${Math.round(facts.readyMs)} ms${workers})`)}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(8)}${value}`),
    '',
    'Try:',
    ...(facts.auth ? ['  # hotpath keys create --name me --role predict'] : []),
    `  ${lineToTry(facts)}`,
  ].join('\n');
}
