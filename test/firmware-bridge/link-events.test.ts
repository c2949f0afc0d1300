import { describe, expect, it } from 'vitest';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import {
  type BoardEvent,
  DONE_REASONS,
  EVENTS,
  FAULT,
  PROGRESS,
  SEED_READY,
} from '../../firmware-bridge/events.ts';
import { encodeFrame } from '../../firmware-bridge/frame.ts';
import type { Link } from '../../firmware-bridge/link.ts';
import { ANSWER } from '../../firmware-bridge/messages.ts';
import { slipEncode } from '../../firmware-bridge/slip.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { settle } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { linkToBoard } from '../support/scripted-board.ts';

const BYTES = Uint8Array.of(1, 2, 3);
const NOTHING = new Uint8Array(0);

const ready = (epoch: number): Uint8Array => SEED_READY.encode({ epoch, crc: 0, ms: 0 });
const started = FAULT.encode({ fault: 1, temperature: 0, info: 0 });

describe('events', () => {
  function listen(link: Link): string[] {
    const heard: string[] = [];
    link.onEvent((event) => heard.push(nameOf(event)));
    return heard;
  }
  const nameOf = (event: BoardEvent): string =>
    'epoch' in event ? `${event.event} ${event.epoch}` : `${event.event} ${event.fault}`;

  it('reach every listener until it goes', () => {
    const { board, link } = linkToBoard();
    const heard = listen(link);
    const off = link.onEvent(() => heard.push('second'));
    board.event('SEED_READY', ready(4));
    off();
    board.event('FAULT', FAULT.encode({ fault: 2, temperature: 900, info: 0 }));
    expect(heard).toEqual(['SEED_READY 4', 'second', 'FAULT 2']);
  });

  it('are counted where their seq has gaps', () => {
    const { board, link } = linkToBoard();
    // What came before the first is not known to be missed.
    for (const seq of [65_530, 65_531, 65_534, 65_535, 0, 2]) {
      board.event('SEED_READY', ready(seq), seq);
    }
    expect(link.stats.missedEvents).toBe(2 + 1);
    expect(link.stats.received).toBe(6);
  });

  it('are not counted as missed again when an older one comes late or once more', () => {
    const { board, link } = linkToBoard();
    const heard = listen(link);
    for (const seq of [7, 8, 10, 9, 7, 11]) board.event('SEED_READY', ready(seq), seq);
    expect(link.stats.missedEvents).toBe(1);
    expect(heard).toHaveLength(6);
  });

  it('reach the other listeners, and the next frame, when one throws', async () => {
    const errors: unknown[] = [];
    const { board, link } = linkToBoard({ onListenerError: (error) => errors.push(error) });
    const wrong = new LinkError({ code: 'restarted', request: 'JOB' });
    link.onEvent(() => {
      throw wrong;
    });
    link.onLog(() => {
      throw new RangeError('as arranged');
    });
    const heard = listen(link);
    const lines: string[] = [];
    link.onLog((line) => lines.push(line));
    board.on('PING', (frame) => {
      // All of it in one piece, as from a port.
      const event = encodeFrame(EVENTS.SEED_READY, 0, ready(1));
      const answer = encodeFrame(frame.type | ANSWER, frame.seq, frame.payload);
      const text = new TextEncoder().encode('a line\n');
      board.send(concatBytes(slipEncode(event), text, slipEncode(answer)));
      return undefined;
    });
    expect(await link.request('PING', BYTES)).toEqual(BYTES);
    expect(heard).toEqual(['SEED_READY 1']);
    expect(lines).toEqual(['a line']);
    expect(errors).toEqual([wrong, new RangeError('as arranged')]);
    // What a listener throws is no fault of the line's.
    expect(link.stats).toMatchObject({ otherErrors: 0, crcErrors: 0, garbage: 0 });
  });

  it('count anew after a start and after HELLO', async () => {
    const { board, link } = linkToBoard();
    board.onHello();
    board.event('SEED_READY', ready(1), 50);
    board.event('FAULT', started, 0);
    board.event('SEED_READY', ready(1), 2);
    expect(link.stats.missedEvents).toBe(1);
    await link.hello();
    board.event('SEED_READY', ready(1), 40);
    expect(link.stats.missedEvents).toBe(1);
  });

  it('come once from a line that doubles them, except for a start', () => {
    const { board, link } = linkToBoard();
    const heard = listen(link);
    for (const seq of [1, 1, 2]) board.event('SEED_READY', ready(9), seq);
    for (let i = 0; i < 2; i++) board.event('FAULT', started, 0);
    expect(heard).toEqual(['SEED_READY 9', 'SEED_READY 9', 'FAULT 1', 'FAULT 1']);
    expect(link.stats.missedEvents).toBe(0);
  });

  it('are dropped and counted if they are malformed, and dropped if they are of a later version', () => {
    const { board, link } = linkToBoard();
    const heard = listen(link);
    board.event('SHARE', BYTES);
    board.send(slipEncode(encodeFrame(0xd0, 1, BYTES)));
    board.event('SEED_READY', ready(1), 2);
    expect(heard).toEqual(['SEED_READY 1']);
    expect(link.stats).toMatchObject({ otherErrors: 1, missedEvents: 0 });
  });

  it('can be waited for', async () => {
    const { board, link } = linkToBoard();
    const done = link.event((event) => (event.event === 'DONE' ? event : undefined));
    const progress = {
      epoch: 1,
      jobId: 2,
      shares: 3,
      nextNonce: 4n,
      hashes: 5,
      reason: DONE_REASONS.ABORTED,
      digest: new Uint8Array(32),
    };
    board.event('PROGRESS', PROGRESS.encode(progress));
    board.event('DONE', PROGRESS.encode(progress));
    expect(await done).toEqual({ event: 'DONE', ...progress });
  });

  it('reject who waits by the signal, by what picks, and when the port goes', async () => {
    const { board, link } = linkToBoard();
    const abort = new AbortController();
    const aborted = outcomeOf(link.event(() => undefined, abort.signal));
    const thrown = outcomeOf(
      link.event(() => {
        throw new RangeError('as arranged');
      }),
    );
    const lost = outcomeOf(link.event(() => undefined));
    abort.abort('enough');
    board.event('SEED_READY', ready(1));
    await settle();
    expect(aborted.error).toBe('enough');
    expect(thrown.error).toEqual(new RangeError('as arranged'));
    expect(lost.error).toBeUndefined();
    board.unplug();
    await settle();
    expect(lost.error).toMatchObject({ detail: { code: 'gone', reason: 'unplugged' } });
    await expect(link.event(() => undefined)).rejects.toBeInstanceOf(PortError);
  });
});

describe('the log', () => {
  it('comes line by line, without control codes, among frames', () => {
    const { board, link } = linkToBoard();
    const lines: string[] = [];
    const off = link.onLog((line) => lines.push(line));
    board.text('hello\r\na\tb\nhalf');
    board.event('SEED_READY', ready(1));
    board.text(`${'z'.repeat(300)}\n`);
    off();
    board.text('unheard\n');
    expect(lines).toEqual(['hello', 'a b', 'half', 'z'.repeat(256), 'z'.repeat(44)]);
    expect(link.stats.garbage).toBe(0);
  });
});

describe('the end of a port', () => {
  it('rejects everything under way and everything after', async () => {
    const { board, link, clock } = linkToBoard();
    const calls = [
      outcomeOf(link.request('PING', BYTES)),
      outcomeOf(link.request('STATUS', NOTHING)),
      outcomeOf(link.event(() => undefined)),
      outcomeOf(link.pause(1000)),
    ];
    await settle();
    board.unplug();
    await settle();
    for (const { error } of calls) {
      expect(error).toMatchObject({ detail: { code: 'gone', reason: 'unplugged' } });
    }
    expect((await link.closed)?.detail.code).toBe('gone');
    await expect(link.request('PING', BYTES)).rejects.toBeInstanceOf(PortError);
    expect(clock.sleeping).toBe(0);
  });

  it('leaves no timer after close, not even of a busy board', async () => {
    const { board, link, clock } = linkToBoard();
    board.on('PING', (frame) => board.nak(frame, 'BUSY', 1000));
    const call = outcomeOf(link.request('PING', BYTES));
    await settle();
    await link.close();
    await link.close();
    await settle();
    expect(call.error).toMatchObject({ detail: { code: 'gone', reason: 'closed' } });
    expect(await link.closed).toBeUndefined();
    expect(clock.sleeping).toBe(0);
  });

  it('rejects a request that cannot be written', async () => {
    const { board, link, clock } = linkToBoard();
    const error = new PortError({ code: 'write-timeout', port: 'memory', afterMs: 2000 });
    board.port.write = () => Promise.reject(error);
    await expect(link.request('PING', BYTES)).rejects.toBe(error);
    // A write that hangs ends with the port.
    board.port.write = () => new Promise(() => {});
    const call = outcomeOf(link.request('PING', BYTES));
    await settle();
    board.unplug();
    await settle();
    expect(call.error).toBeInstanceOf(PortError);
    expect(clock.sleeping).toBe(0);
  });
});
