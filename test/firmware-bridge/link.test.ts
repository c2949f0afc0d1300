import { describe, expect, it } from 'vitest';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { encodeFrame, FLAG_REPEAT, type Frame } from '../../firmware-bridge/frame.ts';
import { HELLO_ANSWER } from '../../firmware-bridge/messages.ts';
import { slipEncode } from '../../firmware-bridge/slip.ts';
import { settle } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { linkToBoard, type ScriptedBoard } from '../support/scripted-board.ts';

const BYTES = Uint8Array.of(1, 2, 3);
const NOTHING = new Uint8Array(0);

function seqs(board: ScriptedBoard): number[] {
  return board.requests.map(({ seq }) => seq);
}

const echo = ({ payload }: Frame): Uint8Array => payload;

describe('Link.request', () => {
  it('resolves with the payload of the answer and leaves no timer', async () => {
    const { board, link, clock } = linkToBoard();
    board.on('PING', echo);
    expect(await link.request('PING', BYTES)).toEqual(BYTES);
    expect(await link.request('PING', NOTHING)).toEqual(NOTHING);
    expect(seqs(board)).toEqual([0, 1]);
    expect(board.requests.map(({ flags }) => flags)).toEqual([0, 0]);
    expect(clock.sleeping).toBe(0);
    expect(link.stats).toEqual({
      sent: 2,
      received: 2,
      repeats: 0,
      crcErrors: 0,
      otherErrors: 0,
      garbage: 0,
      missedEvents: 0,
    });
  });

  it('sends one at a time, in the order of calls', async () => {
    const { board, link } = linkToBoard();
    const calls = [1, 2, 3].map((n) => outcomeOf(link.request('PING', Uint8Array.of(n))));
    await settle();
    expect(board.requests).toHaveLength(1);
    for (const n of [1, 2, 3]) {
      board.answer(board.requests.at(-1)!, Uint8Array.of(n));
      await settle();
      expect(calls[n - 1]!.value).toEqual(Uint8Array.of(n));
      expect(board.requests).toHaveLength(Math.min(n + 1, 3));
    }
  });

  it('repeats twice under the same seq, 200 ms apart, and then calls the board silent', async () => {
    const { board, link, clock } = linkToBoard();
    const call = outcomeOf(link.request('STATUS', NOTHING));
    await clock.advance(199);
    expect(board.requests).toHaveLength(1);
    await clock.advance(1);
    expect(board.requests).toHaveLength(2);
    await clock.advance(399);
    expect(call.error).toBeUndefined();
    await clock.advance(1);
    expect(call.error).toEqual(
      new LinkError({ code: 'silent', request: 'STATUS', tries: 3, garbage: 0 }),
    );
    expect(seqs(board)).toEqual([0, 0, 0]);
    expect(board.requests.map(({ flags }) => flags)).toEqual([0, FLAG_REPEAT, FLAG_REPEAT]);
    expect(link.stats).toMatchObject({ sent: 3, repeats: 2 });
    expect(clock.sleeping).toBe(0);
  });

  it('waits twice as long as its frame and a longest one take on the wire', async () => {
    const { board, link, clock } = linkToBoard({ answerMs: 50, tries: 2 }, { byteMs: 0.1 });
    const call = outcomeOf(link.request('PING', BYTES));
    await settle();
    const ms = 50 + 2 * 0.1 * (board.writes[0]!.length + 1100);
    await clock.advance(ms - 0.5);
    expect(board.requests).toHaveLength(1);
    await clock.advance(1);
    expect(board.requests).toHaveLength(2);
    link.raise(2200);
    await clock.advance(2 * ms);
    expect(call.error).toMatchObject({ detail: { code: 'silent', tries: 2 } });
  });

  it('takes the answer to any of its tries', async () => {
    const { board, link, clock } = linkToBoard();
    const call = outcomeOf(link.request('PING', BYTES));
    await clock.advance(450);
    board.answer(board.requests[0]!, BYTES);
    await settle();
    expect(call.value).toEqual(BYTES);
    expect(board.requests).toHaveLength(3);
  });

  it('ignores answers to other requests, early or late', async () => {
    const { board, link, clock } = linkToBoard();
    const first = outcomeOf(link.request('PING', BYTES));
    await clock.advance(600);
    expect(first.error).toBeInstanceOf(LinkError);
    const second = outcomeOf(link.request('PING', NOTHING));
    await settle();
    board.answer(board.requests[0]!, Uint8Array.of(9));
    board.answer({ ...board.requests[3]!, seq: 2 }, Uint8Array.of(8));
    board.answer({ ...board.requests[3]!, type: 0x20 }, Uint8Array.of(7));
    await settle();
    expect(second.value).toBeUndefined();
    board.answer(board.requests[3]!, NOTHING);
    await settle();
    expect(second.value).toEqual(NOTHING);
    board.answer(board.requests[3]!, NOTHING);
    expect(link.stats.otherErrors).toBe(1);
  });

  it('counts its seq modulo 65,536', async () => {
    const { board, link } = linkToBoard({ firstSeq: 65_535 });
    board.on('PING', echo);
    await link.request('PING', NOTHING);
    await link.request('PING', NOTHING);
    expect(seqs(board)).toEqual([65_535, 0]);
  });

  it.each(['BAD_CRC', 'BAD_LEN'] as const)('repeats at once after NAK %s', async (name) => {
    const { board, link, clock } = linkToBoard();
    let tries = 0;
    board.on('PING', (frame) => (++tries < 3 ? board.nak(frame, name, 5) : frame.payload));
    expect(await link.request('PING', BYTES)).toEqual(BYTES);
    expect(seqs(board)).toEqual([0, 0, 0]);
    expect(clock.sleeping).toBe(0);
    expect(link.stats).toMatchObject(name === 'BAD_CRC' ? { crcErrors: 2 } : { otherErrors: 2 });
  });

  it('gives up after as many of these as tries, with what the board said', async () => {
    const { board, link } = linkToBoard();
    board.on('PING', (frame) => board.nak(frame, 'BAD_LEN', 5));
    await expect(link.request('PING', BYTES)).rejects.toMatchObject({
      detail: { code: 'refused', request: 'PING', nak: 'BAD_LEN', detail: 5 },
    });
    expect(board.requests).toHaveLength(3);
  });

  it('rejects with any other NAK, once, and ignores one that is for another request', async () => {
    const { board, link } = linkToBoard();
    board.on('JOB', (frame) => {
      board.nak({ ...frame, seq: frame.seq + 1 }, 'HOT');
      board.nak({ ...frame, type: 0x11 }, 'HOT');
      return board.nak(frame, 'WRONG_EPOCH', 77);
    });
    await expect(link.request('JOB', BYTES)).rejects.toThrow(
      'the board refused JOB: WRONG_EPOCH (77)',
    );
    expect(board.requests).toHaveLength(1);
  });

  it('names a code that it does not know by its number', async () => {
    const { board, link } = linkToBoard();
    board.on('PING', ({ type, seq }) => {
      const payload = Uint8Array.of(seq & 255, seq >> 8, 99, type, 3, 0, 0, 0);
      board.send(slipEncode(encodeFrame(0xff, seq, payload)));
      return undefined;
    });
    await expect(link.request('PING', BYTES)).rejects.toMatchObject({
      detail: { code: 'refused', nak: 99, detail: 3 },
    });
  });

  it('takes a NAK BAD_VERSION as what it is', async () => {
    const { board, link } = linkToBoard();
    board.on('PING', (frame) => board.nak(frame, 'BAD_VERSION', 0x0302));
    await expect(link.request('PING', BYTES)).rejects.toThrow(
      'the board speaks TSP 2 to 3, this program TSP 1: update the older of them',
    );
  });

  it('asks a busy board anew, under a new seq, when it says', async () => {
    const { board, link, clock } = linkToBoard();
    let asked = 0;
    board.on('PING', (frame) => (++asked < 3 ? board.nak(frame, 'BUSY', 300) : frame.payload));
    const call = outcomeOf(link.request('PING', BYTES));
    await clock.advance(299);
    expect(seqs(board)).toEqual([0]);
    await clock.advance(301);
    expect(seqs(board)).toEqual([0, 1, 2]);
    expect(call.value).toEqual(BYTES);
    expect(clock.sleeping).toBe(0);
  });

  it('gives a busy board two seconds', async () => {
    const { board, link, clock } = linkToBoard();
    board.on('PING', (frame) => board.nak(frame, 'BUSY', 600));
    const call = outcomeOf(link.request('PING', BYTES));
    await clock.advance(2000);
    expect(call.error).toMatchObject({ detail: { code: 'refused', nak: 'BUSY', detail: 600 } });
    expect(seqs(board)).toEqual([0, 1, 2, 3]);
    // One that names no time is not asked without a pause.
    board.on('PING', (frame) => board.nak(frame, 'BUSY', 0));
    const other = outcomeOf(link.request('PING', BYTES));
    await clock.advance(2000);
    expect(other.error).toBeInstanceOf(LinkError);
    expect(board.requests.length).toBeLessThan(300);
  });

  it('tells of bytes that were no frames, even without an END among them', async () => {
    const { board, link, clock } = linkToBoard();
    board.send(Uint8Array.of(0xff, 0xc0));
    const call = outcomeOf(link.request('HELLO', BYTES));
    await settle();
    board.send(new Uint8Array(40).fill(0xf0));
    await clock.advance(600);
    expect(call.error).toMatchObject({ detail: { code: 'silent', garbage: 40 } });
    expect((call.error as LinkError).message).toBe(
      'no answer to HELLO after 3 tries, but 40 bytes of garbage: a bad line, another baud rate, or other firmware',
    );
  });

  it('counts damaged frames, echoes and frames of other versions', async () => {
    const { board, link } = linkToBoard();
    const frame = encodeFrame(0xa3, 0, BYTES);
    frame[9]! ^= 1;
    board.send(slipEncode(frame));
    board.send(slipEncode(encodeFrame(0x23, 0, BYTES)));
    board.send(slipEncode(encodeFrame(0xa3, 0, BYTES, { version: 2 })));
    board.send(slipEncode(encodeFrame(0xff, 0, Uint8Array.of(1))));
    expect(link.stats).toMatchObject({ received: 3, crcErrors: 1, otherErrors: 3, garbage: 15 });
  });

  it('rejects with the reason of a signal: before its turn, while it waits, and at once', async () => {
    const { board, link, clock } = linkToBoard();
    const [waiting, queued] = [new AbortController(), new AbortController()];
    const first = outcomeOf(link.request('PING', BYTES, { signal: waiting.signal }));
    const second = outcomeOf(link.request('PING', BYTES, { signal: queued.signal }));
    const third = outcomeOf(link.request('STATUS', NOTHING));
    await settle();
    queued.abort('queued');
    await settle();
    expect(second.error).toBe('queued');
    // Its place in the row stays: the third does not overtake the first.
    expect(board.names).toEqual(['PING']);
    waiting.abort('waiting');
    await settle();
    expect(first.error).toBe('waiting');
    expect(board.names).toEqual(['PING', 'STATUS']);
    board.answer(board.requests[1]!, NOTHING);
    await settle();
    expect(third.value).toEqual(NOTHING);
    const early = outcomeOf(link.request('PING', BYTES, { signal: AbortSignal.abort('early') }));
    await settle();
    expect(early.error).toBe('early');
    expect(board.requests).toHaveLength(2);
    expect(clock.sleeping).toBe(0);
  });

  it('rejects with the reason of a signal while a board is busy', async () => {
    const { board, link, clock } = linkToBoard();
    board.on('PING', (frame) => board.nak(frame, 'BUSY', 1000));
    const abort = new AbortController();
    const call = outcomeOf(link.request('PING', BYTES, { signal: abort.signal }));
    await settle();
    expect(clock.sleeping).toBe(1);
    abort.abort('enough');
    await settle();
    expect(call.error).toBe('enough');
    expect(clock.sleeping).toBe(0);
  });

  it('refuses a payload that no frame holds, until the limit is raised', async () => {
    const { board, link } = linkToBoard();
    board.on('CKPT', () => NOTHING);
    await expect(link.request('CKPT', new Uint8Array(1089))).rejects.toThrow(
      new RangeError('frame of CKPT expected at most 1100 bytes, got 1101'),
    );
    await link.request('CKPT', new Uint8Array(1088));
    link.raise(2000);
    link.raise(500);
    await link.request('CKPT', new Uint8Array(1988));
    expect(board.requests.map(({ payload }) => payload.length)).toEqual([1088, 1988]);
  });

  it('neither sends longer frames than 4,128 bytes nor waits for them, whatever a board takes', async () => {
    const { board, link, clock } = linkToBoard({}, { byteMs: 0.0868 });
    link.raise(65_535);
    await expect(link.request('CKPT', new Uint8Array(4117))).rejects.toThrow(
      new RangeError('frame of CKPT expected at most 4128 bytes, got 4129'),
    );
    const call = outcomeOf(link.request('STATUS', NOTHING, { tries: 1 }));
    await clock.advance(200 + 2 * 0.0868 * (14 + 4128) + 1);
    expect(call.error).toMatchObject({ detail: { code: 'silent' } });
    expect(board.requests).toHaveLength(1);
  });
});

describe('Link.hello', () => {
  it('takes the answer to its own nonce and no other', async () => {
    const { board, link, clock } = linkToBoard();
    board.onHello();
    let asked = 0;
    board.on('HELLO', (frame) => {
      const payload = asked++ === 0 ? new Uint8Array(8) : frame.payload;
      const answer = { major: 1, minor: 2, patch: 3, buildId: 4, boardId: 5 };
      const versions = { lowestVersion: 1, highestVersion: 3 };
      const rest = { uid: new Uint8Array(12), tlvs: BYTES };
      return HELLO_ANSWER.encode({ nonce: payload, ...versions, ...answer, ...rest });
    });
    const call = outcomeOf(link.hello());
    await settle();
    expect(call.value).toBeUndefined();
    await clock.advance(200);
    expect(call.value).toMatchObject({ buildId: 4, highestVersion: 3, tlvs: BYTES });
    await link.hello();
    const nonces = board.requests.map(({ payload }) => `${payload}`);
    expect(new Set(nonces).size).toBe(2);
    expect(nonces[0]).toBe(nonces[1]);
  });

  it.each([
    [2, 3, 'the board speaks TSP 2 to 3, this program TSP 1: update the older of them'],
    [0, 0, 'the board speaks TSP 0, this program TSP 1: update the older of them'],
  ])('rejects versions %i to %i', async (lowest, highest, text) => {
    const { board, link } = linkToBoard();
    board.onHello([], [lowest, highest]);
    await expect(link.hello()).rejects.toThrow(text);
  });

  it('rejects an answer that is too short', async () => {
    const { board, link } = linkToBoard();
    board.on('HELLO', ({ payload }) => payload);
    await expect(link.hello()).rejects.toThrow('malformed answer to HELLO');
  });
});

describe('Link.exclusively', () => {
  it('lets no other request in between', async () => {
    const { board, link } = linkToBoard();
    board.on('PING', echo);
    board.on('STATUS', echo);
    const task = link.exclusively(async (request) => {
      await request('PING', BYTES);
      await settle();
      await request('PING', NOTHING);
      return 'done';
    });
    const other = link.request('STATUS', NOTHING);
    expect(await task).toBe('done');
    await other;
    expect(board.names).toEqual(['PING', 'PING', 'STATUS']);
  });
});
