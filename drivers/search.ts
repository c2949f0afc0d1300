/**
 * `search` built on `hash`, for every device that does not count nonces itself.
 *
 * Two batches are under way at any time: while the device computes one, the header hashes of the
 * next are made here and handed over, so that the device never waits for this thread.
 */
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../src/chain/header.ts';
import type { BatchHasher } from '../src/tensority/hasher.ts';
import { meetsTarget } from '../src/tensority/target.ts';
import { writeU64 } from '../src/util/bytes.ts';
import type { NonceRange, SearchResult, Work } from './driver.ts';
import { checkSearch } from './search-arguments.ts';

/** Batches that the device holds at once: one runs, one waits. */
const DEPTH = 2;
/** Header hashes made between two turns of the event loop: some 5 ms of work. */
const HASHES_PER_TURN = 256;

export interface SearchOptions {
  /** Inputs of one `hash` call: as many as the device computes in its `batchMs`. */
  readonly batch: number;
  readonly onFound?: ((nonce: bigint) => void) | undefined;
}

interface Batch {
  readonly count: number;
  readonly out: Uint8Array;
  /** Settled form of the `hash` call, so that one nobody waits for yet cannot reject unheard. */
  readonly ended: Promise<Ended>;
}

type Ended = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

/**
 * Searches as `Device.search` promises: `scanned` counts whole batches from the range's start, an
 * abort resolves with those that were complete, and a failing device rejects.
 */
export async function searchByHash(
  hasher: Pick<BatchHasher, 'hash'>,
  work: Work,
  range: NonceRange,
  signal: AbortSignal,
  options: SearchOptions,
): Promise<SearchResult> {
  checkSearch(work, range);
  const preimage = work.preimage.slice();
  const running: Batch[] = [];
  const nonces: bigint[] = [];
  let begun = 0;
  let scanned = 0;
  try {
    while (scanned < range.count) {
      while (running.length < DEPTH && begun < range.count && !signal.aborted) {
        const count = Math.min(options.batch, range.count - begun);
        const headerHashes = await hashHeaders(preimage, range.start + BigInt(begun), count);
        if (signal.aborted) break;
        const out = new Uint8Array(32 * count);
        const call = hasher.hash(work.seed, headerHashes, out, signal);
        running.push({ count, out, ended: settle(call) });
        begun += count;
      }
      const batch = running.shift();
      if (batch === undefined) break;
      const ended = await batch.ended;
      if (!ended.ok) {
        if (signal.aborted && ended.error === signal.reason) break;
        throw ended.error;
      }
      for (let i = 0; i < batch.count; i++) {
        if (!meetsTarget(batch.out.subarray(32 * i, 32 * i + 32), work.target)) continue;
        const nonce = range.start + BigInt(scanned + i);
        nonces.push(nonce);
        options.onFound?.(nonce);
      }
      scanned += batch.count;
    }
  } finally {
    // A batch that is still under way must not outlive the call: the next one would queue behind it.
    for (const batch of running) await batch.ended;
  }
  return { scanned, nonces, aborted: scanned < range.count };
}

/** The header hashes (32 bytes each) of `count` nonces, giving way to other work now and then. */
async function hashHeaders(
  preimage: Uint8Array,
  start: bigint,
  count: number,
): Promise<Uint8Array> {
  const out = new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) {
    // Also before the first: a hasher that computes on this thread would else keep aborts away.
    if (i % HASHES_PER_TURN === 0) await nextTurn();
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, start + BigInt(i));
    out.set(preimageHash(preimage), 32 * i);
  }
  return out;
}

function settle(call: Promise<void>): Promise<Ended> {
  return call.then(
    () => ({ ok: true }),
    (error: unknown) => ({ ok: false, error }),
  );
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
