/**
 * Large batch answers as lines: one object per row, then one with count, model and timing. Written in pieces that wait for the
 * client to read, so a slow reader holds at most one piece of text.
 */
import type { Writable } from 'node:stream';
import type { InferResponse } from '../../core/types.ts';
import type { Interpretation } from '../../ports/handler.ts';
import { nextTurn } from '../codecs/turns.ts';
import { rowText, viewRow } from './answer-json.ts';
import { modelText, timingText } from './answer-parts.ts';

const pieceLength = 64 * 1024;

/** Writes all lines and ends the response; stops early when the client leaves. The header must be written already. */
export async function writeLines(
  response: Writable,
  answer: InferResponse,
  meaning: Interpretation,
  rows: number,
): Promise<void> {
  const view = viewRow(meaning, rows);
  let piece = '';
  for (let row = 0; row < rows; row++) {
    piece += `{${rowText(meaning, view, row)}}\n`;
    if (piece.length < pieceLength) continue;
    const flowing = response.write(piece);
    piece = '';
    // Also for fast readers: other requests get their turn between pieces.
    await (flowing ? nextTurn() : drained(response));
    if (response.destroyed) return;
  }
  response.end(`${piece}{"count":${rows},${modelText(answer.model)},${timingText(answer.timing)}}\n`);
}

function drained(response: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
  });
}
