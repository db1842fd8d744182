import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of a request. */
export type Fate =
  | 'pass'
  /** The connection is cut after some of the body; the server never has the whole. */
  | 'cut'
  /** The server does it, and the connection is cut before the answer. */
  | 'lose answer'
  /** The server does it, and there is no answer. */
  | 'keep answer'
  /** The answer is cut after some of its body. */
  | 'cut answer';

/** Between a client and a server of S3, and not always of help. */
export interface S3Proxy extends AsyncDisposable {
  endpoint: string;
  /** Decides on each request. Default: all pass. */
  fate: (request: IncomingMessage) => Fate;
  /** Waited for before a request goes to the server. Default: nothing. */
  hold: (request: IncomingMessage) => Promise<void>;
  /** `<method> <path and query>` of each so far. */
  requests: string[];
}

/** Bytes after which a body is cut. */
const SOME = 1_000_000;

export async function startS3Proxy(upstream: string): Promise<S3Proxy> {
  const to = new URL(upstream);
  const server = createServer(async (incoming, response) => {
    await proxy.hold(incoming);
    // A client that knows it for a proxy sends the whole URL.
    const url = new URL(incoming.url ?? '/', upstream);
    const path = `${url.pathname}${url.search}`;
    const fate = proxy.fate(incoming);
    proxy.requests.push(`${incoming.method} ${path}`);
    const sent = request({
      host: to.hostname,
      port: to.port,
      method: incoming.method,
      path: incoming.url?.startsWith('/') ? incoming.url : path,
      // As signed: with the name that the client knows.
      headers: incoming.headers,
    });
    sent.on('error', () => response.destroy());
    sent.on('response', (answer) => {
      if (fate === 'keep answer') return;
      if (fate === 'lose answer') {
        response.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        response.write(chunk);
        if (fate === 'cut answer' && bytes > SOME) response.destroy();
      });
      answer.on('end', () => response.end());
      answer.on('error', () => response.destroy());
    });
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      sent.write(chunk);
      if (fate === 'cut' && bytes > SOME) {
        sent.destroy();
        incoming.destroy();
      }
    });
    incoming.on('end', () => sent.end());
    incoming.on('error', () => sent.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: S3Proxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fate: () => 'pass',
    hold: async () => {},
    requests: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}

/** The first requests that match meet this fate, all others pass. */
export function firstOnes(count: number, matches: (request: IncomingMessage) => boolean, fate: Fate) {
  let left = count;
  return (request: IncomingMessage): Fate => {
    if (left === 0 || !matches(request)) return 'pass';
    left -= 1;
    return fate;
  };
}
