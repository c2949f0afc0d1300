/** When our node's work is held back: while it is well behind, and not for a block or two. */
import { describe, expect, it } from 'vitest';
import { createHeldBack } from '../../src/cli/held-back.ts';
import { FakeClock } from '../support/fake-clock.ts';

function createRig(): {
  readonly peers: { syncing: boolean; highest: number };
  readonly header: { height: number };
  readonly clock: FakeClock;
  readonly why: () => string | undefined;
} {
  const clock = new FakeClock();
  const peers = { syncing: false, highest: 100 };
  const header = { height: 100 };
  return {
    peers,
    header,
    clock,
    why: createHeldBack({ chain: { tip: { header } }, peers }, clock),
  };
}

describe('createHeldBack', () => {
  it('holds nothing back for one or two blocks that are fetched in a moment', () => {
    const { peers, header, why } = createRig();
    peers.syncing = true;
    for (const behind of [0, 1, 2]) {
      header.height = 100 - behind;
      expect(why(), `${behind}`).toBeUndefined();
    }
    header.height = 97;
    expect(why()).toBe('catching up with its peers');
    header.height = 98;
    expect(why()).toBeUndefined();
  });

  it('holds back in a sync of more than 10 s, until it ends', async () => {
    const { peers, clock, why } = createRig();
    peers.syncing = true;
    expect(why()).toBeUndefined();
    await clock.advance(10_000);
    expect(why()).toBeUndefined();
    await clock.advance(1);
    expect(why()).toBe('catching up with its peers');
    peers.syncing = false;
    expect(why()).toBeUndefined();
    peers.syncing = true;
    expect(why()).toBeUndefined();
  });

  it('believes no claim that nothing is fetched for', () => {
    const { peers, why } = createRig();
    peers.highest = 1_000_000;
    expect(why()).toBeUndefined();
  });
});
