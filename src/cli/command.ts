/**
 * What a command of the CLI is. One thin file per command exports `help` and `run`; run-cli.ts finds it and turns thrown
 * usage and configuration errors into exit code 2. Must never import a command: help stays instant.
 */
import type { Terminal } from './terminal.ts';

export interface CommandContext {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** 0: done, 1: failed, 2: used wrongly. */
export type ExitCode = number;

export interface Command {
  /** The whole text of `hotpath <command> --help`. */
  readonly help: string;
  /** @throws UsageError, ConfigError */
  run(args: readonly string[], context: CommandContext): Promise<ExitCode>;
}

/** The command line is wrong; the message says how. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
