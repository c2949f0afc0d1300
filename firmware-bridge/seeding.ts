/** Giving a board a seed: the request, the checkpoints if it asks for them, and the wait until it is ready. */
import type { MatrixTable } from '../src/tensority/table.ts';
import { checkSame } from './answers.ts';
import { arrivalOf, type WaitOptions } from './arrival.ts';
import { checkpointsCrc, checkpointsOf } from './checkpoints.ts';
import { LinkError } from './errors.ts';
import { FRAME_OVERHEAD } from './frame.ts';
import type { BoardStatus } from './identity.ts';
import type { Link } from './link.ts';
import {
  CHECKPOINT_BYTES,
  CHECKPOINTS,
  CKPT,
  CKPT_ANSWER,
  SEED,
  SEED_ANSWER,
  SEED_STATES,
} from './messages.ts';

/** What this needs of a board. */
interface SeedTaker {
  readonly link: Link;
  readonly identity: { readonly maxFrame: number };
  status(signal?: AbortSignal): Promise<BoardStatus>;
}

/** `Board.seed` */
export async function seedBoard(
  board: SeedTaker,
  epoch: number,
  table: MatrixTable,
  options?: WaitOptions,
): Promise<{ readonly ms: number }> {
  const { link } = board;
  const checkpoints = checkpointsOf(table);
  const payload = SEED.encode({ epoch, flags: 0, seed: table.seed });
  const ready = await arrivalOf(
    link,
    {
      request: 'SEED',
      ask: async (signal) => {
        const answer = SEED_ANSWER.decode(await link.request('SEED', payload, { signal }));
        checkSame('answer to SEED', 'epoch', epoch, answer.epoch);
        if (answer.state === SEED_STATES.SEND_CHECKPOINTS) {
          await sendCheckpoints(board, epoch, checkpoints, signal);
        }
      },
      status: (signal) => board.status(signal),
      isUnderWay: isDeriving,
      pick: (event) => (event.event === 'SEED_READY' && event.epoch === epoch ? event : undefined),
    },
    options,
  );
  const crc = checkpointsCrc(checkpoints);
  if (ready.crc !== crc) {
    const [expected, actual] = [hex32(crc), hex32(ready.crc)];
    throw new LinkError({ code: 'wrong', what: 'CRC of the checkpoints', expected, actual });
  }
  return { ms: ready.ms };
}

/** A board that is too hot goes on where it was once it has cooled down. */
export function isDeriving({ state }: BoardStatus): boolean {
  return state === 'DERIVING' || state === 'HOT';
}

async function sendCheckpoints(
  { link, identity }: SeedTaker,
  epoch: number,
  checkpoints: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const room = identity.maxFrame - FRAME_OVERHEAD - CKPT.bytes;
  const most = Math.min(CHECKPOINTS, Math.floor(room / CHECKPOINT_BYTES));
  let received = 0;
  for (let index = 0; index < CHECKPOINTS; index += most) {
    const n = Math.min(most, CHECKPOINTS - index);
    const from = index * CHECKPOINT_BYTES;
    const part = checkpoints.subarray(from, from + n * CHECKPOINT_BYTES);
    const payload = CKPT.encode({ epoch, index, n, checkpoints: part });
    const answer = CKPT_ANSWER.decode(await link.request('CKPT', payload, { signal }));
    checkSame('answer to CKPT', 'epoch', epoch, answer.epoch);
    received = answer.received;
  }
  checkSame('answer to CKPT', 'number of checkpoints', CHECKPOINTS, received);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
