/** RepositoryIndex, RepositoryModelLoad, RepositoryModelUnload: Triton's model_repository extension. */
import { invalidInput } from '../../../core/errors.ts';
import { checkModel, visibleTo } from '../../model-scope.ts';
import { loadModel, unloadModel } from '../../oip/control.ts';
import { readLoadRequest, readUnloadRequest, repositoryIndex } from '../../oip/repository.ts';
import { type Method, unary } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import { readMessage, writeMessage } from '../messages.ts';
import type { MethodsOf } from '../method-roles.ts';

type Methods = Pick<
  MethodsOf<'inference', Method>,
  'RepositoryIndex' | 'RepositoryModelLoad' | 'RepositoryModelUnload'
>;

interface IndexRequest {
  readonly repositoryName: string;
  readonly ready: boolean;
}

interface ControlRequest {
  readonly repositoryName: string;
  readonly modelName: string;
  readonly parameters: Readonly<Record<string, { readonly parameterChoice: ParameterChoice }>>;
}

type ParameterChoice =
  | { readonly case: undefined }
  | { readonly case: string; readonly value: boolean | bigint | string | Uint8Array };

export function repositoryMethods({ deps }: GrpcContext): Methods {
  return {
    RepositoryIndex: unary(async (message, { caller }) => {
      const { repositoryName, ready } = readMessage<IndexRequest>('inference.RepositoryIndexRequest', message);
      checkRepository(repositoryName);
      const models = repositoryIndex(visibleTo(caller, await deps.catalog.list()), ready);
      return writeMessage('inference.RepositoryIndexResponse', { models });
    }),
    RepositoryModelLoad: unary(async (message, { caller }) => {
      const { model, body } = readControlRequest('inference.RepositoryModelLoadRequest', message);
      checkModel(caller, model);
      await loadModel(deps, readLoadRequest(model, body), caller);
      return writeMessage('inference.RepositoryModelLoadResponse', {});
    }),
    RepositoryModelUnload: unary(async (message, { caller }) => {
      const { model, body } = readControlRequest('inference.RepositoryModelUnloadRequest', message);
      checkModel(caller, model);
      await unloadModel(deps, readUnloadRequest(model, body), caller);
      return writeMessage('inference.RepositoryModelUnloadResponse', {});
    }),
  };
}

/** The request as the same call over REST would have it, but with files as bytes instead of base64. */
function readControlRequest(
  type: string,
  message: Buffer,
): { readonly model: string; readonly body: Readonly<Record<string, unknown>> } {
  const { repositoryName, modelName, parameters } = readMessage<ControlRequest>(type, message);
  checkRepository(repositoryName);
  if (modelName === '') {
    throw invalidInput('model_name', 'model_name: expected the name of a model, got nothing.', 'the name of a model');
  }
  const entries = Object.entries(parameters).map(([key, { parameterChoice: choice }]) => {
    if (choice.case !== undefined) return [key, choice.value] as const;
    const field = `parameters.${key.slice(0, 100)}`;
    throw invalidInput(field, `${field}: has no value of a known type.`, 'a bool, int64, string or bytes');
  });
  return { model: modelName, body: { parameters: Object.fromEntries(entries) } };
}

/** There is one repository, and it has no name. */
function checkRepository(name: string): void {
  if (name === '') return;
  throw invalidInput('repository_name', 'repository_name: expected nothing, as there is one repository.', 'nothing');
}
