/** The flags and arguments of a command, as it says which there are. Called by the commands; those that take settings use parse-flags.ts. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './command.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

export type CommandFlags<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true }>
>['values'];

export interface ParsedFlags<O extends Options> {
  readonly values: CommandFlags<O>;
  readonly positionals: readonly string[];
}

/** @throws UsageError for a flag that is not among `options`, or that lacks its value */
export function readFlags<const O extends Options>(args: readonly string[], options: O): ParsedFlags<O> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
