/** A lane in a thread of its own: whoever calls it stays free while it computes. */
import { Worker } from 'node:worker_threads';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';
import { moduleBeside } from '../../src/util/module-beside.ts';
import type { Unnumbered } from '../../src/util/unnumbered.ts';
import { type Lane, LaneEnded, type LanePlan } from './lane.ts';
import type { LaneReply, LaneRequest } from './lane-messages.ts';

/** The program; the same text from the sources and in what is built. */
const THREAD_FILE = moduleBeside(import.meta.url, './lane-thread');

export class ThreadLane implements Lane {
  readonly ended: Promise<LaneEnded>;
  readonly #resolveEnded: (error: LaneEnded) => void;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Deferred<LaneReply>>();
  #lastId = 0;
  #end: Error | undefined;

  /** `file`: what runs in the thread. */
  constructor(index: number, file: URL = THREAD_FILE) {
    const ended = createDeferred<LaneEnded>();
    this.ended = ended.promise;
    this.#resolveEnded = ended.resolve;
    this.#worker = new Worker(file, {
      name: `onnx ${index}`,
      // The process's own may not suit a thread that runs a file.
      execArgv: [],
      // A thread's garbage is small; with V8's defaults each would grow by tens of megabytes.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on('message', (reply: LaneReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#die(`thread ${index}: ${errorText(error)}`));
    this.#worker.on('exit', (code) => this.#die(`thread ${index} ended with code ${code}`));
    this.#worker.unref();
  }

  async open(plan: LanePlan): Promise<void> {
    await this.#ask({ kind: 'open', plan });
  }

  async run(matrices: Uint8Array, memory: SharedArrayBuffer, intensity?: number): Promise<void> {
    await this.#ask({ kind: 'run', matrices, memory, intensity });
  }

  async record(plan: LanePlan, matrices: Uint8Array, filePrefix: string): Promise<void> {
    await this.#ask({ kind: 'record', plan, matrices, filePrefix });
  }

  async close(): Promise<void> {
    this.#fail(new Error('it was closed'));
    await this.#worker.terminate();
  }

  async #ask(request: Unnumbered<LaneRequest>): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const id = ++this.#lastId;
    const answer = createDeferred<LaneReply>();
    this.#pending.set(id, answer);
    // It holds the process only while it owes an answer.
    if (this.#pending.size === 1) this.#worker.ref();
    this.#worker.postMessage({ ...request, id });
    const reply = await answer.promise;
    if (reply.failure !== undefined) throw new Error(reply.failure);
  }

  #settle(reply: LaneReply): void {
    this.#pending.get(reply.id)?.resolve(reply);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
  }

  #die(reason: string): void {
    if (this.#end !== undefined) return;
    const error = new LaneEnded(reason);
    this.#resolveEnded(error);
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#end ??= error;
    for (const answer of this.#pending.values()) answer.reject(this.#end);
    this.#pending.clear();
  }
}
