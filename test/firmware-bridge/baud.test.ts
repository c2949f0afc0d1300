import { describe, expect, it } from 'vitest';
import { changeBaud } from '../../firmware-bridge/baud.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { BAUD, BAUD_ANSWER } from '../../firmware-bridge/messages.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { ScriptedBoard } from '../support/scripted-board.ts';

const [SLOW, FAST] = [115_200, 921_600];

/** A board that hears nothing at another rate than its own, and goes back by itself. */
function setUp({ hears = true, losesAnswer = false } = {}): {
  peer: ScriptedBoard;
  link: Link;
  clock: FakeClock;
} {
  const clock = new FakeClock();
  const peer = new ScriptedBoard({ byteMs: 10_000 / SLOW, hasRates: true });
  let rate = SLOW;
  const isHeard = (): boolean => (peer.rates.at(-1) ?? SLOW) === rate;
  peer.on('BAUD', (frame) => {
    if (!isHeard()) return undefined;
    const { rate: asked, fallbackMs } = BAUD.decode(frame.payload);
    if (!losesAnswer) peer.answer(frame, BAUD_ANSWER.encode({ rate: asked }));
    rate = hears ? asked : 1;
    if (!hears || losesAnswer) {
      void clock.sleep(fallbackMs).then(() => {
        rate = SLOW;
      });
    }
    return undefined;
  });
  peer.on('PING', ({ payload }) => (isHeard() ? payload : undefined));
  return { peer, link: new Link(peer.port, { clock }), clock };
}

/** How a promise has ended, without waiting for it. */
function endOf(promise: Promise<void>): { text?: string } {
  const end: { text?: string } = {};
  promise.then(
    () => {
      end.text = 'done';
    },
    (error: Error) => {
      end.text = error.message;
    },
  );
  return end;
}

describe('changeBaud', () => {
  it('switches behind the answer and makes sure with a PING', async () => {
    const { peer, link, clock } = setUp();
    await changeBaud(link, FAST, 1000);
    expect(peer.rates).toEqual([FAST]);
    expect(peer.names).toEqual(['BAUD', 'PING']);
    expect(BAUD.decode(peer.requests[0]!.payload)).toEqual({ rate: FAST, fallbackMs: 1000 });
    expect(clock.sleeping).toBe(0);
  });

  it('sends nothing else until the rate is certain', async () => {
    const { peer, link } = setUp();
    peer.on('STATUS', ({ payload }) => payload);
    const [change, status] = [
      changeBaud(link, FAST, 1000),
      link.request('STATUS', new Uint8Array(0)),
    ];
    await Promise.all([change, status]);
    expect(peer.names).toEqual(['BAUD', 'PING', 'STATUS']);
  });

  it('goes back to the old rate with a board that is not heard at the new one', async () => {
    const { peer, link, clock } = setUp({ hears: false });
    const end = endOf(changeBaud(link, FAST, 1000));
    await clock.advance(1600);
    expect(end).toEqual({});
    expect(peer.rates).toEqual([FAST, SLOW]);
    await clock.advance(500);
    expect(end.text).toBe('no answer to PING after 3 tries');
    await link.request('PING', new Uint8Array(1));
    expect(clock.sleeping).toBe(0);
  });

  it('finds a board again whose answer got lost', async () => {
    const { peer, link, clock } = setUp({ losesAnswer: true });
    const end = endOf(changeBaud(link, FAST, 1000));
    await clock.advance(5000);
    expect(end.text).toBe('no answer to BAUD after 3 tries');
    expect(peer.rates).toEqual([SLOW]);
    expect(peer.names.at(-1)).toBe('PING');
  });

  it('says that it does not hear the board at all any more', async () => {
    const { peer, link, clock } = setUp({ hears: false });
    const end = endOf(changeBaud(link, FAST, 60_000));
    await clock.advance(2000);
    peer.on('PING', () => undefined);
    await clock.advance(70_000);
    expect(end.text).toBe('no answer to PING after 3 tries');
    expect(clock.sleeping).toBe(0);
  });

  it('leaves the rate alone if the board refuses, or the port goes', async () => {
    const { peer, link, clock } = setUp();
    peer.on('BAUD', (frame) => peer.nak(frame, 'RANGE', 0));
    await expect(changeBaud(link, 3, 1000)).rejects.toThrow('refused BAUD: RANGE (0)');
    peer.on('BAUD', () => undefined);
    const end = endOf(changeBaud(link, FAST, 1000));
    await settle();
    peer.unplug();
    await settle();
    expect(end.text).toBe('memory: gone: unplugged');
    expect(peer.rates).toEqual([]);
    expect(clock.sleeping).toBe(0);
  });

  it('does not take another rate than the one that it asked for', async () => {
    const { peer, link, clock } = setUp();
    peer.on('BAUD', () => BAUD_ANSWER.encode({ rate: 9600 }));
    const end = endOf(changeBaud(link, FAST, 1000));
    await clock.advance(2000);
    expect(end.text).toBe('malformed answer to BAUD: expected rate 921600, got 9600');
  });

  it('refuses a port without rates', async () => {
    const link = new Link(new ScriptedBoard().port);
    await expect(changeBaud(link, FAST, 1000)).rejects.toThrow(
      new RangeError('memory has no baud rate to change'),
    );
    await link.close();
  });
});
