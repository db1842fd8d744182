import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StubAnswer {
  status: number;
  /** S3's code; the body is then S3's XML. */
  code?: string;
  body?: string;
  headers?: Record<string, string>;
}

/** A server that answers as a server of S3 in trouble does, where the real one cannot be brought into it. */
export interface S3Stub extends AsyncDisposable {
  endpoint: string;
  requests: string[];
}

export async function startS3Stub(answer: (request: IncomingMessage) => StubAnswer): Promise<S3Stub> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => {
      const { status, code, body = '', headers = {} } = answer(request);
      const xml =
        code === undefined
          ? body
          : `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>the server's words</Message></Error>`;
      response.writeHead(status, {
        'content-type': 'application/xml',
        'content-length': Buffer.byteLength(xml),
        ...headers,
      });
      response.end(request.method === 'HEAD' ? undefined : xml);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
