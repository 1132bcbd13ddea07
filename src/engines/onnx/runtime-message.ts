/**
 * Makes the runtime's messages fit to be shown: no paths, no source positions, no C++ signatures, one line.
 * Called wherever an error of ONNX Runtime becomes a HotpathError. Node names such as /layer1/Conv stay: they are the model's.
 */
import { dirname } from 'node:path';

const longestMessage = 400;
const loadPrefix = /^(?:Load model from the model file failed:|Load model the model file failed\.)\s*/;
const sourcePosition = /(?:\/[\w.@+-]+)+\.(?:cc|cpp|cu|cuh|h|hpp):\d+\s*/;
const filePath = /(?:[A-Za-z]:)?(?:[\\/][\w.@+-]+)+\.(?:so|dll|dylib|onnx|ort|data|bin|node|json|cc|h)\b[\w.]*/g;

/** The sentence a client may read. `modelPath` is the file it must not learn about. */
export function cleanRuntimeMessage(error: unknown, modelPath: string): string {
  let text = error instanceof Error ? error.message : String(error);
  text = text.replaceAll(modelPath, 'the model file').replaceAll(`${dirname(modelPath)}/`, '');
  // A load error may wrap a second one of the same form.
  for (let round = 0; round < 3; round++) text = stripPosition(text.replace(loadPrefix, ''));
  text = text
    .replace(filePath, 'a file')
    .replace(/\s+/g, ' ')
    .replace(/ Please fix either the inputs\/outputs or the model\.$/, '')
    .trim();
  if (text === '') return 'The runtime gave no reason.';
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text;
}

/** Cuts `/src/file.cc:12 ns::Status ns::f(const T&) condition was false. ` down to what follows it. */
function stripPosition(text: string): string {
  const position = sourcePosition.exec(text);
  if (position === null) return text;
  const before = text.slice(0, position.index);
  let rest = text.slice(position.index + position[0].length);
  if (/^[\w:<>,&*~ ]*\(/.test(rest)) rest = rest.slice(endOfSignature(rest));
  return (
    before +
    rest
      .replace(/^(?:::<lambda[^>]*>|::operator\(\)|const|noexcept|\[with [^\]]*\]|\s)+/, '')
      .replace(/^.{1,200}? was false\.\s*/, '')
  );
}

/** Index after the parameter list that starts with the first parenthesis. */
function endOfSignature(text: string): number {
  let depth = 0;
  for (let index = text.indexOf('('); index < text.length; index++) {
    const char = text[index];
    if (char === '(') depth++;
    else if (char === ')' && --depth === 0 && text[index + 1] !== '(') return index + 1;
  }
  return 0;
}
