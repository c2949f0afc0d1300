import { expect, it } from 'vitest';
import { ProvenLogins } from '../../../pool/verify/proven-logins.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('knows who had a good share within the hour, and no bad one since', async () => {
  const clock = new FakeClock();
  const proven = new ProvenLogins({ clock });
  proven.add('a');
  proven.add('b');
  expect([proven.has('a'), proven.has('stranger')]).toEqual([true, false]);
  const drops = ['a', 'a', 'stranger'].map((login) => proven.drop(login));
  expect(drops).toEqual([true, false, false]);
  expect([proven.has('a'), proven.has('b')]).toEqual([false, true]);
  await clock.advance(3_600_001);
  expect(proven.has('b')).toBe(false);
  proven.add('a');
  expect(proven.has('a')).toBe(true);
});
