/** A `Board` over a line in memory to a scripted board that has said HELLO, at a clock that stands still. */
import { Board } from '../../firmware-bridge/board.ts';
import { Link } from '../../firmware-bridge/link.ts';
import {
  ALL_JOBS,
  STATES,
  STATUS_ANSWER,
  type StateName,
  type StatusAnswer,
} from '../../firmware-bridge/messages.ts';
import { FakeClock } from './fake-clock.ts';
import { ScriptedBoard } from './scripted-board.ts';

export interface BoardRig {
  readonly board: Board;
  readonly peer: ScriptedBoard;
  readonly clock: FakeClock;
}

/** What came for HELLO is forgotten. */
export async function createBoardRig(tlvs?: readonly number[]): Promise<BoardRig> {
  const peer = new ScriptedBoard();
  const clock = new FakeClock();
  peer.onHello(tlvs);
  const board = await Board.identify(new Link(peer.port, { clock }));
  peer.requests.length = 0;
  return { board, peer, clock };
}

/** An answer to STATUS, of a board without sensors that has done nothing yet. */
export function statusOf(
  state: StateName,
  jobId: number = ALL_JOBS,
  changes: Partial<StatusAnswer> = {},
): Uint8Array {
  return STATUS_ANSWER.encode({
    state: STATES[state],
    duty: 100,
    temperature: -0x8000,
    clockKhz: 0,
    uptimeS: 0,
    hashes: 0,
    crcErrors: 0,
    otherErrors: 0,
    restarts: 0,
    epoch: 0,
    jobId,
    shares: 0,
    nextNonce: 0n,
    product: 0,
    waiting: 0,
    ...changes,
  });
}
