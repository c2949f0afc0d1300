/** Starts a process and has it open a device. */
import { createDeferred } from '../../src/util/deferred.ts';
import { DriverError } from '../driver.ts';
import type { KernelChoice, KernelReport } from '../kernel-choice.ts';
import { exitText, ForkedChild } from './forked-child.ts';
import { errorOfFailure, type Failure, type OpenRequest, type ToParent } from './messages.ts';
import { ProcessDevice } from './process-device.ts';
import { Watchdog } from './watchdog.ts';

export interface OpenProcessOptions {
  /** A program that calls `runChild`. */
  readonly script: URL;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly chatter: RegExp | undefined;
  /** A process with something to do that says nothing for so long is killed. */
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onReport: (report: KernelReport) => void;
  /** `exited` resolves when the process is gone, and with it whatever it held of the device. */
  readonly onStart: (exited: Promise<unknown>) => void;
}

export interface OpenedProcess {
  readonly device: ProcessDevice;
  readonly choice: KernelChoice;
}

/** The process ended while it opened the device. */
export class OpeningCrash extends Error {
  /** The kernel that it tried, if it had come so far. */
  readonly kernel: string | undefined;

  constructor(reason: string, kernel: string | undefined) {
    super(kernel === undefined ? reason : `${reason} (kernel ${kernel})`);
    this.kernel = kernel;
  }
}

/**
 * Rejects with the `DriverError` that the process answered with, an `OpeningCrash`, or the signal's
 * reason; the process is killed then.
 */
export async function openProcess(
  request: OpenRequest<unknown>,
  options: OpenProcessOptions,
): Promise<OpenedProcess> {
  const { signal, silenceMs, script, env, chatter } = options;
  signal?.throwIfAborted();
  const opening = createDeferred<OpenedProcess>();
  let device: ProcessDevice | undefined;
  let isOpening = true;
  let kernel: string | undefined;
  const hear = (heard: ToParent): void => {
    watchdog.heard();
    if (device !== undefined) {
      device.take(heard);
      return;
    }
    switch (heard.kind) {
      case 'try':
        kernel = heard.kernel;
        break;
      case 'report':
        if (heard.report.kernel === kernel) kernel = undefined;
        options.onReport(heard.report);
        break;
      case 'opened':
        device = new ProcessDevice(child, heard);
        opening.resolve({ device, choice: heard.choice });
        break;
      case 'not-opened':
        opening.reject(crashOf(heard.failure, kernel) ?? errorOfFailure(heard.failure));
        break;
      case 'lost':
        opening.reject(new OpeningCrash(heard.reason, kernel));
        break;
      default:
        break;
    }
  };
  const silent = (): void => {
    const reason = `no answer for ${Math.round(silenceMs / 1000)} s`;
    if (device === undefined) opening.reject(new OpeningCrash(reason, kernel));
    else device.markLost(reason);
  };
  const abort = (): void => opening.reject(signal?.reason);
  const child = new ForkedChild(script, { env, chatter, onMessage: hear });
  options.onStart(child.exited);
  const watchdog = new Watchdog({
    silenceMs,
    isWaiting: () => isOpening || device?.isBusy === true,
    onSilence: silent,
  });
  void child.exited.then((exit) => {
    watchdog.stop();
    const reason = `its process ended, ${exitText(exit, child.lines)}`;
    if (device === undefined) opening.reject(new OpeningCrash(reason, kernel));
    else device.markLost(reason);
  });
  signal?.addEventListener('abort', abort);
  child.ref();
  child.send({ kind: 'open', request });
  try {
    return await opening.promise;
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    isOpening = false;
    // Unless calls came in between, which hold the process themselves.
    if (device?.isBusy !== true) child.unref();
    signal?.removeEventListener('abort', abort);
  }
}

/** A kernel may take the device down without the process that runs it. */
function crashOf(failure: Failure, kernel: string | undefined): OpeningCrash | undefined {
  if (kernel === undefined || failure.type !== 'driver' || failure.detail.code !== 'lost') return;
  return new OpeningCrash(failure.detail.reason, kernel);
}

/** What a crash is to whoever wanted the device. */
export function lostInOpening(crash: OpeningCrash): DriverError {
  return new DriverError({ code: 'lost', reason: crash.message }, { cause: crash });
}
