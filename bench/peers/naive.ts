/**
 * The naive Node server: node:http and onnxruntime-node in one process, one run() per request. What a first attempt looks
 * like. POST /predict {"features": [...]} -> {"outputs": [[...], ...]}. Arguments: model file, row shape as JSON.
 */
import * as http from 'node:http';
import { listen } from './listen.ts';
import { openModel } from './model-outputs.ts';

const model = await openModel(process.argv[2]!, JSON.parse(process.argv[3]!) as number[], 1);

async function predict(body: Buffer): Promise<string> {
  const { features } = JSON.parse(body.toString()) as { features: number[] };
  const outputs = await model.run(Float32Array.from(features));
  return JSON.stringify({ outputs: outputs.map((data) => Array.from(data, Number)) });
}

const server = http.createServer((request, response) => {
  if (request.method === 'GET') {
    response.end('ok');
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    predict(Buffer.concat(chunks)).then(
      (body) => {
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
        response.end(body);
      },
      () => response.writeHead(500).end(),
    );
  });
});

listen(server);
