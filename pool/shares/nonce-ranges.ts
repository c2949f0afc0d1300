/**
 * Who counts which nonces: `server << 60 | index << shift`, as mining-api.md B.8 has it, so that no
 * two sessions of up to eight servers ever try the same header. Servers 8 and up would set bit 63,
 * and such a nonce cannot be put in a block header.
 */

export interface NonceRangesOptions {
  /** 0 … 7 */
  readonly serverId: number;
  /** A power of two, 2 … 2^20: a range must hold the 40 bits of the generic envelope. */
  readonly maxSessions: number;
}

export interface NonceRange {
  readonly index: number;
  /** The first nonce of it. */
  readonly start: bigint;
}

const SERVER_SHIFT = 60n;
const MAX_SESSIONS = 2 ** 20;

export class NonceRanges {
  /** How many bits of a nonce are a session's own. */
  readonly bits: number;
  readonly #options: NonceRangesOptions;
  /** In the order they were freed: the longer one rests, the rarer are shares of two owners at once. */
  readonly #freed = new Set<number>();
  #next = 0;

  /** Throws `RangeError` naming the option. */
  constructor(options: NonceRangesOptions) {
    const { serverId, maxSessions } = options;
    if (!Number.isInteger(serverId) || serverId < 0 || serverId > 7) {
      throw new RangeError(`"serverId" expected 0 … 7, got ${serverId}`);
    }
    const width = Math.log2(maxSessions);
    if (!Number.isInteger(width) || maxSessions < 2 || maxSessions > MAX_SESSIONS) {
      throw new RangeError(`"maxSessions" expected a power of two, 2 … 2^20, got ${maxSessions}`);
    }
    this.#options = options;
    this.bits = Number(SERVER_SHIFT) - width;
  }

  /** `undefined` if all are in use. */
  take(): NonceRange | undefined {
    const index = this.#takeIndex();
    if (index === undefined) return undefined;
    const start =
      (BigInt(this.#options.serverId) << SERVER_SHIFT) | (BigInt(index) << BigInt(this.bits));
    return { index, start };
  }

  /** Idempotent until it is taken again. */
  free(range: NonceRange): void {
    this.#freed.add(range.index);
  }

  #takeIndex(): number | undefined {
    // New ones first: a range that was used may still have shares on their way.
    if (this.#next < this.#options.maxSessions) return this.#next++;
    for (const oldest of this.#freed) {
      this.#freed.delete(oldest);
      return oldest;
    }
    return undefined;
  }
}

/**
 * The nonce that is meant, `undefined` if it is outside of the `bits` wide range at `start`. Some
 * firmware sends only eight digits; whether it means the whole nonce or the part below its prefix is
 * not known (B.5), so a short one is tried as it is and then below the prefix.
 */
export function nonceInRange(
  nonce: bigint,
  digits: number,
  start: bigint,
  bits: number,
): bigint | undefined {
  const prefix = start >> BigInt(bits);
  if (nonce >> BigInt(bits) === prefix) return nonce;
  return digits <= 8 && nonce >> 32n === 0n ? start | nonce : undefined;
}
