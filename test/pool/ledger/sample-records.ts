/** Shares and block events for tests of what keeps them. */
import type { BlockEvent, ShareRecord } from '../../../pool/ledger/records.ts';

/** A share whose id says its number. */
export function sampleShare(number: number, changes: Partial<ShareRecord> = {}): ShareRecord {
  const id = new Uint8Array(32).fill(number % 251);
  new DataView(id.buffer).setUint32(0, Math.imul(number, 0x9e3779b1) >>> 0);
  new DataView(id.buffer).setUint32(28, number);
  return {
    id,
    timeMs: 1_790_000_000_000 + number,
    account: 'bm1qexample',
    worker: `rig${number % 3}`,
    difficulty: 1024n,
    height: 500_000 + Math.floor(number / 100),
    bits: 0x1b00_0000_0000_ffffn,
    powHash: new Uint8Array(32).fill(number % 7),
    isVerified: true,
    isLate: false,
    isBlock: false,
    ...changes,
  };
}

export function randomShare(random: () => number): ShareRecord {
  return {
    id: randomBytes(random, 32),
    timeMs: Math.floor(random() * 2 ** (random() * 53)),
    account: randomText(random),
    worker: randomText(random),
    difficulty: randomBigint(random, 300),
    height: Math.floor(random() * 2 ** (random() * 53)),
    bits: randomBigint(random, 64),
    powHash: randomBytes(random, 32),
    isVerified: random() < 0.5,
    isLate: random() < 0.5,
    isBlock: random() < 0.5,
  };
}

const LATER_EVENTS = ['accepted', 'refused', 'orphaned', 'restored', 'matured', 'lost'] as const;

export function randomBlockEvent(random: () => number): BlockEvent {
  const hash = randomBytes(random, 32);
  const timeMs = Math.floor(random() * 2 ** 41);
  if (random() < 0.6) {
    const event = LATER_EVENTS[Math.floor(random() * LATER_EVENTS.length)]!;
    return { event, hash, timeMs, detail: randomText(random) };
  }
  return {
    event: 'found',
    hash,
    timeMs,
    height: Math.floor(random() * 2 ** 32),
    header: randomBytes(random, Math.floor(random() * 200)),
    rawBlock: randomBytes(random, random() < 0.3 ? 0 : Math.floor(random() * 2000)),
    node: randomText(random),
    account: randomText(random),
    worker: randomText(random),
  };
}

function randomBytes(random: () => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

function randomBigint(random: () => number, maxBits: number): bigint {
  const bits = Math.floor(random() * (maxBits + 1));
  let value = 0n;
  for (let i = 0; i < bits; i++) value = (value << 1n) | (random() < 0.5 ? 1n : 0n);
  return value;
}

/** Of all lengths, with characters of one to four bytes. */
function randomText(random: () => number): string {
  const kinds = ['a', '.', '\u0000', 'é', 'ß', '₿', '矿', '\ufeff', '⛏', '🚀'];
  const length = random() < 0.2 ? 0 : Math.floor(random() * 300);
  let text = '';
  for (let i = 0; i < length; i++) text += kinds[Math.floor(random() * kinds.length)]!;
  return text;
}
