/**
 * How a GPU process lives: it takes the parent's messages, says that it is alive while it has something
 * to do, and ends when it is told to.
 *
 * It outlives no parent. Signals to the process group are the parent's business, which ends this
 * process when it has stopped mining.
 */
import { Socket } from 'node:net';
import type { OpenedGpu } from '../engine/open-gpu.ts';
import {
  BEAT_MS,
  failureOf,
  type OpenMessage,
  TABLE_FD,
  type ToChild,
  type ToParent,
} from './messages.ts';
import { DeviceServer, TableReader } from './serve-device.ts';

export type Tell = (message: ToParent) => void;

export interface ChildParts {
  /** Tells what there is. */
  readonly list: (backends: readonly string[], tell: Tell) => Promise<void>;
  readonly open: (
    message: OpenMessage,
    tell: Tell,
  ) => Promise<Pick<OpenedGpu, 'device' | 'choice'>>;
}

/** A pipe holds less. */
const READ_BYTES = 2 ** 18;

/** To be called once, by the program of a forked process. */
export function runChild({ list, open }: ChildParts): void {
  const tables = new TableReader();
  let server: DeviceServer | undefined;
  /** Listing or opening. */
  let isStarting = false;

  const take = async (message: ToChild): Promise<void> => {
    switch (message.kind) {
      case 'list':
        isStarting = true;
        await list(message.backends, tell);
        isStarting = false;
        break;
      case 'open':
        isStarting = true;
        server = await openServer(message);
        isStarting = false;
        break;
      case 'close':
        // The parent waits for a moment only.
        await server?.close();
        end();
        break;
      default:
        server?.take(message);
    }
  };

  const openServer = async (message: OpenMessage): Promise<DeviceServer | undefined> => {
    try {
      const { device, choice } = await open(message, tell);
      readTables(tables);
      const opened = new DeviceServer(device, { tell, tables });
      const canMeasurePeak = device.measurePeak !== undefined;
      const { info, maxBatch } = device;
      tell({ kind: 'opened', info, maxBatch, canMeasurePeak, choice });
      return opened;
    } catch (error) {
      tell({ kind: 'not-opened', failure: failureOf(error) });
      return undefined;
    }
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', end);
  process.on('uncaughtException', (error) => {
    tell({ kind: 'lost', reason: error.message }, end);
  });
  process.on('message', (message: ToChild) => void take(message));
  setInterval(() => {
    if (isStarting || server?.isBusy === true) tell({ kind: 'beat', telemetry: server?.telemetry });
  }, BEAT_MS);
}

/** From the pipe, always by the same buffer. */
function readTables(tables: TableReader): void {
  const pipe = new Socket({
    fd: TABLE_FD,
    writable: false,
    onread: {
      buffer: new Uint8Array(READ_BYTES),
      callback: (length, buffer) => {
        tables.take(buffer.subarray(0, length));
        return true;
      },
    },
  });
  pipe.resume();
}

function tell(message: ToParent, then: () => void = () => {}): void {
  // A parent that is gone is heard of by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, then);
  else then();
}

/** At once, and past everything that native code does when a process exits by itself. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
