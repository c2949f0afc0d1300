/**
 * Downloads the blocks of a window of headers from several peers at once. Bytom 1.x P2P: "Serving".
 *
 * A peer that serves ranges (message 14) is asked for up to 128 blocks at a time and may answer with
 * fewer; any other for one block by hash (message 10). Few requests are outstanding at a peer: the
 * reference sends 512,000 bytes/s, and drops the connection when 100 messages wait for it. Whoever is
 * done with a part takes the next one, so the fast ones take more; and what is waited for longest is
 * asked of a second peer.
 *
 * Blocks are told by the hashes of their headers, and are not decoded here. A hash covers no
 * signatures: whether a block is the right one is known only when the chain has taken it.
 */
import type { HashedHeader } from '../../consensus/branch.ts';
import { keyText } from '../../store/kv.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText, InputError } from '../../util/errors.ts';
import { type Offence, PeerRequestError, type SyncPeer } from '../peers/sync-peer.ts';
import { FetchProvider } from './fetch-provider.ts';
import { readHeader } from './header-source.ts';

export interface BlockFetchOptions {
  /** Of the blocks' wire form, those asked for included as far as can be guessed. */
  readonly maxBytes: number;
  /** What takes longer is asked of another peer, too. */
  readonly hedgeMs: number;
}

export interface BlockFetchParts {
  /** Who may be asked, the most promising first. */
  readonly peers: () => readonly SyncPeer[];
  readonly clock: Pick<Clock, 'now'>;
  /** Something has come, or a peer has become free. */
  readonly changed: () => void;
  readonly offended: (peer: SyncPeer, offence: Offence) => void;
  /** It did not answer. */
  readonly silent: (peer: SyncPeer) => void;
}

export interface FetchedBlock {
  /** Its wire form; only the header has been looked at. */
  readonly bytes: Uint8Array;
  readonly peer: SyncPeer;
}

interface Item {
  readonly key: string;
  readonly hash: Uint8Array;
  readonly parent: Uint8Array;
  readonly height: number;
  body: FetchedBlock | undefined;
  /** Requests that are outstanding. */
  readonly asks: Set<Ask>;
  /** Peers whose copies were spoilt. */
  readonly refused: Set<string>;
}

interface Ask {
  readonly provider: FetchProvider;
  readonly items: readonly Item[];
  readonly since: number;
  /** What it is likely to bring. */
  readonly bytes: number;
}

/** Blocks that are asked of a second peer at a time, how many of the lowest are looked at, and how often. */
const MAX_HEDGED = 16;
const HEDGE_DEPTH = 256;
const MAX_ASKS = 3;
/** Guessed before anything has come. */
const FIRST_AVERAGE_BYTES = 4096;

export class BlockFetch {
  readonly #options: BlockFetchOptions;
  readonly #parts: BlockFetchParts;
  readonly #stop = new AbortController();
  /** Those whose blocks are not stored, the lowest first. */
  readonly #items: Item[] = [];
  readonly #byKey = new Map<string, Item>();
  readonly #providers = new Map<SyncPeer, FetchProvider>();
  readonly #running = new Set<Promise<void>>();
  /** Below it there is nothing that nobody was asked for. */
  #cursor = 0;
  #bytes = 0;
  #expected = 0;
  #averageBytes = FIRST_AVERAGE_BYTES;

  constructor(options: BlockFetchOptions, parts: BlockFetchParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Of the blocks that are here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Requests that are under way. */
  get outstanding(): number {
    return this.#running.size;
  }

  /** True if nobody is left who could be asked for the lowest block. */
  get isStuck(): boolean {
    const [lowest] = this.#items;
    if (lowest === undefined || lowest.body !== undefined || lowest.asks.size > 0) return false;
    this.#meet();
    for (const provider of this.#providers.values()) {
      if (isUsable(provider, lowest)) return false;
    }
    return true;
  }

  /** The next block of the branch is wanted. */
  want({ header, hash }: HashedHeader): void {
    const { height, previousBlockHash: parent } = header;
    const key = keyText(hash);
    const item: Item = {
      key,
      hash,
      parent,
      height,
      body: undefined,
      asks: new Set(),
      refused: new Set(),
    };
    this.#items.push(item);
    this.#byKey.set(key, item);
  }

  /** A wanted block that came with its header. */
  put(hash: Uint8Array, bytes: Uint8Array, peer: SyncPeer): void {
    const item = this.#byKey.get(keyText(hash));
    if (item !== undefined) this.#keep(item, bytes, peer);
  }

  block(hash: Uint8Array): FetchedBlock | undefined {
    return this.#byKey.get(keyText(hash))?.body;
  }

  /** The block is stored: the lowest one, as a rule. */
  remove(hash: Uint8Array): void {
    const item = this.#byKey.get(keyText(hash));
    if (item === undefined) return;
    this.#drop(item);
    this.#byKey.delete(item.key);
    const at = this.#items.indexOf(item);
    this.#items.splice(at, 1);
    if (at < this.#cursor) this.#cursor--;
  }

  /** The block is not what its header says: it has to come from another peer. */
  spoilt(hash: Uint8Array): void {
    const item = this.#byKey.get(keyText(hash));
    if (item?.body === undefined) return;
    const { peer } = item.body;
    item.refused.add(peer.id);
    this.#provider(peer).excluded = true;
    this.#drop(item);
    this.#cursor = 0;
  }

  /** Asks whoever is free. */
  pump(): void {
    if (this.#stop.signal.aborted) return;
    this.#meet();
    for (const provider of this.#providers.values()) {
      while (provider.hasRoom(this.#parts.clock.now())) {
        const items = this.#nextPart(provider) ?? this.#hedge(provider);
        if (items === undefined) break;
        this.#ask(provider, items);
      }
    }
  }

  /** Ends what is under way. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #meet(): void {
    for (const peer of this.#parts.peers()) this.#provider(peer);
  }

  #provider(peer: SyncPeer): FetchProvider {
    const known = this.#providers.get(peer);
    if (known !== undefined) return known;
    const provider = new FetchProvider(peer);
    this.#providers.set(peer, provider);
    return provider;
  }

  /** The lowest blocks that nobody was asked for. */
  #nextPart(provider: FetchProvider): readonly Item[] | undefined {
    const items = this.#items;
    while (this.#cursor < items.length && !isOpen(items[this.#cursor]!)) this.#cursor++;
    let at = this.#cursor;
    while (at < items.length && !(isOpen(items[at]!) && isUsable(provider, items[at]!))) at++;
    const left = this.#options.maxBytes - this.#bytes - this.#expected;
    const fitting = Math.floor(left / this.#averageBytes);
    // The lowest one is what everything waits for.
    const most = Math.max(at === 0 ? 1 : 0, Math.min(fitting, provider.part(this.#averageBytes)));
    return run(items, at, most, (item) => isOpen(item) && isUsable(provider, item));
  }

  /** The lowest blocks that others were asked for too long ago. */
  #hedge(provider: FetchProvider): readonly Item[] | undefined {
    const items = this.#items;
    const before = this.#parts.clock.now() - this.#options.hedgeMs;
    const isLate = (item: Item): boolean => {
      if (item.body !== undefined || item.asks.size === 0 || item.asks.size >= MAX_ASKS)
        return false;
      for (const ask of item.asks) {
        if (ask.provider === provider || ask.since > before) return false;
      }
      return isUsable(provider, item);
    };
    const depth = Math.min(items.length, HEDGE_DEPTH);
    let at = 0;
    while (at < depth && !isLate(items[at]!)) at++;
    if (at === depth) return undefined;
    return run(items, at, Math.min(provider.part(this.#averageBytes), MAX_HEDGED), isLate);
  }

  #ask(provider: FetchProvider, items: readonly Item[]): void {
    const since = this.#parts.clock.now();
    const ask: Ask = { provider, items, since, bytes: items.length * this.#averageBytes };
    for (const item of items) item.asks.add(ask);
    provider.outstanding++;
    this.#expected += ask.bytes;
    const running = this.#run(ask).finally(() => {
      for (const item of items) item.asks.delete(ask);
      provider.outstanding--;
      this.#expected -= ask.bytes;
      this.#cursor = 0;
      this.#running.delete(running);
      this.pump();
      this.#parts.changed();
    });
    this.#running.add(running);
  }

  /** Never rejects. */
  async #run(ask: Ask): Promise<void> {
    const { provider, items } = ask;
    const { peer } = provider;
    const { signal } = this.#stop;
    try {
      const first = items[0]!;
      const answer = provider.servesRanges
        ? await peer.getBlocks([first.parent], items.at(-1)!.hash, signal)
        : [await peer.getBlock({ hash: first.hash }, signal)];
      if (!signal.aborted) this.#take(ask, answer);
    } catch (error) {
      if (!signal.aborted) this.#failed(provider, error);
    }
  }

  #take({ provider, items }: Ask, answer: readonly Uint8Array[]): void {
    const wanted = new Map(items.map((item) => [item.key, item]));
    let found = 0;
    for (const bytes of answer.slice(0, items.length)) {
      let key: string;
      try {
        key = keyText(readHeader(bytes, 'block').hash);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.#exclude(provider, { kind: 'illegal', reason: error.message });
        return;
      }
      const item = wanted.get(key);
      if (item === undefined) break;
      found++;
      if (this.#byKey.get(key) === item) this.#keep(item, bytes, provider.peer);
    }
    if (found > 0) provider.answered(found);
    // It may be on another branch, and honest.
    else this.#exclude(provider, { kind: 'fault', reason: 'blocks other than those asked for' });
  }

  #failed(provider: FetchProvider, error: unknown): void {
    if (error instanceof PeerRequestError) {
      const { code } = error.detail;
      if (code === 'busy') {
        provider.rest(this.#parts.clock.now());
      } else if (code === 'closed') {
        provider.excluded = true;
      } else if (provider.timedOut()) {
        provider.excluded = true;
        this.#parts.silent(provider.peer);
      }
      return;
    }
    this.#exclude(provider, { kind: 'fault', reason: errorText(error) });
  }

  #exclude(provider: FetchProvider, offence: Offence): void {
    provider.excluded = true;
    this.#parts.offended(provider.peer, offence);
  }

  #keep(item: Item, bytes: Uint8Array, peer: SyncPeer): void {
    if (item.body !== undefined || item.refused.has(peer.id)) return;
    item.body = { bytes: ownBytes(bytes), peer };
    this.#bytes += bytes.length;
    this.#averageBytes += (bytes.length - this.#averageBytes) / 16;
    if (bytes.length > this.#averageBytes) this.#averageBytes = bytes.length;
    // Larger than was guessed: the highest are the last that are needed.
    for (let at = this.#items.length - 1; at > 0 && this.#bytes > this.#options.maxBytes; at--) {
      if (this.#items[at]!.body === undefined) continue;
      this.#drop(this.#items[at]!);
      this.#cursor = Math.min(this.#cursor, at);
    }
  }

  #drop(item: Item): void {
    if (item.body === undefined) return;
    this.#bytes -= item.body.bytes.length;
    item.body = undefined;
  }
}

/** Nobody was asked for it. */
function isOpen(item: Item): boolean {
  return item.body === undefined && item.asks.size === 0;
}

function isUsable(provider: FetchProvider, item: Item): boolean {
  const { peer, excluded } = provider;
  return !excluded && !peer.closed && peer.height >= item.height && !item.refused.has(peer.id);
}

/** Items from `at` on, one after another, as long as they fit; at most `most`, `undefined` for none. */
function run(
  items: readonly Item[],
  at: number,
  most: number,
  fits: (item: Item) => boolean,
): readonly Item[] | undefined {
  let end = at;
  while (end < items.length && end - at < most && fits(items[end]!)) end++;
  return end === at ? undefined : items.slice(at, end);
}

/** A part of a larger buffer would keep all of that alive. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length ? bytes.slice() : bytes;
}
