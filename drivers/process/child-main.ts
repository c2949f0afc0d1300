/**
 * How the process of a device lives: it takes the parent's messages, says that it is alive while it has
 * something to do, and ends when it is told to.
 *
 * It outlives no parent. Signals to the process group are the parent's business, which ends this
 * process when it has stopped mining.
 */
import { Socket } from 'node:net';
import type { Device } from '../driver.ts';
import type { KernelChoice, KernelReport } from '../kernel-choice.ts';
import {
  BEAT_MS,
  failureOf,
  type OpenMessage,
  type OpenRequest,
  TABLE_FD,
  type ToChild,
  type ToParent,
} from './messages.ts';
import { DeviceServer, TableReader } from './serve-device.ts';

export type { OpenRequest } from './messages.ts';

/** How `open` tells what it does. */
export interface OpenHooks {
  /** To be called before a kernel first runs. If the process ends after that, the kernel is to blame. */
  readonly onTry: (kernel: string) => void;
  readonly onReport: (report: KernelReport) => void;
}

export interface OpenedDevice {
  /** Keeps nothing of a table but copies: its memory is used again once `loadSeed` has resolved. */
  readonly device: Device;
  readonly choice: KernelChoice;
}

export interface ChildParts<Question, News, Target> {
  /**
   * Tells what there is, each thing as soon as it is known: what was told holds even if native code
   * takes the process down afterwards. Resolves when all is told.
   */
  readonly list: (question: Question, tell: (news: News) => void) => Promise<void>;
  /** Rejects as `Driver.open` does; `self-test` if kernels were wrong and none was right. */
  readonly open: (request: OpenRequest<Target>, hooks: OpenHooks) => Promise<OpenedDevice>;
}

/** A pipe holds less. */
const READ_BYTES = 2 ** 18;

/** To be called once, by the program of a forked process. */
export function runChild<Question, News, Target>(parts: ChildParts<Question, News, Target>): void {
  const tables = new TableReader();
  let server: DeviceServer | undefined;
  /** Listing or opening. */
  let isStarting = false;

  const take = async (message: ToChild<Question, Target>): Promise<void> => {
    switch (message.kind) {
      case 'list':
        isStarting = true;
        await parts.list(message.question, (news) => tell({ kind: 'news', news }));
        isStarting = false;
        tell({ kind: 'listed' });
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

  const openServer = async ({
    request,
  }: OpenMessage<Target>): Promise<DeviceServer | undefined> => {
    try {
      const { device, choice } = await parts.open(request, {
        onTry: (kernel) => tell({ kind: 'try', kernel }),
        onReport: (report) => tell({ kind: 'report', report }),
      });
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
  process.on('message', (message: ToChild<Question, Target>) => void take(message));
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
