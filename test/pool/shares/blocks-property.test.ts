/** 100,000 shares over as many random targets: the blocks among them, all of them and nothing else. */
import { describe, expect, it } from 'vitest';
import type { PoolTemplate } from '../../../pool/template.ts';
import { bitsToTarget } from '../../../src/tensority/target.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { u256ToBytes } from '../../../src/util/u256.ts';
import { seededRandom } from '../../support/random.ts';
import { logIn, makeTemplate, startDesk, submitOf } from './desk-rig.ts';

const ROUNDS = 20;
const SHARES = 5000;
const MAX = (1n << 256n) - 1n;

describe('blocks', () => {
  it.each(Array.from({ length: ROUNDS }, (_, seed) => seed))(
    `are recognised exactly, over ${SHARES} random targets (seed %d)`,
    async (seed) => {
      const random = seededRandom(seed);
      let powHash: Uint8Array = new Uint8Array(32);
      // In every other round shares may be harder than the network, as some pools are set up.
      const capsAtNetwork = seed % 2 === 0;
      const rig = startDesk(
        { capsAtNetwork, minDifficulty: 1n, banMs: 0, maxDifficulty: 1n << 70n },
        { rule: () => powHash },
      );
      const miners = [1n, 300n, 1n << 20n, 1n << 45n].map((fixed, i) =>
        logIn(rig, `a.${i}`, { password: `fd=${fixed}` }),
      );
      const expected: string[] = [];
      const tally = { blocks: 0, blocksOnly: 0, shares: 0, low: 0 };
      for (let i = 0; i < SHARES; i++) {
        const template = randomTemplate(i, random);
        rig.feed.set(template, random() < 0.5);
        const miner = miners[Math.floor(random() * miners.length)]!;
        const { job } = miner;
        const value = pickHash(template.target, job.target, random);
        powHash = u256ToBytes(value);
        rig.sink.failure = random() < 0.1 ? new Error('disk full') : undefined;
        const outcome = await rig.desk.submit(
          miner.session,
          submitOf(miner, job, job.startNonce + BigInt(i), {
            ...(random() < 0.3 ? { result: powHash } : {}),
          }),
        );
        const isBlock = value <= template.target;
        const isShare = isBlock || value <= job.target;
        const what = `share ${i}: hash ${value}, block ${template.target}, share ${job.target}`;
        if (rig.found.length !== expected.length + (isBlock ? 1 : 0)) throw new Error(what);
        const block = rig.found.at(-1);
        if (isBlock) expected.push(`${template.header.height}`);
        if (isBlock && block?.header.height !== template.header.height) throw new Error(what);
        const reason = rig.sink.failure === undefined ? undefined : 'unavailable';
        const answer = isShare ? (reason ?? 'accepted') : 'low-difficulty';
        const got = outcome.accepted ? 'accepted' : outcome.reason;
        if (got !== answer) throw new Error(`${what}: ${got} for ${answer}`);
        if (isBlock) tally.blocks++;
        if (isBlock && value > job.target) tally.blocksOnly++;
        if (isShare && !isBlock) tally.shares++;
        if (!isShare) tally.low++;
      }
      // Of each kind enough to mean something; blocks that miss the share target are few but with the cap off.
      expect(tally.blocks).toBeGreaterThan(1000);
      expect(tally.shares).toBeGreaterThan(200);
      expect(tally.low).toBeGreaterThan(500);
      expect(tally.blocksOnly).toBeGreaterThan(capsAtNetwork ? -1 : 300);
      expect(new Set(rig.found.map(({ hash }) => bytesToHex(hash))).size).toBe(tally.blocks);
      await rig.desk.close();
    },
  );
});

/** Of any size that bits can say, also one that every hash meets. */
function randomTemplate(i: number, random: () => number): PoolTemplate {
  const exponent = BigInt(20 + Math.floor(random() * 14));
  const mantissa = BigInt(1 + Math.floor(random() * 0xfffffe));
  const target = bitsToTarget((exponent << 56n) | mantissa);
  return makeTemplate({ height: 1000 + i, parent: 1000, timestamp: 1_700_000_000 + i, target });
}

/** Most of them on the edge of one of the targets. */
function pickHash(block: bigint, share: bigint, random: () => number): bigint {
  const edges = [block - 1n, block, block + 1n, share - 1n, share, share + 1n, block / 2n, 0n, MAX];
  const at = Math.floor(random() * (edges.length + 3));
  const value = edges[at] ?? randomBelow(at === edges.length ? MAX : 2n * block + 1n, random);
  return value > MAX ? MAX : value < 0n ? 0n : value;
}

function randomBelow(limit: bigint, random: () => number): bigint {
  let value = 0n;
  for (let i = 0; i < 8; i++) value = (value << 32n) | BigInt(Math.floor(random() * 2 ** 32));
  return value % limit;
}
