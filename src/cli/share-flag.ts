/** Shares on the command line: `1%` or `0.01`. Called by the commands that take one. */
import { UsageError } from './command.ts';

/** @param flag without its dashes @throws UsageError */
export function parseShare(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new UsageError(`Flag --${flag} must be a share such as 1% or 0.01, not "${text}".`);
}
