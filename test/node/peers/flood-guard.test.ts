import { describe, expect, it } from 'vitest';
import { FloodGuard } from '../../../src/node/peers/flood-guard.ts';
import type { PeerMessage } from '../../../src/p2p/messages.ts';

const ZERO: Uint8Array = new Uint8Array(32);
const REQUEST: PeerMessage = { type: 'get-block', height: 1, hash: ZERO };
const STATUS: PeerMessage = { type: 'status-request' };

/** Sends for a minute as fast as it is read: how many messages, and how many faults. */
function flood(message: PeerMessage): { readonly messages: number; readonly faults: number } {
  let now = 0;
  const guard = new FloodGuard({ now: () => now });
  let longestMs = 0;
  let messages = 0;
  let faults = 0;
  for (; now < 60_000; messages++) {
    const { waitMs, flooding } = guard.count(message);
    if (flooding) faults++;
    longestMs = Math.max(longestMs, waitMs);
    now += waitMs;
  }
  expect(longestMs).toBeLessThanOrEqual(5000);
  return { messages, faults };
}

describe('what is read of one peer', () => {
  it.each<readonly [PeerMessage, number, boolean]>([
    [REQUEST, 1000 + 60 * 200, false],
    [STATUS, 64 + 60 * 2, true],
    [{ type: 'filter-add', program: ZERO }, 4096 + 60 * 20, true],
    [{ type: 'transaction', transaction: new Uint8Array(500) }, 20_000 + 60 * 500, true],
    [{ type: 'transaction', transaction: new Uint8Array(200_000) }, 84 + 60 * 1.4, true],
    [{ type: 'new-block', block: ZERO }, 256 + 60 * 4, true],
    [{ type: 'new-block', block: new Uint8Array(1 << 20) }, 32 + 60 / 4, true],
    [{ type: 'blocks', blocks: [new Uint8Array(1 << 20)] }, 60 / 5, true],
  ])(
    'in a minute of flooding is bounded, and blamed where no honest peer does it (%#)',
    (message, most, blamed) => {
      const { messages, faults } = flood(message);
      expect(messages).toBeGreaterThan(most * 0.9);
      expect(messages).toBeLessThan(most * 1.1 + 3);
      // With their half-life of 60 s, four a minute come to 125 points: a ban.
      if (blamed) expect(faults).toBeGreaterThanOrEqual(4);
      else expect(faults).toBe(0);
    },
  );

  it('is not blamed at the pace of an honest node', async () => {
    let now = 0;
    const guard = new FloodGuard({ now: () => now });
    const transaction = new Uint8Array(400);
    for (let second = 0; second < 300; second++, now += 1000) {
      let waitMs = 0;
      for (let i = 0; i < 100; i++)
        waitMs += guard.count({ type: 'transaction', transaction }).waitMs;
      expect(waitMs).toBe(0);
      expect(guard.count(STATUS).waitMs).toBe(0);
      expect(guard.count({ type: 'new-block', block: new Uint8Array(50_000) }).waitMs).toBe(0);
    }
  });
});
