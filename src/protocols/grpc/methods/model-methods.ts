/** ModelReady, ModelMetadata, ModelConfig, ModelStatistics: what can be asked about a model beside its answers. */
import { invalidInput } from '../../../core/errors.ts';
import type { ModelStatus } from '../../../core/registry/catalog.ts';
import type { Caller } from '../../../ports/access.ts';
import { checkModel, visibleTo } from '../../model-scope.ts';
import { modelMetadata } from '../../oip/metadata.ts';
import { configOf } from '../../oip/model-config.ts';
import { loadedStatus, warmStatus } from '../../oip/model-lookup.ts';
import { modelStats } from '../../oip/statistics.ts';
import { type Method, unary } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import type { GrpcDeps } from '../deps.ts';
import { readMessage, writeMessage } from '../messages.ts';
import type { MethodsOf } from '../method-roles.ts';

type Methods = Pick<MethodsOf<'inference', Method>, 'ModelReady' | 'ModelMetadata' | 'ModelConfig' | 'ModelStatistics'>;

interface ModelRequest {
  readonly name: string;
  readonly version: string | undefined;
}

export function modelMethods({ deps }: GrpcContext): Methods {
  const { catalog, statistics } = deps;
  return {
    ModelReady: unary(async (message, { caller }) => {
      const { name, version } = readNamed('inference.ModelReadyRequest', message, caller);
      const { state } = await warmStatus(deps, name, version);
      return writeMessage('inference.ModelReadyResponse', { ready: state === 'ready' });
    }),
    ModelMetadata: unary(async (message, { caller }) => {
      const { name, version } = readNamed('inference.ModelMetadataRequest', message, caller);
      const status = await loadedStatus(deps, name, version);
      const metadata = modelMetadata(status, await catalog.list(name));
      return writeMessage('inference.ModelMetadataResponse', metadata);
    }),
    ModelConfig: unary(async (message, { caller }) => {
      const { name, version } = readNamed('inference.ModelConfigRequest', message, caller);
      const config = await configOf(deps, name, version);
      return writeMessage('inference.ModelConfigResponse', { config });
    }),
    ModelStatistics: unary(async (message, { caller }) => {
      const { name, version } = readRequest('inference.ModelStatisticsRequest', message);
      if (name !== '') checkModel(caller, name);
      const statuses = visibleTo(caller, await statusesOf(deps, name, version));
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

/** @throws INVALID_INPUT without a name, PERMISSION_DENIED for one the caller may not ask. */
function readNamed(type: string, message: Buffer, caller: Caller | undefined): ModelRequest {
  const request = readRequest(type, message);
  if (request.name !== '') {
    checkModel(caller, request.name);
    return request;
  }
  throw invalidInput('name', 'name: expected the name of a model, got nothing.', 'the name of a model');
}

function readRequest(type: string, message: Buffer): ModelRequest {
  const { name, version } = readMessage<{ name: string; version: string }>(type, message);
  return { name, version: version === '' ? undefined : version };
}
