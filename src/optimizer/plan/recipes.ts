/**
 * The variants that `optimize` knows, each as the passes that make it, with the reason for which models it is worth building. Called by
 * optimize.ts. What a pass can do is measured in docs; the conditions here are those rules. A recipe whose pass is absent is not offered.
 */

import type { PassName } from './pass-table.ts';
import type { ModelProfile } from './profile.ts';
import type { CheckedVariant, MachineFacts } from './result.ts';

export interface Step {
  readonly pass: PassName;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Recipe {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Step[];
  /** Without rows to calibrate on it cannot be built. */
  readonly needsData: boolean;
}

export interface Situation {
  readonly profile: ModelProfile;
  readonly machine: MachineFacts;
  /** Rows that were not made up. */
  readonly calibrationRows: number;
  readonly synthetic: boolean;
}

interface Offer {
  readonly recipe: (situation: Situation, checked: readonly CheckedVariant[]) => Recipe;
  /** Built unasked. */
  readonly sensible: (situation: Situation, checked: readonly CheckedVariant[]) => boolean;
}

/** Below this, saved bytes are not worth the loss. */
const worthBytes = 100_000;
/** Pruning and repair need rows to learn from. */
const pruneRows = 200;

const seven = ({ machine }: Situation) => (machine.vnni === false ? { reduceRange: true } : {});
const hasLinear = ({ profile }: Situation) => profile.linearLayers > 0 && !profile.quantized;
const hasConv = ({ profile }: Situation) => profile.convLayers > 0 && !profile.quantized;
const mostlyLinear = (situation: Situation) =>
  hasLinear(situation) && situation.profile.linearBytes > situation.profile.convBytes;
const prunable = (situation: Situation) =>
  (hasLinear(situation) || hasConv(situation)) && !situation.synthetic && situation.calibrationRows >= pruneRows;

function recipe(id: string, title: string, steps: readonly Step[], needsData = false): Recipe {
  return { id, title, steps, needsData };
}

function step(pass: PassName, settings: Readonly<Record<string, unknown>> = {}): Step {
  return { pass, settings };
}

/** Whether plain static quantization was not good enough, and no other way to do it was. */
function wasRefused(_: Situation, checked: readonly CheckedVariant[]): boolean {
  const isStatic = ({ id }: CheckedVariant) => id === 'static-int8' || id === 'static-mse' || id === 'layers-int8';
  const tried = checked.filter(isStatic);
  return tried.some(({ state }) => state === 'refused') && !tried.some(({ state }) => state === 'passed');
}

function isRefused(checked: readonly CheckedVariant[], id: string): boolean {
  return checked.some((variant) => variant.id === id && variant.state === 'refused');
}

/** Decibels to ask for after a variant that was not good enough. */
function betterThan(checked: readonly CheckedVariant[], id: string): number {
  const outputs = checked.find((variant) => variant.id === id)?.difference?.outputs ?? [];
  const worst = Math.min(...outputs.map(({ sqnrDb }) => sqnrDb));
  return Number.isFinite(worst) ? Math.max(20, Math.min(80, worst + 6)) : 30;
}

const tuning = { steps: 300, learningRate: 0.0005 };

/** Folds what is constant, so that quantization sees plain layers. */
const fold = step('offline', { level: 'basic' });

const offers: Readonly<Record<string, Offer>> = {
  offline: {
    recipe: () => recipe('offline', 'graph optimized', [step('offline', { level: 'extended' })]),
    sensible: () => true,
  },
  'dynamic-int8': {
    recipe: (situation) => recipe('dynamic-int8', 'dynamic INT8', [step('dynamic-int8', seven(situation))]),
    sensible: mostlyLinear,
  },
  'static-int8': {
    recipe: (situation) => recipe('static-int8', 'static INT8', [fold, step('static-int8', seven(situation))], true),
    sensible: (situation) => hasConv(situation) || hasLinear(situation),
  },
  'static-mse': {
    recipe: (situation) => {
      const settings = { ...seven(situation), method: 'mse' };
      return recipe('static-mse', 'static INT8 (MSE ranges)', [fold, step('static-int8', settings)], true);
    },
    sensible: wasRefused,
  },
  'layers-int8': {
    recipe: (situation) => {
      const settings = { ...seven(situation), method: 'mse', onlyLayers: true };
      return recipe('layers-int8', 'static INT8 (layers only)', [fold, step('static-int8', settings)], true);
    },
    // Handing on integers between layers is what makes it fast: for those who look for the last decibel.
    sensible: () => false,
  },
  'smooth-int8': {
    recipe: (situation) => {
      const steps = [fold, step('smooth-quant'), step('static-int8', seven(situation))];
      return recipe('smooth-int8', 'SmoothQuant + static INT8', steps, true);
    },
    sensible: mostlyLinear,
  },
  'mixed-int8': {
    recipe: (situation, checked) => {
      const settings = { ...seven(situation), targetDb: betterThan(checked, 'static-int8') };
      return recipe('mixed-int8', 'mixed INT8/FP32', [fold, step('mixed-precision', settings)], true);
    },
    // Layer by layer takes long: only where all layers at once were too much.
    sensible: wasRefused,
  },
  'weight-int8': {
    recipe: () => recipe('weight-int8', 'weight-only INT8', [step('weight-only', { bits: 8 })]),
    sensible: (situation) => mostlyLinear(situation) && situation.profile.linearBytes > worthBytes,
  },
  'gptq-int4': {
    recipe: () => recipe('gptq-int4', 'weight-only INT4 (GPTQ)', [step('gptq', { bits: 4 })], true),
    sensible: (situation) => mostlyLinear(situation) && situation.profile.linearBytes > worthBytes,
  },
  'weight-int4': {
    recipe: () => recipe('weight-int4', 'weight-only INT4', [step('weight-only', { bits: 4 })]),
    sensible: (situation) =>
      situation.calibrationRows === 0 && mostlyLinear(situation) && situation.profile.linearBytes > worthBytes,
  },
  'fp16-weights': {
    recipe: () => recipe('fp16-weights', 'FP16 weights', [step('float16-weights')]),
    sensible: ({ profile }) => profile.floatBytes > worthBytes && !profile.quantized && !profile.half,
  },
  fp16: {
    recipe: () => recipe('fp16', 'FP16', [step('float16')]),
    // No faster on any CPU measured: for those who ask.
    sensible: () => false,
  },
  'pruned-int8': {
    recipe: (situation) =>
      recipe(
        'pruned-int8',
        'pruned 50 % + static INT8',
        [fold, step('prune-structured', { share: 0.5 }), step('static-int8', seven(situation))],
        true,
      ),
    sensible: prunable,
  },
  pruned: {
    recipe: () => recipe('pruned', 'pruned 50 %', [fold, step('prune-structured', { share: 0.5 })], true),
    sensible: prunable,
  },
  'pruned-tuned': {
    recipe: () =>
      recipe(
        'pruned-tuned',
        'pruned 50 % + trained',
        [fold, step('prune-structured', { share: 0.5 }), step('further-training', tuning)],
        true,
      ),
    // Minutes of training: only where repair alone was not enough.
    sensible: (situation, checked) => prunable(situation) && isRefused(checked, 'pruned'),
  },
  'pruned-tuned-int8': {
    recipe: (situation) =>
      recipe(
        'pruned-tuned-int8',
        'pruned 50 % + trained + static INT8',
        [
          fold,
          step('prune-structured', { share: 0.5 }),
          step('further-training', tuning),
          step('static-int8', seven(situation)),
        ],
        true,
      ),
    sensible: (_, checked) => checked.some(({ id, state }) => id === 'pruned-tuned' && state === 'passed'),
  },
  'trained-int8': {
    recipe: (situation) => {
      const bits = situation.machine.vnni === false ? 7 : 8;
      const steps = [
        fold,
        step('further-training', { ...tuning, weightBits: bits }),
        step('static-int8', seven(situation)),
      ];
      return recipe('trained-int8', 'static INT8, trained for it', steps, true);
    },
    // Eight bits are seldom worth training for: where every cheaper way was refused.
    sensible: (situation, checked) =>
      prunable(situation) &&
      wasRefused(situation, checked) &&
      !checked.some(({ id, state }) => id === 'mixed-int8' && state === 'passed'),
  },
  sparse: {
    recipe: () => recipe('sparse', 'magnitude-pruned 50 %', [step('prune-magnitude', { share: 0.5 })]),
    // Only smaller when packed, and the runtime has no sparse kernels.
    sensible: () => false,
  },
};

/** Variants that take float16 models as they are; all others see them in float32 first. */
const takesHalf: ReadonlySet<string> = new Set(['offline', 'fp16', 'fp16-weights']);

/** The recipe of this name, one of `recipeIds`, for the model at hand. */
export function recipeFor(id: string, situation: Situation, checked: readonly CheckedVariant[]): Recipe {
  const made = offers[id]!.recipe(situation, checked);
  if (!situation.profile.half || takesHalf.has(id)) return made;
  return { ...made, steps: [step('float32'), ...made.steps] };
}

export function isSensible(id: string, situation: Situation, checked: readonly CheckedVariant[]): boolean {
  return offers[id]!.sensible(situation, checked);
}

/** Names for `--passes`. */
export const recipeIds: readonly string[] = Object.keys(offers);
