/**
 * Checking headers without the chain: a run of headers after a block that is settled already, by all
 * rules for headers, proof of work included. Bytom 1.x consensus: "Block validation".
 *
 * What a light client must know. It trusts one block, the anchor. The headers after it are judged by
 * more than that one: the median time asks for the ten before it, the difficulty for the one where its
 * period began, the seed for the one that opened its epoch. `anchorAncestors` names them. They come
 * from the client's own store, where it put them as checked, or from anybody: then `anchorAt` follows
 * the links up to the trusted hash, and nothing but that hash is trusted.
 *
 * What it then knows: that so much work was spent on these headers. It does not know whether the
 * blocks below them are valid, nor whether another branch has more work; for that, ask many peers.
 */
import { type BlockHeader, headerHash } from '../chain/header.ts';
import { seedHeight } from '../chain/seed.ts';
import type { BatchHasher, Seed } from '../tensority/hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { bytesEqual, bytesToHex, concatBytes } from '../util/bytes.ts';
import type { Branch, HashedHeader } from './branch.ts';
import { blockWork, retargetAnchorHeight } from './difficulty.ts';
import { checkHeader, checkProofOfWork, headerContext, type PowClaim } from './header-rules.ts';
import { type LightProofDetail, LightProofError } from './light-error.ts';
import { MEDIAN_BLOCKS, RETARGET_BLOCKS } from './params.ts';
import { RuleError } from './rule-error.ts';

/** A settled block, and those of its ancestors that the headers after it are judged by. */
export interface LightAnchor {
  readonly header: BlockHeader;
  /** At least those at `anchorAncestors(header.height)`; in any order. */
  readonly ancestors: readonly BlockHeader[];
}

/** Computes Tensority for batches of header hashes. */
export interface PowSource {
  /** Most header hashes of one call. */
  readonly maxBatch: number;
  /** 32 bytes of PoW hash for each 32 bytes of header hash. */
  hash(seed: Seed, headerHashes: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
}

export interface LightRunOptions {
  /** The client's clock, seconds. */
  readonly now: number;
  readonly pow: PowSource;
  readonly signal?: AbortSignal;
}

export interface LightRun {
  /** The last header, as the anchor of the next run. */
  readonly anchor: LightAnchor;
  /** Its block hash. */
  readonly tipHash: Uint8Array;
  /** What the headers of the run add to the total work of the anchor. */
  readonly work: bigint;
}

/** Heights, from the lowest up, of the ancestors that headers after `height` are judged by. */
export function anchorAncestors(height: number): readonly number[] {
  const heights = new Set([seedHeight(height + 1), periodStart(height)]);
  for (let at = Math.max(0, height - MEDIAN_BLOCKS + 1); at < height; at++) heights.add(at);
  // Below an anchor at the edge of an epoch, or at genesis, one of them is the anchor itself.
  heights.delete(height);
  return [...heights].sort((a, b) => a - b);
}

/**
 * An anchor from a hash that is trusted, such as a checkpoint, and the headers that lead up to it,
 * lowest first and without a gap. They must begin at the first of `anchorAncestors` or lower: at most
 * 2016 blocks below. Throws `LightProofError` 'anchor' if they do not, if a link is wrong or if one of
 * them is no header at all.
 */
export function anchorAt(trustedHash: Uint8Array, headers: readonly BlockHeader[]): LightAnchor {
  const header = headers.at(-1);
  if (header === undefined) throw badAnchor('at least one header', 'none');
  // First, so that nothing is asked of a height that anybody could have made up.
  checkHash(header, trustedHash);
  const needed = anchorAncestors(header.height);
  const lowest = needed[0] ?? header.height;
  const first = headers[0]!.height;
  if (first > lowest) throw badAnchor(`headers from height ${lowest} on`, `the first at ${first}`);
  let wanted = trustedHash;
  for (let i = headers.length - 1; i >= 0; i--) {
    const each = headers[i]!;
    const height = header.height - (headers.length - 1 - i);
    if (each.height !== height) throw badAnchor(`height ${height}`, `${each.height}`);
    checkHash(each, wanted);
    wanted = each.previousBlockHash;
  }
  return { header, ancestors: needed.map((height) => headers[height - first]!) };
}

/**
 * Checks headers that follow the anchor, lowest first, and counts their work. All cheap rules are
 * checked for all headers first; the proof of work then stops at the first batch with a wrong one.
 * Throws `LightProofError`: 'anchor' if the anchor lacks an ancestor, contradicts itself or holds what
 * is no header, 'header' for the first header that is refused, with the `RuleError` as its cause,
 * 'malformed' for one that is none. Nothing is to be believed of a run that was refused. Rejects with what `pow` rejects with.
 */
export async function verifyHeaders(
  anchor: LightAnchor,
  headers: readonly BlockHeader[],
  options: LightRunOptions,
): Promise<LightRun> {
  const branch = new LightBranch(anchor);
  const firstHeight = anchor.header.height + 1;
  let work = 0n;
  const claims = headers.map((header, index): PowClaim => {
    const hash = hashOr(header, (reason) => {
      return { code: 'malformed', index, height: firstHeight + index, reason };
    });
    const context = headerContext(branch.tip, branch);
    const claim = naming(firstHeight, index, () => checkHeader(header, hash, context, options.now));
    branch.append({ header, hash });
    work += blockWork(header.bits);
    return claim;
  });
  for (let start = 0; start < claims.length; ) {
    const batch = claimsOfOneSeed(claims, start, options.pow.maxBatch);
    const powHashes = await proveBatch(batch, options);
    batch.forEach((claim, i) => {
      const powHash = powHashes.subarray(32 * i, 32 * i + 32);
      const index = start + i;
      naming(firstHeight, index, () => checkProofOfWork(claim, powHash));
    });
    start += batch.length;
  }
  return { anchor: branch.toAnchor(), tipHash: branch.tip.hash, work };
}

/** The PoW hashes of a hasher, with the tables it needs. */
export function powSource(hasher: BatchHasher, tables: TableProvider): PowSource {
  return {
    maxBatch: hasher.maxBatch,
    hash: async (seed, headerHashes, signal) => {
      await hasher.loadSeed(seed, await tables(seed), signal);
      const out = new Uint8Array(headerHashes.length);
      await hasher.hash(seed, headerHashes, out, signal);
      return out;
    },
  };
}

/** The headers known so far, as far as the next one can be judged by them. */
class LightBranch implements Branch {
  /** By height. */
  readonly #known = new Map<number, HashedHeader>();
  #tip: HashedHeader;

  constructor(anchor: LightAnchor) {
    this.#tip = { header: anchor.header, hash: anchorHash(anchor.header) };
    for (const header of anchor.ancestors) {
      this.#known.set(header.height, { header, hash: anchorHash(header) });
    }
    this.#known.set(anchor.header.height, this.#tip);
    for (const height of anchorAncestors(anchor.header.height)) {
      const { hash } = this.ancestor(height);
      const next = this.#known.get(height + 1);
      // Not every one is next to another: those that are not are trusted as they stand.
      if (next !== undefined) checkLink(hash, next.header);
    }
  }

  get tip(): HashedHeader {
    return this.#tip;
  }

  append(next: HashedHeader): void {
    this.#known.set(next.header.height, next);
    this.#tip = next;
  }

  ancestor(height: number): HashedHeader {
    const known = this.#known.get(height);
    if (known === undefined) throw badAnchor(`a header at height ${height}`, 'none');
    return known;
  }

  toAnchor(): LightAnchor {
    const { header } = this.#tip;
    const ancestors = anchorAncestors(header.height).map((height) => this.ancestor(height).header);
    return { header, ancestors };
  }
}

/** Where the period began that the next retarget after `height` looks back on. */
function periodStart(height: number): number {
  return retargetAnchorHeight(height) ?? height - (height % RETARGET_BLOCKS);
}

function claimsOfOneSeed(
  claims: readonly PowClaim[],
  start: number,
  maxBatch: number,
): readonly PowClaim[] {
  const { seed } = claims[start]!;
  let end = start + 1;
  while (end < claims.length && end - start < maxBatch && bytesEqual(claims[end]!.seed, seed)) {
    end++;
  }
  return claims.slice(start, end);
}

async function proveBatch(
  batch: readonly PowClaim[],
  { pow, signal }: LightRunOptions,
): Promise<Uint8Array> {
  const headerHashes = concatBytes(...batch.map((claim) => claim.headerHash));
  const powHashes = await pow.hash(batch[0]!.seed, headerHashes, signal);
  if (powHashes.length !== headerHashes.length) {
    const expected = `${headerHashes.length} bytes of PoW hashes`;
    throw new RangeError(`"pow" expected to give ${expected}, got ${powHashes.length}`);
  }
  return powHashes;
}

/** What `check` gives; its refusal says which header of the run it is about. */
function naming<T>(firstHeight: number, index: number, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const height = firstHeight + index;
    throw new LightProofError({ code: 'header', index, height, refusal: error.detail }, error);
  }
}

/** The block hash; for what cannot be hashed, such as a negative height, an error of `detail`. */
function hashOr(header: BlockHeader, detail: (reason: string) => LightProofDetail): Uint8Array {
  try {
    return headerHash(header);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LightProofError(detail(error.message), error);
  }
}

function anchorHash(header: BlockHeader): Uint8Array {
  return hashOr(header, (actual) => ({ code: 'anchor', expected: 'a header', actual }));
}

function checkHash(header: BlockHeader, wanted: Uint8Array): void {
  const hash = anchorHash(header);
  if (bytesEqual(hash, wanted)) return;
  throw badAnchor(`${bytesToHex(wanted)} at height ${header.height}`, bytesToHex(hash));
}

function checkLink(hash: Uint8Array, next: BlockHeader): void {
  if (bytesEqual(hash, next.previousBlockHash)) return;
  throw badAnchor(
    `a header at height ${next.height} after ${bytesToHex(hash)}`,
    `one after ${bytesToHex(next.previousBlockHash)}`,
  );
}

function badAnchor(expected: string, actual: string): LightProofError {
  return new LightProofError({ code: 'anchor', expected, actual });
}
