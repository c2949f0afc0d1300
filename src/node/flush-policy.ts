/**
 * When what the store keeps in memory goes to disk. A flush waits for the disk, tens of milliseconds
 * at worst: one a block is right at the tip, where blocks are minutes apart and must not be lost; while
 * the past is being imported, many blocks share one.
 */
import type { ChainStore } from '../store/chain-store.ts';
import type { Clock } from '../util/clock.ts';

export interface FlushOptions {
  /** Blocks of the past that one flush covers at most. Default 1000. */
  readonly flushBlocks?: number;
  /** Bytes of the same. Default 16 MiB. */
  readonly flushBytes?: number;
  /** How long a block of the past waits at most. Default 2000. */
  readonly flushMs?: number;
}

const FLUSH_BLOCKS = 1000;
const FLUSH_BYTES = 16 * 2 ** 20;
const FLUSH_MS = 2000;

export class FlushPolicy {
  readonly #store: ChainStore;
  readonly #clock: Clock;
  readonly #blocks: number;
  readonly #bytes: number;
  readonly #ms: number;
  readonly #failed: (error: unknown) => void;
  readonly #stop = new AbortController();
  #armed = false;

  /** `failed` is told what a flush has thrown that nobody asked for. */
  constructor(
    options: FlushOptions,
    parts: { readonly store: ChainStore; readonly clock: Clock },
    failed: (error: unknown) => void,
  ) {
    this.#blocks = options.flushBlocks ?? FLUSH_BLOCKS;
    this.#bytes = options.flushBytes ?? FLUSH_BYTES;
    this.#ms = options.flushMs ?? FLUSH_MS;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#failed = failed;
  }

  /** After a change: flushes now if it is time, else within `flushMs`. Throws `StoreError`. */
  changed(atTip: boolean): void {
    const { pendingBlocks, pendingBytes } = this.#store;
    if (pendingBytes === 0) return;
    if (atTip || pendingBlocks >= this.#blocks || pendingBytes >= this.#bytes) this.#store.flush();
    else this.#flushLater();
  }

  /** No flush comes on its own any more. */
  stop(): void {
    this.#stop.abort();
  }

  #flushLater(): void {
    if (this.#armed) return;
    this.#armed = true;
    void this.#clock.sleep(this.#ms, this.#stop.signal).then(() => {
      this.#armed = false;
      if (this.#stop.signal.aborted || this.#store.pendingBytes === 0) return;
      try {
        this.#store.flush();
      } catch (error) {
        this.#failed(error);
      }
    });
  }
}
