/**
 * What the pool is compared with: a program that does the least that there is to do. For `template` it
 * writes one payload to all its connections in a plain loop; whatever line comes in is appended to a
 * file, synced together with what else came meanwhile, and answered. It takes the commands of
 * `pool-load-child.ts` as far as they make sense here. Its one argument is `PlainOptions` as JSON.
 */
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { monotonicMs } from '../support/pool-load.ts';
import type { ChildMessage, LoadCommand } from '../support/pool-load-child.ts';

export interface PlainOptions {
  /** A folder of its own, made here. */
  readonly data: string;
  /** A job message; a line feed is added. */
  readonly payload: string;
  /** Written for each line that comes in. */
  readonly recordBytes: number;
}

const { data, payload, recordBytes } = JSON.parse(process.argv[2] ?? '{}') as PlainOptions;
const bytes = Buffer.from(`${payload}\n`);
const sockets: Socket[] = [];
mkdirSync(data);
const file = await open(join(data, 'records'), 'a');
let waiting: { readonly socket: Socket; readonly id: string }[] = [];
let isWriting = false;

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.setEncoding('latin1');
  // The clients here write one line at a time.
  socket.on('data', (line: string) => {
    waiting.push({ socket, id: /"id":(\d+)\}\n$/.exec(line)?.[1] ?? 'null' });
    if (!isWriting) void writeAll();
  });
  sockets.push(socket);
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  send({ kind: 'ready', port: (server.address() as AddressInfo).port, cpuMs: 0 });
});

process.on('message', ({ id, command }: { readonly id: number; readonly command: LoadCommand }) => {
  if (command.do === 'close') {
    process.exit();
  } else {
    const at = monotonicMs();
    for (const socket of sockets) socket.write(bytes);
    send({ kind: 'reply', id, reply: { at } });
  }
});
process.once('disconnect', () => process.exit());

async function writeAll(): Promise<void> {
  isWriting = true;
  while (waiting.length > 0) {
    const group = waiting;
    waiting = [];
    await file.write(Buffer.alloc(recordBytes * group.length, 1));
    await file.datasync();
    for (const { socket, id } of group) {
      socket.write(`{"id":${id},"jsonrpc":"2.0","result":{"status":"OK"},"error":null}\n`);
    }
  }
  isWriting = false;
}

function send(message: ChildMessage): void {
  process.send?.(message);
}
