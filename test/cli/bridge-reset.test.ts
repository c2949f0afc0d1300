import { describe, expect, it } from 'vitest';
import { PortError } from '../../firmware-bridge/errors.ts';
import { FAULT, FAULTS } from '../../firmware-bridge/events.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { HELLO_ANSWER, STATUS_ANSWER } from '../../firmware-bridge/messages.ts';
import { resetBoard } from '../../src/cli/bridge-reset.ts';
import { statusOf } from '../support/board-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { ScriptedBoard } from '../support/scripted-board.ts';

const STARTED = FAULT.encode({ fault: FAULTS.STARTED, temperature: 0, info: 0 });

/** A board that answers HELLO, REBOOT and STATUS, and whose uptime a test sets. */
class Rig {
  readonly clock = new FakeClock();
  readonly boards: ScriptedBoard[] = [];
  readonly links: Link[] = [];
  readonly stop = new AbortController();
  uptimeS = 5000;
  /** What a port that is opened anew has behind it. */
  open: () => Promise<Link> = async () => this.plug();

  plug(): Link {
    const board = new ScriptedBoard();
    board.onHello();
    board.on('REBOOT', ({ payload }) => payload);
    board.on('STATUS', () =>
      STATUS_ANSWER.encode({ ...STATUS_ANSWER.decode(statusOf('IDLE')), uptimeS: this.uptimeS }),
    );
    this.boards.push(board);
    const link = new Link(board.port, { clock: this.clock });
    this.links.push(link);
    return link;
  }

  reset(options: Parameters<typeof resetBoard>[1] = {}): ReturnType<typeof resetBoard> {
    const { clock, stop } = this;
    const parts = { address: 'memory', open: () => this.open(), signal: stop.signal, clock };
    return resetBoard(this.plug(), options, parts);
  }

  async expectAllClosed(): Promise<void> {
    for (const link of this.links) expect(await link.closed).toBeUndefined();
    expect(this.clock.sleeping).toBe(0);
  }
}

describe('reset', () => {
  it('takes a board for back when its uptime is that of one that has just started', async () => {
    const rig = new Rig();
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(100);
    rig.uptimeS = 1;
    await rig.clock.advance(1000);
    expect(outcome.value).toMatchObject({ firmware: '1.2.3' });
    await rig.expectAllClosed();
  });

  it('believes a board that says that it has started', async () => {
    const rig = new Rig();
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(100);
    rig.boards[0]?.event('FAULT', STARTED);
    await rig.clock.advance(300);
    expect(outcome.value).toMatchObject({ firmware: '1.2.3' });
  });

  it('is not content with an answer of a board that was not reset', async () => {
    const rig = new Rig();
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(9000);
    expect(outcome).toEqual({});
    await rig.clock.advance(2000);
    expect(outcome.error).toMatchObject({ detail: { code: 'wrong' } });
    expect(`${outcome.error}`).toContain('5000 s: it answers, but was not reset');
    await rig.expectAllClosed();
  });

  it('is not content with another board', async () => {
    const rig = new Rig();
    rig.uptimeS = 0;
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(100);
    const board = rig.boards[0]!;
    board.on('HELLO', ({ payload }) =>
      HELLO_ANSWER.encode({
        nonce: payload.slice(0, 8),
        lowestVersion: 1,
        highestVersion: 1,
        major: 1,
        minor: 0,
        patch: 0,
        buildId: 0,
        boardId: 5,
        uid: new Uint8Array(12).fill(0xee),
        tlvs: Uint8Array.of(2, 4, 7, 0, 0, 0),
      }),
    );
    await rig.clock.advance(1000);
    expect(`${outcome.error}`).toContain('wrong board after the reset: expected UID 0001');
  });

  it('closes the port that it has opened anew, even where nobody answers at it', async () => {
    const rig = new Rig();
    rig.open = async () => {
      const link = rig.plug();
      rig.boards.at(-1)?.on('HELLO', () => undefined);
      return link;
    };
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(10);
    rig.boards[0]?.unplug();
    await rig.clock.advance(12_000);
    expect(outcome.error).toMatchObject({ detail: { code: 'silent' } });
    expect(rig.links).toHaveLength(2);
    expect(await rig.links[1]?.closed).toBeUndefined();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('waits for a port that is away, and gives up in the end', async () => {
    const rig = new Rig();
    let tries = 0;
    rig.open = async () => {
      tries++;
      throw new PortError({ code: 'no-such-port', port: 'memory' });
    };
    const outcome = outcomeOf(rig.reset());
    await rig.clock.advance(10);
    rig.boards[0]?.unplug();
    await rig.clock.advance(12_000);
    expect(tries).toBeGreaterThan(10);
    expect(outcome.error).toBeInstanceOf(PortError);
  });

  it('uses the lines for a board that does not answer, and says if there are none', async () => {
    const rig = new Rig();
    const none = outcomeOf(rig.reset({ lines: true }));
    await rig.clock.advance(10);
    expect(`${none.error}`).toContain('--lines: memory has no lines DTR and RTS');
    await rig.expectAllClosed();

    const link = rig.plug();
    const board = rig.boards.at(-1)!;
    board.on('HELLO', () => undefined);
    let pulses = 0;
    Object.assign(link.port, {
      resetLines: async () => {
        pulses++;
        rig.uptimeS = 0;
        board.onHello();
      },
    });
    const parts = { address: 'memory', open: rig.open, signal: rig.stop.signal, clock: rig.clock };
    const outcome = outcomeOf(resetBoard(link, { lines: true }, parts));
    await rig.clock.advance(3000);
    expect(pulses).toBe(1);
    expect(outcome.value).toMatchObject({ firmware: '1.2.3' });
  });
});
