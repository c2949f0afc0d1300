import { describe, expect, it } from 'vitest';
import {
  type FaultyPort,
  faultyPort,
  type LineFaults,
} from '../../firmware-bridge/sim/line-faults.ts';
import { createMemoryLine } from '../../firmware-bridge/sim/memory-line.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { seededRandom } from '../support/random.ts';

const BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

interface Ends {
  readonly port: FaultyPort;
  readonly clock: FakeClock;
  /** Chunks that the board heard, and the host. */
  readonly heard: Uint8Array[];
  readonly hostHeard: Uint8Array[];
  readonly say: (bytes: Uint8Array) => void;
  readonly unplug: () => void;
}

function endsOf(faults: LineFaults, seed = 1): Ends {
  const clock = new FakeClock();
  const line = createMemoryLine({ name: 'line', rate: undefined, isBadRate: () => false });
  const port = faultyPort(line.host, { faults, random: seededRandom(seed), clock });
  const heard: Uint8Array[] = [];
  const hostHeard: Uint8Array[] = [];
  line.board.onBytes((bytes) => heard.push(bytes));
  port.onBytes((bytes) => hostHeard.push(bytes));
  const say = (bytes: Uint8Array): void => line.board.write(bytes);
  return { port, clock, heard, hostHeard, say, unplug: () => line.board.close('unplugged') };
}

function joined(chunks: readonly Uint8Array[]): number[] {
  return chunks.flatMap((chunk) => [...chunk]);
}

describe('faultyPort', () => {
  it('is a good line without faults', async () => {
    const { port, heard, hostHeard, say } = endsOf({});
    await port.write(BYTES);
    say(BYTES);
    await settle();
    expect(heard).toEqual([BYTES]);
    expect(hostHeard).toEqual([BYTES]);
    expect(port.faults).toBe(0);
  });

  it.each<[string, LineFaults, (bytes: number[]) => void]>([
    ['loses bytes', { dropByte: 0.1 }, (bytes) => expect(bytes.length).toBeLessThan(256)],
    ['repeats bytes', { repeatByte: 0.1 }, (bytes) => expect(bytes.length).toBeGreaterThan(256)],
    ['invents bytes', { insertByte: 0.1 }, (bytes) => expect(bytes.length).toBeGreaterThan(256)],
    ['loses a run', { dropRun: 1 }, (bytes) => expect(bytes.length).toBeGreaterThan(256 - 65)],
    ['repeats a chunk', { repeatChunk: 1 }, (bytes) => expect(bytes.length).toBe(512)],
    [
      'flips single bits',
      { flipBit: 0.1 },
      (bytes) => {
        const changes = bytes.map((byte, i) => byte ^ i).filter((change) => change !== 0);
        expect(changes.length).toBeGreaterThan(5);
        for (const change of changes) expect(Math.log2(change) % 1).toBe(0);
      },
    ],
  ])('%s, both ways', async (_, faults, check) => {
    const { port, heard, hostHeard, say } = endsOf(faults);
    await port.write(BYTES);
    say(BYTES);
    await settle();
    for (const bytes of [joined(heard), joined(hostHeard)]) {
      check(bytes);
      expect(bytes).not.toEqual([...BYTES]);
    }
    expect(port.faults).toBeGreaterThan(1);
  });

  it('brings bytes one by one', async () => {
    const { port, heard } = endsOf({ split: 1 });
    await port.write(BYTES);
    for (let i = 0; i < 100 && heard.length < 256; i++) await settle();
    expect(heard).toHaveLength(256);
    expect(joined(heard)).toEqual([...BYTES]);
  });

  it('brings chunks late, and never in another order', async () => {
    const { port, heard, clock } = endsOf({ delay: 0.5, mostLateMs: 40 });
    for (const byte of BYTES) await port.write(Uint8Array.of(byte));
    await settle();
    expect(heard.length).toBeLessThan(20);
    // All were written at once: none is later than the latest.
    await clock.advance(40);
    expect(joined(heard)).toEqual([...BYTES]);
  });

  it('is a good line for as long as it is wanted', async () => {
    const { port, heard, say, hostHeard } = endsOf({ dropByte: 1 });
    await port.write(BYTES);
    port.isGood = true;
    await port.write(BYTES);
    say(BYTES);
    await settle();
    expect(joined(heard)).toEqual([...BYTES]);
    expect(joined(hostHeard)).toEqual([...BYTES]);
    port.isGood = false;
    await port.write(BYTES);
    await settle();
    expect(joined(heard)).toEqual([...BYTES]);
  });

  it('is gone when the port is, with what was on its way', async () => {
    const { port, heard, clock, unplug } = endsOf({ delay: 1 });
    await port.write(BYTES);
    unplug();
    await settle();
    expect(clock.sleeping).toBe(0);
    expect(heard).toEqual([]);
    await expect(port.write(BYTES)).rejects.toMatchObject({ detail: { code: 'gone' } });
    expect((await port.closed)?.detail.code).toBe('gone');
  });
});
