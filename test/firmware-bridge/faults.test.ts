/**
 * A host and a board over bad lines. Whatever a line does, nothing wrong may come out at its end: what
 * cannot be right does not arrive, and what did not arrive can be seen to be missing.
 */
import { describe, expect, it } from 'vitest';
import { Board } from '../../firmware-bridge/board.ts';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { type BoardEvent, DONE_REASONS } from '../../firmware-bridge/events.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { type FaultyPort, faultyPort } from '../../firmware-bridge/sim/line-faults.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { badLine } from '../support/bad-lines.ts';
import { seededRandom } from '../support/random.ts';
import { EASY, goodNonces, never, SerialRig, workOf } from '../support/serial-rig.ts';
import { hashOfNonce, SEED_A, SimulatedRig, standInRows } from '../support/simulated-rig.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

const SEEDS = 200;
/** One hash of four is a share. */
const TARGET = (1n << 254n) - 1n;
const COUNT = 8;
const HEADER_HASH = new Uint8Array(32).fill(5);
/** Virtual time for the conversation over the bad line, and after it over the good one. */
const BAD_MS = 4000;
const GOOD_MS = 2000;
/** Until a device knows of another hash. */
const BACK_MS = 2000;

const isShare = (nonce: bigint): boolean => meetsTarget(hashOfNonce(nonce), TARGET);

class Conversation {
  readonly rig: SimulatedRig = new SimulatedRig();
  readonly port: FaultyPort;
  readonly link: Link;
  readonly events: BoardEvent[] = [];
  /** How often something was refused or not answered. */
  failures = 0;
  #board: Board | undefined;
  #jobId = 0;
  nextNonce = 0n;

  constructor(seed: number) {
    const { board, clock } = this.rig;
    Object.assign(board.script, { msPerHash: 10, msPerRow: 5, deriveMs: 30 });
    const random = seededRandom(seed);
    this.port = faultyPort(board.connect(), { faults: badLine(random), random, clock });
    this.link = new Link(this.port, { clock });
    this.link.onEvent((event) => this.events.push(event));
  }

  /** All that a host wants of a board, again and again. */
  async talk(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.once(signal);
      } catch (error) {
        if (error instanceof LinkError) this.failures++;
        else if (!signal.aborted) throw error;
      }
    }
  }

  /** Resolves with the shares of a job that went well. */
  async once(signal: AbortSignal): Promise<readonly bigint[]> {
    const board = this.#board ?? (await Board.identify(this.link, signal));
    this.#board = board;
    expect(board.identity.name).toBe('Simulated board');
    await board.seed(1, await standInTable(SEED_A), { signal });
    const jobId = this.#jobId++;
    const nonceStart = this.nextNonce;
    this.nextNonce += BigInt(COUNT);
    const done = this.link.event(
      (event) => (event.event === 'DONE' && event.jobId === jobId ? event : undefined),
      AbortSignal.any([signal, this.#late(500)]),
    );
    // It is waited for only after the job was taken.
    done.catch(() => undefined);
    const preimage = new Uint8Array(40).fill(7);
    const range = { nonceOffset: 32, nonceStart, count: COUNT, target: TARGET };
    await board.job({ epoch: 1, jobId, place: 'replace', preimage, ...range }, signal);
    const rows = await board.rows(
      { epoch: 1, jobId: 0xfffe, row0: 17, n: 2, headerHash: HEADER_HASH },
      { signal },
    );
    expect(rows).toEqual(standInRows(HEADER_HASH, await standInTable(SEED_A), 17, 2));
    const end = await done.catch(() => undefined);
    const shares = this.events.flatMap((event) =>
      event.event === 'SHARE' && event.jobId === jobId ? [event] : [],
    );
    if (end?.reason !== DONE_REASONS.COMPLETE || end.shares !== shares.length) {
      this.failures++;
      return [];
    }
    return shares.map((share) => share.nonce);
  }

  /** Every event that came is true. */
  check(): void {
    const seen = new Set<string>();
    for (const event of this.events) {
      if (event.event === 'SHARE') {
        expect(event.digest).toEqual(hashOfNonce(event.nonce));
        expect(isShare(event.nonce)).toBe(true);
        expect(event.nonce / BigInt(COUNT)).toBe(BigInt(event.jobId));
        expect(seen.has(`${event.jobId} ${event.index}`)).toBe(false);
        seen.add(`${event.jobId} ${event.index}`);
      }
      if (event.event === 'PROGRESS' || event.event === 'DONE') {
        const start = BigInt(event.jobId * COUNT);
        const hashed = Array.from({ length: event.hashes }, (_, i) => start + BigInt(i));
        expect(event.nextNonce).toBe(start + BigInt(event.hashes));
        expect(event.shares).toBe(hashed.filter(isShare).length);
      }
    }
  }

  #late(ms: number): AbortSignal {
    const stop = new AbortController();
    void this.rig.clock.sleep(ms).then(() => stop.abort());
    return stop.signal;
  }
}

describe('a host and a board over bad lines', () => {
  let faults = 0;
  let failures = 0;
  let repeats = 0;

  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'let nothing wrong through, and recover: %i',
    async (seed) => {
      const talk = new Conversation(seed);
      const { clock } = talk.rig;
      const stop = new AbortController();
      const talking = talk.talk(stop.signal);
      await clock.advance(BAD_MS);
      stop.abort();
      await talking;
      talk.check();
      faults += talk.port.faults;
      failures += talk.failures;
      repeats += talk.link.stats.repeats;

      talk.port.isGood = true;
      const { failures: before, nextNonce } = talk;
      const shares = await talk.rig.run(talk.once(new AbortController().signal), 10, GOOD_MS);
      expect(talk.failures).toBe(before);
      const nonces = Array.from({ length: COUNT }, (_, i) => nextNonce + BigInt(i));
      expect(shares).toEqual(nonces.filter(isShare));
      talk.check();
    },
  );

  it('were bad lines', () => {
    // So that the tests above are about something.
    expect(faults).toBeGreaterThan(SEEDS * 20);
    expect(failures).toBeGreaterThan(SEEDS / 10);
    expect(repeats).toBeGreaterThan(SEEDS);
  });
});

describe('a board as a device over bad lines', () => {
  let faults = 0;
  let hashesAnew = 0;

  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'finds every share, and no other, and goes on: %i',
    async (seed) => {
      const random = seededRandom(seed);
      const plan = badLine(random);
      // Some end while the line is bad, others go on when it is good.
      const count = 40 * (1 + (seed % 5));
      const lines: FaultyPort[] = [];
      let isGood = true;
      const rig = await SerialRig.open({
        wrap: (port, clock) => {
          const line = faultyPort(port, { faults: plan, random, clock });
          line.isGood = isGood;
          lines.push(line);
          return line;
        },
      });
      const { clock, device, board } = rig;
      const setLine = (good: boolean): void => {
        isGood = good;
        for (const line of lines) line.isGood = good;
      };
      board.script.msPerHash = 20;
      setLine(false);
      const work = workOf(EASY);
      const heard: bigint[] = [];
      const search = device.search(work, { start: 500n, count }, never(), (nonce) =>
        heard.push(nonce),
      );
      await clock.advance(BAD_MS);
      setLine(true);
      const { hashes } = device.telemetry();
      const since = clock.now();
      while (hashes < count && device.telemetry().hashes === hashes) {
        await clock.advance(20);
        expect(clock.now() - since).toBeLessThanOrEqual(BACK_MS);
      }

      const result = await rig.run(search);
      const expected = goodNonces(work, 500n, count);
      expect(result).toEqual({ scanned: count, nonces: expected, aborted: false });
      // As they were found, or found again after a loss.
      expect([...heard].sort((a, b) => Number(a - b))).toEqual(expected);
      expect(device.telemetry()).toMatchObject({ mismatches: 0, hashes: count });
      await rig.run(device.close());
      expect(clock.sleeping).toBe(0);
      faults += lines.reduce((sum, line) => sum + line.faults, 0);
      hashesAnew += board.hashes - count;
    },
  );

  it('were bad lines', () => {
    expect(faults).toBeGreaterThan(SEEDS * 20);
    expect(hashesAnew).toBeGreaterThan(SEEDS * 10);
  });
});
