/** Where counting starts when no pool says so. */
import { randomBytes } from 'node:crypto';
import { readU64 } from '../src/util/bytes.ts';

/**
 * A random nonce below 2^62, so that at least 2^62 usable ones follow it; rigs that each draw
 * their own do not try the same nonces.
 */
export function randomNonceStart(): bigint {
  return readU64(randomBytes(8), 0) >> 2n;
}
