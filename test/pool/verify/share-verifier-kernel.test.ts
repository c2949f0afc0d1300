/** The verification tier over the real kernels, and shares that a pool has recorded. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSilentMeter } from '../../../pool/meter.ts';
import { ShareVerifier } from '../../../pool/verify/share-verifier.ts';
import { PowVerifier } from '../../../src/pow/pow-verifier.ts';
import { openConfirmingHasher, openCpuHasher } from '../../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../../src/tensority/table-builder.ts';
import { bitsToTarget, difficultyToTarget, meetsTarget } from '../../../src/tensority/target.ts';
import type { ThreadHasher } from '../../../src/tensority/thread-hasher.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { createSilentLogger } from '../../../src/util/log.ts';
import { recordedSessions, recordedTemplates } from '../../support/stratum-sessions.ts';

const recorded = new Map(
  recordedSessions
    .flatMap(({ messages, shareDifficulty }) =>
      messages.map((message) => ({ ...message, shareDifficulty })),
    )
    .filter(({ tensority }) => tensority !== undefined)
    .map((message) => [message.headerHash!, message]),
);
const seed = hexToBytes(recordedTemplates.get('t1')!.seed, 'seed');

let hasher: ThreadHasher;
let pow: PowVerifier;
let shares: ShareVerifier;

beforeAll(() => {
  hasher = openCpuHasher({ threads: 2, slots: 1 });
  const log = createSilentLogger();
  const table = buildMatrixTable(seed);
  pow = new PowVerifier(
    {},
    {
      hasher,
      tables: async () => table,
      confirm: () => openConfirmingHasher(hasher.tier),
      log,
    },
  );
  shares = new ShareVerifier(
    {},
    { verifier: pow, meter: createSilentMeter(), log, clock: systemClock },
  );
});

afterAll(async () => {
  await shares.close();
  await pow.close();
  await hasher.close();
});

describe('ShareVerifier over the real kernels', () => {
  it('has the recorded hash of every recorded share, and the recorded verdict', async () => {
    expect(recorded.size).toBeGreaterThanOrEqual(4);
    const some = [...recorded.values()].slice(0, 4);
    expect(some.map(({ meetsShareTarget }) => meetsShareTarget)).toContain(false);
    const verdicts = some.map(async (message) => {
      const { bits } = recordedTemplates.get(message.template!)!;
      const shareTarget = difficultyToTarget(message.shareDifficulty);
      const blockTarget = bitsToTarget(bits);
      const headerHash = hexToBytes(message.headerHash!, 'headerHash');
      const claim = { headerHash, seed, shareTarget, blockTarget, login: 'account.rig' };
      const { powHash, isConfirmed } = await shares.verify(claim);
      expect(bytesToHex(powHash), message.headerHash).toBe(message.tensority);
      const meetsShare = meetsTarget(powHash, shareTarget);
      expect(meetsShare, message.headerHash).toBe(message.meetsShareTarget);
      const isGood = meetsShare || meetsTarget(powHash, blockTarget);
      expect(isConfirmed, message.headerHash).toBe(!isGood);
    });
    await Promise.all(verdicts);
    expect(pow.mismatches).toBe(0);
  });
});
