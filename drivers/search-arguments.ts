import { PREIMAGE_BYTES } from '../src/chain/header.ts';
import type { NonceRange, Work } from './driver.ts';

const TWO_64 = 1n << 64n;

/** Checks the arguments of `Device.search`. Throws a `RangeError` that names the argument. */
export function checkSearch(work: Work, range: NonceRange): void {
  if (work.preimage.length !== PREIMAGE_BYTES) {
    throw new RangeError(
      `"preimage" expected ${PREIMAGE_BYTES} bytes, got ${work.preimage.length}`,
    );
  }
  const { start, count } = range;
  const end = Number.isSafeInteger(count) && count >= 0 ? start + BigInt(count) : -1n;
  if (start < 0n || end < start || end > TWO_64) {
    throw new RangeError(`"range" expected nonces of 64 bits, got ${count} from ${start}`);
  }
}
