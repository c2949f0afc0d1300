/** Serves files that are in memory over plain HTTP: these, and nothing else of this machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HostPort } from './host-port.ts';
import type { PageFile } from './page-files.ts';

export interface StaticServer {
  /** Where it listens; the port that the system chose, if it was left to it. */
  readonly port: number;
  /** Resolves when nothing is open any more. */
  close(): Promise<void>;
}

/** Of every answer. What else a page may do, it says itself in its head. */
const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': "frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** `files` by their path without the slash before it. Rejects with the system's error if it cannot listen. */
export async function serveFiles(
  files: ReadonlyMap<string, PageFile>,
  { host, port }: HostPort,
): Promise<StaticServer> {
  const server = createServer((request, response) => answer(files, request, response));
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  files: ReadonlyMap<string, PageFile>,
  { method, url }: IncomingMessage,
  response: ServerResponse,
): void {
  const file = files.get(fileName(url ?? '/'));
  if (method !== 'GET' && method !== 'HEAD') {
    refuse(response, 405, 'only GET and HEAD\n', { Allow: 'GET, HEAD' });
  } else if (file === undefined) {
    refuse(response, 404, 'no such file\n');
  } else {
    const { type, content } = file;
    response.writeHead(200, {
      ...HEADERS,
      'Content-Type': type,
      'Content-Length': content.length,
    });
    response.end(method === 'HEAD' ? undefined : content);
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...HEADERS, ...headers, 'Content-Type': 'text/plain' });
  response.end(text);
}

/** A name to look up, never a path to walk: what is not a file of ours, however it is written, is none. */
function fileName(url: string): string {
  const path = url.split(/[?#]/, 1)[0]!;
  return path === '/' ? 'index.html' : path.slice(1);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
