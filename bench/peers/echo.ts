/** The ceiling: bare node:http that parses the JSON body and answers a small JSON. No model. Prints its port. */
import * as http from 'node:http';
import { listen } from './listen.ts';

const server = http.createServer((request, response) => {
  if (request.method === 'GET') {
    response.end('ok');
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { features } = JSON.parse(Buffer.concat(chunks).toString()) as { features: number[] };
    const body = JSON.stringify({ prediction: features[0], model: 'echo', version: '1' });
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  });
});

listen(server);
