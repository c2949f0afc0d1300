import { describe, expect, it } from 'vitest';
import { BanList } from '../../../src/node/peers/ban-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const IP = '10.0.0.1';

describe('scores', () => {
  it('are 20 for an offence: illegal messages stay, faults halve every 60 s', async () => {
    const clock = new FakeClock();
    const bans = new BanList(clock);
    bans.blame(IP, 'illegal');
    bans.blame(IP, 'fault');
    expect(bans.score(IP)).toBe(40);
    await clock.advance(60_000);
    expect(bans.score(IP)).toBeCloseTo(30);
    bans.blame(IP, 'fault');
    expect(bans.score(IP)).toBeCloseTo(50);
    await clock.advance(120_000);
    expect(bans.score(IP)).toBeCloseTo(27.5);
    await clock.advance(3_600_000);
    expect(bans.score(IP)).toBeCloseTo(20);
    expect(bans.score('10.0.0.2')).toBe(0);
  });

  it('ban above 100, for an hour, and begin again from 0', async () => {
    const clock = new FakeClock();
    const bans = new BanList(clock);
    const six = Array.from({ length: 6 }, () => bans.blame(IP, 'illegal'));
    expect(six).toEqual([false, false, false, false, false, true]);
    expect(bans.isBanned(IP)).toBe(true);
    expect(bans.score(IP)).toBe(0);
    await clock.advance(3_599_999);
    expect(bans.isBanned(IP)).toBe(true);
    await clock.advance(1);
    expect(bans.isBanned(IP)).toBe(false);
  });

  it('never ban for a fault a minute', async () => {
    const clock = new FakeClock();
    const bans = new BanList(clock);
    for (let minute = 0; minute < 100; minute++) {
      expect(bans.blame(IP, 'fault'), `${minute}`).toBe(false);
      await clock.advance(60_000);
    }
  });

  it('are those of an IPv4 address in whatever form, and of an IPv6 network', () => {
    const bans = new BanList(new FakeClock());
    for (let i = 0; i < 3; i++) {
      bans.blame('::ffff:10.0.0.1', 'illegal');
      bans.blame(IP, 'illegal');
      bans.blame(`2001:db8:1:2::${i}`, 'illegal');
      bans.blame(`2001:db8:1:2:3:4:5:${i}`, 'illegal');
    }
    expect(bans.isBanned(IP)).toBe(true);
    expect(bans.isBanned('2001:db8:1:2:ffff::')).toBe(true);
    expect(bans.isBanned('2001:db8:1:3::')).toBe(false);
  });

  it('are kept for 4096 addresses, the ones heard of least recently going first', () => {
    const bans = new BanList(new FakeClock());
    bans.blame(IP, 'illegal');
    const address = (i: number): string => `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < 4095; i++) bans.blame(address(i), 'illegal');
    expect(bans.score(IP)).toBe(20);
    for (let i = 0; i < 4095; i++) bans.blame(address(10_000 + i), 'illegal');
    expect([bans.score(IP), bans.score(address(0))]).toEqual([20, 0]);
    bans.blame(address(20_000), 'illegal');
    bans.blame(address(20_001), 'illegal');
    expect(bans.score(address(10_000))).toBe(0);
  });
});
