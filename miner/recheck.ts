/**
 * Every nonce that a device found is hashed again before it is sent, by a hasher that shares no
 * kernel with the device. A pool bans for wrong shares; a wrong device must not get that far.
 */
import type { Work } from '../drivers/driver.ts';
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../src/chain/header.ts';
import { type BatchHasher, HasherError, type Seed } from '../src/tensority/hasher.ts';
import type { TableProvider } from '../src/tensority/table.ts';
import { meetsTarget } from '../src/tensority/target.ts';
import { writeU64 } from '../src/util/bytes.ts';

export interface RecheckParts {
  /** A hasher independent of the named kernel, which may be unknown. */
  readonly hasherFor: (kernel: string | undefined) => BatchHasher;
  readonly tables: TableProvider;
}

/** What the second path computed. */
export interface CheckedNonce {
  readonly headerHash: Uint8Array;
  readonly powHash: Uint8Array;
  /** False: the device was wrong. */
  readonly meetsTarget: boolean;
}

export class Recheck {
  readonly #parts: RecheckParts;
  /** One check after the other: between loading a seed and hashing nobody may load another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RecheckParts) {
    this.#parts = parts;
  }

  /**
   * Hashes `nonce` of `work` again, for a device that runs `kernel`. Undefined, and nothing is
   * hashed, if `isUnwanted` by the time its turn has come. Rejects if the hasher fails.
   */
  check(
    work: Work,
    nonce: bigint,
    kernel: string | undefined,
    isUnwanted: () => boolean,
  ): Promise<CheckedNonce | undefined> {
    const check = this.#last.then(() =>
      isUnwanted() ? undefined : this.#check(work, nonce, kernel),
    );
    this.#last = check.catch(() => undefined);
    return check;
  }

  async #check(work: Work, nonce: bigint, kernel: string | undefined): Promise<CheckedNonce> {
    const preimage = work.preimage.slice();
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, nonce);
    const headerHash = preimageHash(preimage);
    const powHash = await this.#hash(work.seed, headerHash, kernel).catch((error: unknown) => {
      // A share is worth a second hasher: the first one's thread may have died.
      if (!(error instanceof HasherError)) throw error;
      return this.#hash(work.seed, headerHash, kernel);
    });
    return { headerHash, powHash, meetsTarget: meetsTarget(powHash, work.target) };
  }

  async #hash(seed: Seed, headerHash: Uint8Array, kernel: string | undefined): Promise<Uint8Array> {
    const hasher = this.#parts.hasherFor(kernel);
    const powHash = new Uint8Array(32);
    try {
      await hasher.hash(seed, headerHash, powHash);
    } catch (error) {
      // Asked only when it is needed: the table may have to be built for it.
      if (!(error instanceof HasherError) || error.detail.code !== 'seed-not-loaded') throw error;
      await hasher.loadSeed(seed, await this.#parts.tables(seed));
      await hasher.hash(seed, headerHash, powHash);
    }
    return powHash;
  }
}
