/** What `ThreadHasher` and its threads say to each other. */
import type { MemoryNeeds } from './wasm/memory-map.ts';

/** What a thread is started with. */
export interface ThreadSetup {
  readonly index: number;
  readonly needs: MemoryNeeds;
  readonly memory: WebAssembly.Memory;
  /** Absent for plain JavaScript. */
  readonly module: WebAssembly.Module | undefined;
}

/** Every request goes to all threads, which share the work out among themselves. */
export type ThreadRequest =
  | {
      readonly kind: 'pack';
      readonly id: number;
      readonly slot: number;
      readonly table: Int8Array;
    }
  | {
      readonly kind: 'batch';
      readonly id: number;
      readonly batch: number;
      readonly slot: number;
      readonly count: number;
    }
  | { readonly kind: 'peak'; readonly id: number; readonly turns: number };

/** The answer of one thread; a thread that cannot answer dies. */
export interface ThreadReply {
  readonly id: number;
  readonly hashed: number;
  readonly busyMs: number;
}
