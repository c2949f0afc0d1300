/** The stored vectors of Tensority, typed and decoded. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hexToBytes } from '../../src/util/bytes.ts';

/** All known hashes of one seed. */
export interface PowGroup {
  /** Hex. */
  readonly name: string;
  readonly seed: Uint8Array;
  readonly vectors: readonly PowVector[];
}

export interface PowVector {
  /** Hex of the header hash. */
  readonly name: string;
  readonly headerHash: Uint8Array;
  /** Hex of the PoW hash. */
  readonly powHash: string;
}

/** Every case of `tensority.json`, in the file's order, by seed. */
export function powGroups(): readonly PowGroup[] {
  const file = readVectors('tensority.json') as {
    readonly cases: readonly {
      readonly seed: string;
      readonly header_hash: string;
      readonly result: string;
    }[];
  };
  const groups = new Map<string, PowVector[]>();
  for (const each of file.cases) {
    const group = groups.get(each.seed) ?? [];
    groups.set(each.seed, group);
    group.push({
      name: each.header_hash,
      headerHash: hexToBytes(each.header_hash, 'header_hash', 32),
      powHash: each.result,
    });
  }
  return [...groups].map(([name, vectors]) => ({
    name,
    seed: hexToBytes(name, 'seed', 32),
    vectors,
  }));
}

/** The known hashes of one seed. */
export function powGroup(name: string): PowGroup {
  const group = powGroups().find((each) => each.name === name);
  if (group === undefined) throw new RangeError(`tensority.json has no seed ${name}`);
  return group;
}

/** Intermediate values of a seed; everything is hex, bytes in memory order. */
export interface SeedStages {
  readonly seed: string;
  readonly extended_seed: string;
  /** The first two entries of the scratchpad after round 0. */
  readonly first_entries: readonly [string, string];
  readonly scratchpad_sha3_of_round: Readonly<Record<'0' | '1' | '127', string>>;
  readonly x_after_round: Readonly<Record<'0' | '1' | '127', string>>;
  readonly matrix_sha3: Readonly<Record<string, string>>;
  readonly table_sha3: string;
  readonly hashes: readonly HashStages[];
}

export interface HashStages {
  readonly header_hash: string;
  readonly slices: readonly SliceStages[];
  readonly sum_sha3: string;
  readonly words_row_0: string;
  readonly final_bytes: string;
  readonly result: string;
}

export interface SliceStages {
  readonly sequence: string;
  /** SHA3-256 of the running matrix; steps count from 1. */
  readonly running_sha3_after_step: Readonly<Record<'1' | '2' | '33' | '64', string>>;
}

/** Intermediate values of two seeds and two header hashes for each. */
export function stages(): readonly SeedStages[] {
  return (readVectors('tensority-stages.json') as { readonly seeds: readonly SeedStages[] }).seeds;
}

/** SHA3-256 of the bytes, as hex, by OpenSSL. */
export function sha3Hex(data: Uint8Array | Int8Array | Uint32Array): string {
  return createHash('sha3-256').update(data).digest('hex');
}

function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));
}
