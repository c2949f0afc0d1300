/** Headers of the recorded chains, with what was recorded of them. */
import { type BlockHeader, decodeHeader, headerHash } from '../../src/chain/header.ts';
import type { Branch, HashedHeader } from '../../src/consensus/branch.ts';
import type { PowSource } from '../../src/consensus/light-headers.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { bytesOf, chainVectors, scenarioVectors } from '../chain/vectors.ts';

export interface RecordedHeader extends HashedHeader {
  /** Hex. */
  readonly seed: string;
  /** PoW hash as hex; genesis has none. */
  readonly pow: string;
  readonly totalWork: bigint;
}

let solonet: readonly RecordedHeader[] | undefined;

/** Blocks 0 … 2030 of the recorded solonet. */
export function solonetHeaders(): readonly RecordedHeader[] {
  solonet ??= chainVectors().map((block) => {
    const { header } = decodeHeader(bytesOf(block.raw_block));
    const { seed, pow, total_work } = block as typeof block & {
      readonly seed: string;
      readonly pow?: string;
      readonly total_work: string;
    };
    return {
      header,
      hash: headerHash(header),
      seed,
      pow: pow ?? '',
      totalWork: BigInt(total_work),
    };
  });
  return solonet;
}

/** The plain headers of heights `from` … `to`. */
export function solonetRun(from: number, to: number): BlockHeader[] {
  return solonetHeaders()
    .slice(from, to + 1)
    .map(({ header }) => header);
}

/** The recorded chain itself, as the branch below any of its blocks. */
export const solonetBranch: Branch = { ancestor: (height) => solonetHeaders()[height]! };

export interface ScenarioHeader extends HashedHeader {
  readonly step: string;
  readonly error: string | null;
}

/** What was submitted to a node on solonet, step by step, with the node's verdict. */
export function scenarioHeaders(): readonly ScenarioHeader[] {
  return scenarioVectors().map((vector) => {
    const { header } = decodeHeader(bytesOf(vector.raw_block));
    const { error } = vector as typeof vector & { readonly error: string | null };
    return { header, hash: headerHash(header), step: vector.name, error };
  });
}

/** Blocks by their hash, genesis included: the branch below any of them. */
export class HeaderTree {
  readonly #byHash = new Map<string, HashedHeader>();

  constructor() {
    this.add(SOLONET.genesis);
  }

  add(block: HashedHeader): void {
    this.#byHash.set(bytesToHex(block.hash), block);
  }

  get(hash: Uint8Array): HashedHeader | undefined {
    return this.#byHash.get(bytesToHex(hash));
  }

  branchBelow(tip: HashedHeader): Branch {
    return {
      ancestor: (height) => {
        let at = tip;
        while (at.header.height > height) at = this.get(at.header.previousBlockHash)!;
        return at;
      },
    };
  }
}

/** A hash above every target below 2^256 − 1. */
export const WORST_HASH: Uint8Array = new Uint8Array(32).fill(0xff);

/** The PoW hashes of the recorded solonet, and `WORST_HASH` for any other header or seed. */
export class RecordedPow implements PowSource {
  readonly maxBatch: number;
  /** Seeds (hex) and sizes of the batches, in order. */
  readonly batches: { readonly seed: string; readonly size: number }[] = [];
  readonly #known: ReadonlyMap<string, string>;

  constructor(maxBatch = 64) {
    this.maxBatch = maxBatch;
    this.#known = new Map(
      solonetHeaders().map((each) => [`${each.seed} ${bytesToHex(each.hash)}`, each.pow]),
    );
  }

  async hash(seed: Uint8Array, headerHashes: Uint8Array): Promise<Uint8Array> {
    const size = headerHashes.length / 32;
    this.batches.push({ seed: bytesToHex(seed), size });
    const out = Array.from({ length: size }, (_, i) => {
      const name = bytesToHex(headerHashes.subarray(32 * i, 32 * i + 32));
      const known = this.#known.get(`${bytesToHex(seed)} ${name}`);
      return known === undefined ? WORST_HASH : hexToBytes(known, 'pow', 32);
    });
    return concatBytes(...out);
  }
}
