/** A simulated board behind a unix socket; it hashes on one core, and whoever comes last has its line. */
import { createServer, type Server, type Socket } from 'node:net';
import type { BoardLine } from '../../firmware-bridge/sim/memory-line.ts';
import { SimulatedBoard } from '../../firmware-bridge/sim/simulated-board.ts';
import { openCpuHasher } from '../tensority/cpu-hasher.ts';
import { errorText, InputError } from '../util/errors.ts';
import { createTables } from './devices.ts';

/** Bytes that a host may leave unread; a real board's further ones would be lost as well. */
const MAX_UNREAD = 256 * 1024;

/** What runs, whichever board it is. */
export interface RunningBoard {
  /** Resolves when it has ended by itself: how. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Rejects `InputError` if there can be no socket. */
export async function serveSimulatedBoard(socket: string, uid: string): Promise<RunningBoard> {
  const hasher = openCpuHasher({ threads: 1 });
  const board = new SimulatedBoard(
    { uid, hasSensor: false, clockKhz: 0, hasResetLines: false },
    { tables: createTables(), hasher },
  );
  // As fast as the core is.
  board.script.msPerHash = 0;
  const server = createServer((connection) => board.serve(socketLine(connection)));
  try {
    await listen(server, socket);
  } catch (error) {
    await hasher.close();
    throw new InputError('socket', 'a path where a socket can be', errorText(error), {
      cause: error,
    });
  }
  return {
    ended: new Promise((end) => {
      server.once('close', () => end('its socket was closed'));
      // A connection that cannot be taken, of which the system has told.
      server.on('error', (error) => end(errorText(error)));
    }),
    stop: async () => {
      board.close();
      server.close();
      await hasher.close();
    },
  };
}

/** The board's end of a connection. */
export function socketLine(
  connection: Pick<
    Socket,
    'setNoDelay' | 'on' | 'write' | 'destroy' | 'writable' | 'writableLength'
  >,
): BoardLine {
  connection.setNoDelay(true);
  connection.on('error', () => connection.destroy());
  return {
    onBytes: (listener) => {
      connection.on('data', (bytes: Buffer) => listener(new Uint8Array(bytes)));
    },
    write: (bytes) => {
      if (connection.writable && connection.writableLength < MAX_UNREAD) connection.write(bytes);
    },
    close: () => connection.destroy(),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((listening, failed) => {
    server.once('error', failed);
    server.listen(path, () => {
      server.off('error', failed);
      listening();
    });
  });
}
