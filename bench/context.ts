/** What every scenario gets: options, the model repository of this run, the client, and which competitors can take part. */
import type { HotpathOptions } from './competitors.ts';
import type { Client } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { Workspace } from './workspace.ts';

export interface BenchContext {
  readonly options: BenchOptions;
  readonly workspace: Workspace;
  readonly client: Client;
  readonly hotpath: HotpathOptions;
  readonly cores: number;
  /** The interpreter, or undefined where FastAPI and its friends are not installed. */
  readonly python: string | undefined;
}
