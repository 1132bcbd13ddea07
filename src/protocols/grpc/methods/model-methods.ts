/** ModelReady, ModelMetadata, ModelConfig, ModelStatistics: what can be asked about a model beside its answers. */
import { invalidInput } from '../../../core/errors.ts';
import type { ModelStatus } from '../../../core/registry/catalog.ts';
import { modelMetadata } from '../../oip/metadata.ts';
import { configOf } from '../../oip/model-config.ts';
import { loadedStatus, warmStatus } from '../../oip/model-lookup.ts';
import { modelStats } from '../../oip/statistics.ts';
import { type Method, unary } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import type { GrpcDeps } from '../deps.ts';
import { readMessage, writeMessage } from '../messages.ts';

interface ModelRequest {
  readonly name: string;
  readonly version: string | undefined;
}

export function modelMethods({ deps }: GrpcContext): Readonly<Record<string, Method>> {
  const { catalog, statistics } = deps;
  return {
    ModelReady: unary(async (message) => {
      const { name, version } = readNamed('inference.ModelReadyRequest', message);
      const { state } = await warmStatus(deps, name, version);
      return writeMessage('inference.ModelReadyResponse', { ready: state === 'ready' });
    }),
    ModelMetadata: unary(async (message) => {
      const { name, version } = readNamed('inference.ModelMetadataRequest', message);
      const status = await loadedStatus(deps, name, version);
      const metadata = modelMetadata(status, await catalog.list(name));
      return writeMessage('inference.ModelMetadataResponse', metadata);
    }),
    ModelConfig: unary(async (message) => {
      const { name, version } = readNamed('inference.ModelConfigRequest', message);
      const config = await configOf(deps, name, version);
      return writeMessage('inference.ModelConfigResponse', { config });
    }),
    ModelStatistics: unary(async (message) => {
      const { name, version } = readRequest('inference.ModelStatisticsRequest', message);
      const statuses = await statusesOf(deps, name, version);
      const source = await statistics();
      const stats = statuses.map((status) => modelStats(status, source));
      return writeMessage('inference.ModelStatisticsResponse', { model_stats: stats });
    }),
  };
}

/** Without a name every model that was used, without a version every version. @throws MODEL_NOT_FOUND. */
async function statusesOf({ catalog }: GrpcDeps, name: string, version?: string): Promise<readonly ModelStatus[]> {
  if (name === '') return catalog.snapshot();
  const first = await catalog.describe(name, version);
  return version === undefined ? catalog.list(name) : [first];
}

function readNamed(type: string, message: Buffer): ModelRequest {
  const request = readRequest(type, message);
  if (request.name !== '') return request;
  throw invalidInput('name', 'name: expected the name of a model, got nothing.', 'the name of a model');
}

function readRequest(type: string, message: Buffer): ModelRequest {
  const { name, version } = readMessage<{ name: string; version: string }>(type, message);
  return { name, version: version === '' ? undefined : version };
}
