import { describe, expect, it } from 'vitest';
import { decodeTarget, encodeTarget } from '../../src/stratum/job.ts';
import { difficultyToTarget } from '../../src/tensority/target.ts';
import { seededRandom } from '../support/random.ts';
import { recordedSessions } from '../support/stratum-sessions.ts';

describe('targets as text', () => {
  it.each([
    [1n, 'ffffffff'],
    [2n, '00000080'],
    [4n, '00000040'],
    [20n, 'cccccc0c'],
    [100n, '285c8f02'],
    [255n, '01010101'],
    [256n, '00000001'],
    [257n, 'ff00ff00'],
    [1024n, '00004000'],
    [65_536n, '00000100'],
    [100_001n, 'c5a70000'],
    [1_050_000n, 'fa0f0000'],
  ])('writes difficulty %s as %s', (difficulty, text) => {
    expect(encodeTarget(difficultyToTarget(difficulty))).toBe(text);
  });

  it('writes what the recorded pool writes for the difficulty of every session', () => {
    let compared = 0;
    for (const session of recordedSessions) {
      for (const message of session.messages) {
        const sent = /"target":"([0-9a-f]+)"/.exec(Buffer.from(message.bytes ?? []).toString());
        if (message.dir !== 'server' || sent === null) continue;
        expect(encodeTarget(difficultyToTarget(session.shareDifficulty)), session.name).toBe(
          sent[1],
        );
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(60);
  });

  it.each([
    ['00004000', '0040'],
    ['ffff3f00', '003fffff'],
    ['c5a70000', '0000a7c5'],
    ['ffff3f', '3fffff'],
    ['ffffff0000', '0000ffffff'],
    ['3ec5a70000', '0000a7c53e'],
    ['bd31040000', '00000431bd'],
    ['FFFFFF', 'ffffff'],
    ['ff', 'ff'],
    [`${'00'.repeat(31)}01`, '01'],
    [`01${'00'.repeat(31)}`, `${'00'.repeat(31)}01`],
  ])('reads %s as the threshold %s…', (text, threshold) => {
    expect(decodeTarget(text, 'target')).toBe(BigInt(`0x${threshold.padEnd(64, '0')}`));
  });

  it('never writes an easier target, and loses less than 1/256 of it', () => {
    const random = seededRandom(11);
    for (let i = 0; i < 5_000; i++) {
      const bits = 1 + Math.floor(random() * 257);
      let target = 1n;
      for (let b = 1; b < bits; b++) target = (target << 1n) | BigInt(random() < 0.5 ? 0 : 1);
      const read = decodeTarget(encodeTarget(target), 'target');
      const wanted = target >> 256n === 0n ? target : (1n << 256n) - 1n;
      expect(read <= wanted, target.toString(16)).toBe(true);
      expect((wanted - read) * 256n <= wanted, target.toString(16)).toBe(true);
      expect(decodeTarget(encodeTarget(read), 'target')).toBe(read);
    }
  });

  it('needs a target to write one', () => {
    expect(() => encodeTarget(0n)).toThrow(RangeError);
  });
});
