/** Metadata of the server: who it is and which extensions it really has. For REST and gRPC. */

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** `explicit`: clients of this port may load and unload models and change settings; `none`: they may look only. */
export type ControlMode = 'explicit' | 'none';

const extensions = [
  'classification',
  'schedule_policy',
  'model_configuration',
  'binary_tensor_data',
  'parameters',
  'statistics',
];

/** Only with `explicit` can clients do what these names promise. */
const controlExtensions = ['model_repository', 'logging'];

/** `more`: extensions that the composition root knows of, such as sequence. */
export function serverMetadata(version: string, control: ControlMode, more: readonly string[] = []): ServerMetadata {
  const controlled = control === 'explicit' ? controlExtensions : [];
  return { name: 'hotpath', version, extensions: [...extensions, ...controlled, ...more] };
}
