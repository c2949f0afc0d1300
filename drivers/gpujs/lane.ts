/**
 * A lane computes chains, one call after the other: a kernel of gpu.js on the calling thread, or on a
 * thread of its own. gpu.js computes synchronously, a step at a time; in between a lane lets others come
 * to word, and ends if it is told to.
 */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';
import { moduleBeside } from '../../src/util/module-beside.ts';
import type { Unnumbered } from '../../src/util/unnumbered.ts';
import type { ChainKernel } from './chain.ts';
import type { LaneReply, LaneRequest, LaneSetup } from './lane-protocol.ts';

export interface Lane {
  /** Chains that it computes together. */
  readonly chains: number;
  /** Resolves once it can be called no more, with the reason, also if nobody is calling it. */
  readonly ended: Promise<Error>;
  /** Makes a table resident in slot 0 or 1; `data` stays as it is for as long as it is used. */
  load(slot: number, data: Int8Array): Promise<void>;
  /**
   * The transposed end matrices of at most `chains` sequences. Rejects if the kernel or its thread fails,
   * and, once the step under way has ended, with the reason of the signal.
   */
  run(
    slot: number,
    sequences: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<readonly Int8Array[]>;
  /** Idempotent; pending calls reject. */
  close(): Promise<void>;
}

export class LocalLane implements Lane {
  readonly ended: Promise<Error>;
  readonly #kernel: ChainKernel;
  readonly #end = createDeferred<Error>();
  #isClosed = false;

  constructor(kernel: ChainKernel) {
    this.#kernel = kernel;
    this.ended = this.#end.promise;
  }

  get chains(): number {
    return this.#kernel.chains;
  }

  load(slot: number, data: Int8Array): Promise<void> {
    return this.#kernel.load(slot, data);
  }

  run(
    slot: number,
    sequences: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<readonly Int8Array[]> {
    return this.#kernel.run(slot, sequences, async () => {
      await setImmediate();
      signal.throwIfAborted();
      if (this.#isClosed) throw new Error('closed');
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end.resolve(new Error('closed'));
    await this.#kernel.close();
  }
}

export class ThreadLane implements Lane {
  readonly ended: Promise<Error>;
  readonly #lastWord = createDeferred<Error>();
  readonly #worker: Worker;
  readonly #opened = createDeferred<number>();
  readonly #pending = new Map<number, Deferred<readonly Int8Array[]>>();
  #chains = 0;
  #nextId = 0;
  #ended: Error | undefined;

  private constructor(setup: LaneSetup) {
    this.ended = this.#lastWord.promise;
    this.#worker = new Worker(THREAD_FILE, {
      workerData: setup,
      name: `gpu.js ${setup.mode}`,
      // The process's own may not suit a thread that runs a file.
      execArgv: [],
      // Each step leaves a megabyte of small arrays; with V8's defaults they would pile up.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.#worker.on('message', (reply: LaneReply) => this.#onReply(reply));
    this.#worker.on('error', (error) => this.#end(new Error(errorText(error), { cause: error })));
    this.#worker.on('exit', () => this.#end(new Error('its thread ended')));
  }

  /** Rejects if the kernel cannot be made there. */
  static async open(setup: LaneSetup): Promise<ThreadLane> {
    const lane = new ThreadLane(setup);
    lane.#chains = await lane.#opened.promise;
    return lane;
  }

  get chains(): number {
    return this.#chains;
  }

  async load(slot: number, data: Int8Array): Promise<void> {
    await this.#call({ kind: 'load', slot, data });
  }

  async run(
    slot: number,
    sequences: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<readonly Int8Array[]> {
    signal.throwIfAborted();
    const id = this.#nextId;
    const abort = (): void => this.#worker.postMessage({ kind: 'abort', id } satisfies LaneRequest);
    signal.addEventListener('abort', abort);
    try {
      return await this.#call({ kind: 'run', slot, sequences });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    this.#end(new Error('closed'));
    await this.#worker.terminate();
  }

  async #call(request: Unnumbered<LaneRequest>): Promise<readonly Int8Array[]> {
    if (this.#ended !== undefined) throw this.#ended;
    const call = createDeferred<readonly Int8Array[]>();
    const id = this.#nextId++;
    this.#pending.set(id, call);
    this.#worker.postMessage({ ...request, id });
    return call.promise;
  }

  #onReply(reply: LaneReply): void {
    if (reply.kind === 'opened') {
      this.#opened.resolve(reply.chains);
      return;
    }
    const call = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'done') call?.resolve(reply.ends);
    else call?.reject(new Error(reply.reason));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#lastWord.resolve(error);
    this.#opened.reject(error);
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }
}

/** The thread's file beside this one, compiled or not. */
const THREAD_FILE = moduleBeside(import.meta.url, './lane-thread');
