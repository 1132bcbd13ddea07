/** A prediction's answer in the format the client takes, with the timing headers; the last step of the hot path. */
import { invalidInput } from '../../core/errors.ts';
import type { NamedTensor } from '../../core/tensor.ts';
import type { InferResponse, InferTiming } from '../../core/types.ts';
import type { Interpretation } from '../../ports/handler.ts';
import { jsonOutputs, jsonPrediction, jsonPredictions } from './answer-json.ts';
import { msgpackOutputs, msgpackPrediction, msgpackPredictions } from './answer-msgpack.ts';
import { writeLines } from './answer-ndjson.ts';
import { rawOutput } from './answer-raw.ts';
import { type AnswerFormat, answerFormatOf, contentTypes } from './body-format.ts';
import { millisText, secondsText } from './duration-text.ts';
import type { PredictCall } from './predict-call.ts';
import type { PredictExchange } from './predict-exchange.ts';
import { finishHeaders, send } from './send.ts';
import type { HeaderList, Wire } from './wire.ts';

/** Encodes, sends and finishes. @throws whatever encoding finds impossible, before anything is sent. */
export function sendAnswer(exchange: PredictExchange, call: PredictCall, answer: InferResponse): void {
  const { context, wire } = exchange;
  const fallback = exchange.format === 'msgpack' ? 'msgpack' : 'json';
  const format = answerFormatOf(wire.headers.accept, fallback);
  if (format === 'ndjson' && wire.stream !== undefined && isLong(exchange, call)) {
    void streamLines(exchange, wire.stream, call, answer);
    return;
  }
  const begun = context.deps.clock.now();
  const headers: HeaderList = [];
  const body = encode(exchange, call, answer, format, headers);
  const now = context.deps.clock.now();
  exchange.pushFacts(headers, answer);
  pushTiming(headers, answer.timing, exchange.parseMs, now - begun, now - exchange.startMs);
  const sent = format === 'ndjson' ? 'json' : format;
  send(context, wire, 200, contentTypes[sent], body, headers);
  exchange.finish(answer, context.deps.clock.now());
}

/** Server-Timing in milliseconds by stage, X-Process-Time in seconds as other servers have it. */
export function pushTiming(
  headers: HeaderList,
  timing: InferTiming,
  parseMs: number,
  encodeMs: number,
  totalMs: number,
): void {
  const { decodeMs, queueMs, batchMs, inferMs } = timing;
  headers.push(
    'server-timing',
    `decode;dur=${millisText(parseMs + decodeMs)}, queue;dur=${millisText(queueMs)}, batch;dur=${millisText(batchMs)}, infer;dur=${millisText(inferMs)}, encode;dur=${millisText(encodeMs)}`,
    'x-process-time',
    secondsText(totalMs),
  );
}

function encode(
  exchange: PredictExchange,
  call: PredictCall,
  answer: InferResponse,
  format: AnswerFormat,
  headers: HeaderList,
): string | Uint8Array {
  const packed = format === 'msgpack';
  if (format === 'raw') return rawOutput(answer, headers);
  if (call.kind === 'inputs') return packed ? msgpackOutputs(answer) : jsonOutputs(answer);
  const meaning = interpret(exchange, call, answer);
  if (isBatch(exchange, call)) {
    return packed ? msgpackPredictions(answer, meaning, call.rows) : jsonPredictions(answer, meaning, call.rows);
  }
  return packed ? msgpackPrediction(answer, meaning) : jsonPrediction(answer, meaning);
}

function interpret(exchange: PredictExchange, call: PredictCall, answer: InferResponse): Interpretation {
  const meaning = exchange.context.deps.interpret(answer.model, answer.outputs, call.rows);
  if (isBatch(exchange, call)) requireRows(meaning.prediction, call.rows);
  return call.labels ? meaning : { ...meaning, labels: undefined };
}

function requireRows({ name, shape }: NamedTensor, rows: number): void {
  if (shape[0] === rows) return;
  throw invalidInput(
    'instances',
    `The output "${name}" has no row per instance; send "inputs" to the model's own predict route to get it whole.`,
    'inputs',
  );
}

/** Raw bodies with several rows are a batch wherever they arrive. */
function isBatch(exchange: PredictExchange, call: PredictCall): boolean {
  return call.kind === 'instances' || (call.kind === 'raw' && (call.rows !== 1 || exchange.target.batch));
}

function isLong(exchange: PredictExchange, call: PredictCall): boolean {
  return isBatch(exchange, call) && call.rows > exchange.context.deps.config.ndjsonThresholdRows;
}

async function streamLines(
  exchange: PredictExchange,
  stream: NonNullable<Wire['stream']>,
  call: PredictCall,
  answer: InferResponse,
): Promise<void> {
  const { context, wire } = exchange;
  try {
    const meaning = interpret(exchange, call, answer);
    const begun = context.deps.clock.now();
    const headers: HeaderList = ['content-type', contentTypes.ndjson];
    exchange.pushFacts(headers, answer);
    pushTiming(headers, answer.timing, exchange.parseMs, 0, begun - exchange.startMs);
    finishHeaders(context, wire, headers);
    await writeLines(stream(200, headers), answer, meaning, call.rows);
    exchange.finish(answer, context.deps.clock.now());
  } catch (error) {
    exchange.fail(error);
  }
}
