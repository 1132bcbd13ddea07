/** What of this processor decides how the runtime lays out tensors. Called by offline.ts for the metadata of tied results. */
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';

const telling =
  /^(sse4_1|avx|avx2|fma|avx512f|avx512bw|avx512_vnni|avx_vnni|amx_int8|amx_bf16|asimd|asimddp|i8mm|sve)$/;

/** As `x64 AMD EPYC 9B45 avx2 avx512f`; without the flags where the system does not tell them. */
export function describeProcessor(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return [arch(), model, ...processorFlags()].join(' ');
}

function processorFlags(): string[] {
  try {
    const line = readFileSync('/proc/cpuinfo', 'utf8').match(/^(?:flags|Features)\s*:\s*(.*)$/m);
    return (line?.[1] ?? '').split(' ').filter((flag) => telling.test(flag));
  } catch {
    return [];
  }
}
