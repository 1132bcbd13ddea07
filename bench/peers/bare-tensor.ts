/**
 * The least a server of large tensors can be: sockets, the sessions in worker threads, one body at a time handed over and one
 * answer written; no routing, limits, checks, batching or metrics, and a client that sends anything else breaks it. Between the raw
 * session loop and Hotpath it shows what the sockets alone cost. Arguments: model file, row shape as JSON, sessions.
 */
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openModel } from './model-outputs.ts';

interface Settings {
  readonly path: string;
  readonly rowShape: readonly number[];
}

interface Reply {
  readonly input: ArrayBuffer;
  readonly output: Float32Array;
}

type Job = { readonly socket: net.Socket; readonly body: Buffer };

function serve(settings: Settings, sessions: number): void {
  const bytes = 4 * settings.rowShape.reduce((product, dim) => product * dim, 1);
  const free: ArrayBuffer[] = [];
  const waiting: Job[] = [];
  const idle: Worker[] = [];
  const next = (): void => {
    while (idle.length > 0 && waiting.length > 0) {
      const worker = idle.pop()!;
      const { socket, body } = waiting.shift()!;
      worker.once('message', ({ input, output }: Reply) => {
        free.push(input);
        idle.push(worker);
        const answer = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
        socket.write(
          Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n`), answer]),
        );
        next();
      });
      worker.postMessage(body.buffer, [body.buffer as ArrayBuffer]);
    }
  };
  const server = net.createServer({ noDelay: true }, (socket) => {
    let body: Buffer | undefined;
    let filled = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      let from = 0;
      if (body === undefined) {
        if (chunk[0] === 'G'.charCodeAt(0)) {
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
          return;
        }
        body = Buffer.from(free.pop() ?? new ArrayBuffer(bytes));
        filled = 0;
        from = chunk.indexOf('\r\n\r\n') + 4;
      }
      filled += chunk.copy(body, filled, from);
      if (filled < bytes) return;
      waiting.push({ socket, body });
      body = undefined;
      next();
    });
  });
  for (let i = 0; i < sessions; i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: settings });
    worker.once('message', () => {
      idle.push(worker);
      if (idle.length < sessions) return;
      server.listen(0, '127.0.0.1', 1024, () => {
        console.log(`listening on port ${(server.address() as net.AddressInfo).port}`);
      });
    });
  }
}

if (isMainThread) {
  const [path, rowShape, sessions] = process.argv.slice(2) as [string, string, string];
  serve({ path, rowShape: JSON.parse(rowShape) as number[] }, Number(sessions));
} else {
  const { path, rowShape } = workerData as Settings;
  const model = await openModel(path, rowShape, 1);
  parentPort!.on('message', async (input: ArrayBuffer) => {
    const [output] = await model.run(new Float32Array(input));
    parentPort!.postMessage({ input, output: output! } satisfies Reply, [input]);
  });
  parentPort!.postMessage('ready');
}
