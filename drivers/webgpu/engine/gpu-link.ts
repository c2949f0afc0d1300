/**
 * One open GPUDevice and the news of its end, whoever brings it: the browser or driver (`device.lost`),
 * an error that nobody caught, a batch that does not come back, or we ourselves.
 */
import { createDeferred } from '../../../src/util/deferred.ts';
import { clip } from '../../../src/util/errors.ts';
import { DriverError } from '../../driver.ts';

/** So much later than the failure of a call the news of the device's loss, which explains it, may come. */
export const NEWS_MS = 100;
/** Messages of GPU errors hold whole call stacks; so many characters of them are shown. */
const REASON_LENGTH = 200;

export class GpuLink {
  readonly device: GPUDevice;
  /** Resolves once: with why the device is gone, or `undefined` if we closed it. Never rejects. */
  readonly lost: Promise<DriverError | undefined>;
  readonly #resolveLost: (error: DriverError | undefined) => void;
  readonly #gone = new AbortController();
  /** Referenced as long as the device is: Dawn for Node crashes once its root object is collected. */
  readonly keep: readonly unknown[];

  constructor(device: GPUDevice, keep: readonly unknown[]) {
    this.device = device;
    this.keep = keep;
    const lost = createDeferred<DriverError | undefined>();
    this.lost = lost.promise;
    this.#resolveLost = lost.resolve;
    void device.lost.then(({ message, reason }) =>
      this.fail(message === '' ? `the driver says: ${reason}` : message),
    );
    // What follows an error that nobody expected is not to be trusted.
    device.onuncapturederror = ({ error }): void => this.fail(gpuErrorText(error));
  }

  /** Aborts when the device is gone or closed; its reason is a `DriverError` `lost`. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Ends the device for a reason of ours. It keeps its memory until `close`. */
  fail(reason: string, options?: ErrorOptions): void {
    if (this.gone.aborted) return;
    const error = new DriverError({ code: 'lost', reason: clip(reason, REASON_LENGTH) }, options);
    this.#resolveLost(error);
    this.#gone.abort(error);
  }

  /** Gives the device back. Idempotent. */
  close(): void {
    if (!this.gone.aborted) {
      this.#resolveLost(undefined);
      this.#gone.abort(new DriverError({ code: 'lost', reason: 'it was closed' }));
    }
    this.device.onuncapturederror = null;
    this.device.destroy();
  }
}

/** The kind of a GPU error and what it says, on one line. */
export function gpuErrorText(error: GPUError): string {
  const kind = error.constructor.name
    .replace(/^GPU|Error$/g, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return clip(`${kind} error: ${error.message}`, REASON_LENGTH);
}
