import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The server has no such file (404, 410): another attempt will not find it either. */
export class Gone extends Error {
  override readonly name = 'Gone';
}

/** The server could not be reached, refused for now, stalled or cut the transfer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** A body that is on its way. */
export interface Body {
  chunks: AsyncIterable<Buffer>;
  /** Ends the transfer. Whoever does not take all chunks must call it. */
  close(): void;
  /** Where in the file it begins: the wanted offset, or 0 where the server knows no ranges. */
  from: number;
  /** Bytes of the whole file as the server says; absent where it does not. */
  size?: number;
}

export interface TransportOptions {
  /** Milliseconds without a byte, then the connection is given up. Default 30 s. */
  stallMs?: number;
  /** Connections kept for each server. Default 8. */
  parallel?: number;
  /** `http_proxy`, `https_proxy`, `no_proxy`. */
  proxies?: Readonly<Record<string, string>>;
}

/** Fetches from http, https and file URLs. */
export interface Transport {
  /**
   * The body from `offset` on, not decoded in any way.
   * @throws Gone, Unreachable, or the signal's reason
   */
  open(url: string, offset: number, signal: AbortSignal): Promise<Body>;
  /** Closes kept connections. */
  close(): void;
}

const REDIRECTS = 5;

/**
 * Node's http client and not its fetch: that one takes a proxy only from the environment at the start of the process,
 * and it decodes `Content-Encoding`, with which some mirrors label their .tar.gz.
 */
export function createTransport(options: TransportOptions = {}): Transport {
  const { stallMs = 30_000 } = options;
  const agents = createAgents(options.parallel ?? 8, options.proxies ?? {});

  async function follow(url: string, offset: number, signal: AbortSignal, left: number): Promise<Body> {
    const { protocol } = new URL(url);
    if (protocol === 'file:') return await openFile(url, offset);
    const response = await request(url, offset, signal);
    const { statusCode = 0, headers } = response;
    if ([301, 302, 303, 307, 308].includes(statusCode) && headers.location !== undefined) {
      response.resume();
      if (left === 0) throw new Unreachable(`${url}: more than ${REDIRECTS} redirects`);
      return await follow(redirected(url, headers.location), offset, signal, left - 1);
    }
    // Nothing from there on: what we have is of another, longer file.
    if (statusCode === 416 && offset > 0) {
      response.resume();
      return await follow(url, 0, signal, left);
    }
    return body(url, response, offset);
  }

  function request(url: string, offset: number, signal: AbortSignal): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const secure = url.startsWith('https:');
    const sent = (secure ? https : http).get(
      url,
      {
        agent: secure ? agents.https : agents.http,
        signal,
        headers: { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
      },
      resolve,
    );
    // Also the watch over the body: the socket's clock runs until its last byte.
    sent.setTimeout(stallMs, () => sent.destroy(new Unreachable(`no byte for ${stallMs / 1000} s`)));
    sent.on('error', (error) => {
      reject(signal.aborted ? signal.reason : new Unreachable(`${url}: ${reason(error)}`, { cause: error }));
    });
    return promise;
  }

  return {
    open: (url, offset, signal) => follow(url, offset, signal, REDIRECTS),
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function createAgents(maxSockets: number, proxies: Readonly<Record<string, string>>) {
  const settings = { keepAlive: true, maxSockets, proxyEnv: { ...proxies } };
  return { http: new http.Agent(settings), https: new https.Agent(settings) };
}

/** A redirect may lead to another server, never into the host's own files nor from https to http. */
function redirected(url: string, location: string): string {
  const to = URL.canParse(location, url) ? new URL(location, url) : undefined;
  if (to?.protocol !== 'https:' && (to?.protocol !== 'http:' || url.startsWith('https:'))) {
    throw new Unreachable(`${url}: redirected to ${location}`);
  }
  return to.href;
}

function body(url: string, response: http.IncomingMessage, offset: number): Body {
  const { statusCode = 0, headers } = response;
  const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  if (statusCode === 200) {
    return { ...flowing(url, response), from: 0, ...(length === undefined ? {} : { size: length }) };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (statusCode === 206 && Number(range?.[1]) === offset) {
    const size = Number(range?.[2]);
    return { ...flowing(url, response), from: offset, ...(Number.isNaN(size) ? {} : { size }) };
  }
  response.destroy();
  if (statusCode === 404 || statusCode === 410) throw new Gone(`${url}: ${statusCode}`);
  throw new Unreachable(`${url}: HTTP status ${statusCode}`);
}

/** Lets a body flow at once: what a response holds back is lost when its connection is cut, and resuming needs it. */
function flowing(url: string, response: http.IncomingMessage): Pick<Body, 'chunks' | 'close'> {
  const through = new PassThrough({ highWaterMark: 1 << 20 });
  let failure: Error | undefined;
  response.on('error', (error) => {
    failure = new Unreachable(`${url}: ${reason(error)}`, { cause: error });
    through.end();
  });
  response.pipe(through);
  async function* chunks(): AsyncGenerator<Buffer> {
    yield* through as AsyncIterable<Buffer>;
    if (failure !== undefined) throw failure;
  }
  return {
    chunks: chunks(),
    close() {
      response.destroy();
      through.destroy();
    },
  };
}

async function openFile(url: string, offset: number): Promise<Body> {
  const path = fileURLToPath(url);
  try {
    const handle = await open(path);
    const { size } = await handle.stat();
    const stream = createReadStream('', { fd: handle, start: Math.min(offset, size) });
    return { chunks: stream, close: () => stream.destroy(), from: offset, size };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Gone(`${url}: no such file`);
    throw new Unreachable(`${url}: ${(error as Error).message}`, { cause: error });
  }
}

/** Node packs several failed connections into one error with an empty message. */
function reason(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join(', ');
  return error.message;
}
