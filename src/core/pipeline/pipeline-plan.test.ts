import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PipelineConfig, PipelineStep } from '../../ports/model-source.ts';
import type { Datatype } from '../tensor.ts';
import type { ModelView } from '../types.ts';
import { planPipeline } from './pipeline-plan.ts';

type Specs = Record<string, readonly [Datatype, readonly number[]]>;

function model(inputs: Specs, outputs: Specs): ModelView {
  const specs = (tensors: Specs) =>
    Object.entries(tensors).map(([name, [datatype, shape]]) => ({ name, datatype, shape }));
  const signature = { inputs: specs(inputs), outputs: specs(outputs), skippedOutputs: [] };
  return { name: 'm', version: '1', signature, batchable: true, labels: undefined, nan: 'allow' };
}

const scale = model({ raw: ['uint8', [-1, 8]] }, { scaled: ['float32', [-1, 8]] });
const net = model({ x: ['float32', [-1, -1]] }, { y: ['float32', [-1, 3]], z: ['int64', [-1]] });
const join = model({ a: ['float32', [-1, 3]], b: ['float32', [-1, 8]] }, { c: ['float32', [-1]] });

const step = (name: string, inputs: Record<string, string>, outputs: Record<string, string>): PipelineStep => ({
  model: name,
  inputs,
  outputs,
});
const scaling = step('scale', { raw: 'IN' }, { scaled: 's' });
const netting = step('net', { x: 's' }, { y: 'y' });
const joining = step('join', { a: 'y', b: 's' }, { c: 'OUT' });

function refusal(config: PipelineConfig, views: readonly ModelView[]): string {
  try {
    planPipeline(config, views);
  } catch (error) {
    return (error as Error).message;
  }
  assert.fail('it was accepted');
}

describe('a pipeline', () => {
  it('has the signature that follows from its steps', () => {
    const { signature, steps, first } = planPipeline({ steps: [joining, netting, scaling] }, [join, net, scale]);
    assert.deepEqual(signature, {
      inputs: [{ name: 'IN', datatype: 'uint8', shape: [-1, 8] }],
      outputs: [{ name: 'OUT', datatype: 'float32', shape: [-1] }],
      skippedOutputs: [],
    });
    assert.deepEqual(
      [first, steps.map(({ needs, next }) => [needs, next])],
      [
        [2],
        [
          [2, []],
          [1, [0]],
          [0, [0, 1]],
        ],
      ],
    );
  });

  it('has the inputs and outputs it names, in their order', () => {
    const steps = [step('join', { a: 'A', b: 'B' }, { c: 'C' }), step('net', { x: 'B' }, { y: 'Y', z: 'Z' })];
    const { signature } = planPipeline({ steps, inputs: ['B', 'A'], outputs: ['Z', 'C'] }, [join, net]);
    assert.deepEqual(
      [...signature.inputs, ...signature.outputs].map(({ name, shape }) => [name, shape]),
      [
        // Two steps take B; the narrower of both shapes holds.
        ['B', [-1, 8]],
        ['A', [-1, 3]],
        ['Z', [-1]],
        ['C', [-1]],
      ],
    );
  });

  it('is refused with the step and the tensor', () => {
    const cases: [config: PipelineConfig, views: ModelView[], message: string][] = [
      [
        { steps: [step('net', { q: 'IN' }, { y: 'y' })] },
        [net],
        'Step 1 of the pipeline, "net", has no input "q"; it has x.',
      ],
      [
        { steps: [step('net', { x: 'IN' }, { q: 'y' })] },
        [net],
        'Step 1 of the pipeline, "net", has no output "q"; it has y, z.',
      ],
      [
        { steps: [step('join', { a: 'A' }, { c: 'C' })] },
        [join],
        'Step 1 of the pipeline, "join", gets nothing for its input "b".',
      ],
      [
        { steps: [netting, step('net', { x: 't' }, { y: 'y' })] },
        [net, net],
        'Step 2 of the pipeline, "net", makes the tensor "y", which step 1 makes too.',
      ],
      [
        { steps: [netting, step('scale', { raw: 'y' }, { scaled: 'q' })] },
        [net, scale],
        'Step 2 of the pipeline, "scale", input "raw" is uint8 [?, 8], but the tensor "y" is float32 [?, 3].',
      ],
      [
        { steps: [netting, step('join', { a: 'q', b: 'y' }, { c: 'C' })] },
        [net, join],
        'Step 2 of the pipeline, "join", input "b" is float32 [?, 8], but the tensor "y" is float32 [?, 3].',
      ],
      [
        { steps: [scaling, netting], inputs: ['OTHER'] },
        [scale, net],
        'Step 1 of the pipeline, "scale", input "raw" is to be the tensor "IN", which is no input of the pipeline and no output of a step.',
      ],
      [{ steps: [scaling], inputs: ['IN', 'MORE'] }, [scale], 'The pipeline’s input "MORE" is used by no step.'],
      [{ steps: [scaling, netting], inputs: ['IN', 's'] }, [scale, net], 'The pipeline’s input "s" is made by a step.'],
      [{ steps: [scaling], outputs: ['OUT'] }, [scale], 'The pipeline’s output "OUT" is made by no step; they make s.'],
      [
        { steps: [scaling, step('net', { x: 'b' }, { y: 'a' }), step('net', { x: 'a' }, { y: 'b' })] },
        [scale, net, net],
        'The steps of the pipeline wait for each other in a circle: 2 ("net"), 3 ("net").',
      ],
    ];
    for (const [config, views, message] of cases) assert.equal(refusal(config, views), message);
  });

  it('can be run through to its end, or waits in a circle', () => {
    const tensors = fc.integer({ min: 0, max: 9 });
    const graph = fc.array(fc.record({ a: tensors, b: tensors }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(graph, (edges) => {
        const same = model({ a: ['float32', [-1]], b: ['float32', [-1]] }, { c: ['float32', [-1]] });
        const steps = edges.map(({ a, b }, index) => step('same', { a: `t${a}`, b: `t${b}` }, { c: `t${index}` }));
        const views = steps.map(() => same);
        try {
          const plan = planPipeline({ steps, outputs: ['t0'] }, views);
          const missing = plan.steps.map(({ needs }) => needs);
          const order = [...plan.first];
          for (const index of order) {
            for (const next of plan.steps[index]!.next) if (--missing[next]! === 0) order.push(next);
          }
          assert.equal(order.length, steps.length, 'a step never runs');
        } catch (error) {
          assert.match((error as Error).message, /wait for each other in a circle/);
        }
      }),
    );
  });
});
