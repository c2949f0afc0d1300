/** A lane in a thread of its own: whoever calls it stays free while it computes. */
import { Worker } from 'node:worker_threads';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Lane, LanePlan } from './lane.ts';
import type { LaneReply, LaneRequest } from './lane-messages.ts';
import type { Placement } from './placement.ts';

type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;

/** The program; the same text from the sources and in what is built. */
const THREAD_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './lane-thread.ts' : './lane-thread.js',
  import.meta.url,
);

export class ThreadLane implements Lane {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Deferred<LaneReply>>();
  #lastId = 0;
  #end: Error | undefined;

  constructor(index: number) {
    this.#worker = new Worker(THREAD_FILE, {
      name: `onnx ${index}`,
      // The process's own may not suit a thread that runs a file.
      execArgv: [],
      // A thread's garbage is small; with V8's defaults each would grow by tens of megabytes.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on('message', (reply: LaneReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#fail(`thread ${index}: ${errorText(error)}`));
    this.#worker.on('exit', (code) => this.#fail(`thread ${index} ended with code ${code}`));
    this.#worker.unref();
  }

  async open(plan: LanePlan): Promise<void> {
    await this.#ask({ kind: 'open', plan });
  }

  async run(matrices: Uint8Array, memory: SharedArrayBuffer): Promise<void> {
    await this.#ask({ kind: 'run', matrices, memory });
  }

  async place(plan: LanePlan, matrices: Uint8Array): Promise<Placement> {
    return (await this.#ask({ kind: 'place', plan, matrices })).placement ?? {};
  }

  async close(): Promise<void> {
    this.#fail('it was closed');
    await this.#worker.terminate();
  }

  async #ask(request: Unnumbered<LaneRequest>): Promise<LaneReply> {
    if (this.#end !== undefined) throw this.#end;
    const id = ++this.#lastId;
    const answer = createDeferred<LaneReply>();
    this.#pending.set(id, answer);
    // It holds the process only while it owes an answer.
    if (this.#pending.size === 1) this.#worker.ref();
    this.#worker.postMessage({ ...request, id });
    const reply = await answer.promise;
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply;
  }

  #settle(reply: LaneReply): void {
    this.#pending.get(reply.id)?.resolve(reply);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
  }

  #fail(reason: string): void {
    this.#end ??= new Error(reason);
    for (const answer of this.#pending.values()) answer.reject(this.#end);
    this.#pending.clear();
  }
}
