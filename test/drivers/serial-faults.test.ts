/** Searches over bad lines: nothing may be lost, nothing come twice, and a good line is soon a good device. */
import { describe, expect, it } from 'vitest';
import { type FaultyPort, faultyPort } from '../../firmware-bridge/sim/line-faults.ts';
import { badLine } from '../support/bad-lines.ts';
import { seededRandom } from '../support/random.ts';
import { EASY, goodNonces, never, SerialRig, workOf } from '../support/serial-rig.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 12);
const COUNT = 60;
const BAD_MS = 3000;

describe('a search over a bad line', () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => i))(
    'is whole, and over as soon as the line is good (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const faults = badLine(random);
      const ports: FaultyPort[] = [];
      let isGood = true;
      const rig = await SerialRig.open({
        wrap: (inner, clock) => {
          const port = faultyPort(inner, { faults, random, clock });
          port.isGood = isGood;
          ports.push(port);
          return port;
        },
      });
      const setGood = (good: boolean): void => {
        isGood = good;
        for (const port of ports) port.isGood = good;
      };
      const heard: bigint[] = [];
      const search = rig.device.search(workOf(EASY), { start: 0n, count: COUNT }, never(), (n) =>
        heard.push(n),
      );
      search.catch(() => undefined);
      await rig.clock.advance(500);
      setGood(false);
      await rig.clock.advance(BAD_MS);
      setGood(true);
      const before = rig.device.telemetry().hashes;
      await rig.clock.advance(2000);
      const after = rig.device.telemetry().hashes;
      if (before < COUNT)
        expect(after, 'hashes 2 s after the line was good').toBeGreaterThan(before);
      const nonces = goodNonces(workOf(EASY), 0n, COUNT);
      expect(await rig.run(search)).toEqual({ scanned: COUNT, nonces, aborted: false });
      expect(
        [...heard].sort((a, b) => Number(a - b)),
        'told once each',
      ).toEqual(nonces);
      expect(rig.device.telemetry().mismatches).toBe(0);
      await rig.run(rig.device.close());
    },
  );
});
