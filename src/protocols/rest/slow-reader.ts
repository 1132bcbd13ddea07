/**
 * Cuts an HTTP/1.1 client that does not read its answer. Called when part of an answer is still to be sent after everything was
 * handed to the socket, so clients that read pay nothing. HTTP/2 streams are watched by http2-limits.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** From now on a client that takes nothing is cut within `requestTimeoutMs`; 0 is no limit. */
export function cutSlowReader(request: IncomingMessage, response: ServerResponse, requestTimeoutMs: number): void {
  if (requestTimeoutMs === 0 || request.httpVersionMajor !== 1) return;
  const { socket } = request;
  // Also cuts while another request of the connection is pending, where the server's own listener would wait.
  response.once('timeout', () => socket.destroy());
  // Half, as node starts the time anew once, when it finds that the kernel has taken the beginning. When all is
  // sent, node puts the keep-alive time in its place.
  socket.setTimeout(Math.ceil(requestTimeoutMs / 2));
}
