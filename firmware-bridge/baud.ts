/** Changing the rate of a line, and the PING that tells whether both ends did (PROTOCOL.md, "BAUD"). */
import { randomBytes } from 'node:crypto';
import { bytesEqual, bytesToHex } from '../src/util/bytes.ts';
import { LinkError, PortError } from './errors.ts';
import type { Link, Request } from './link.ts';
import { BAUD, BAUD_ANSWER } from './messages.ts';

const MAX_PING = 64;
const PROBE_BYTES = 16;
/** A byte with its start and stop bit. */
const BITS_PER_BYTE = 10;
/** Added to the board's fallback, whose clock may differ from ours. */
const MARGIN_MS = 200;

/** Rejects `LinkError` `wrong` if other bytes come back; a `RangeError` for more than 64. */
export async function pingOver(
  request: Request,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  if (bytes.length > MAX_PING) {
    throw new RangeError(`"bytes" expected at most ${MAX_PING} bytes, got ${bytes.length}`);
  }
  const back = await request('PING', bytes, { signal });
  if (bytesEqual(back, bytes)) return;
  const [expected, actual] = [bytesToHex(bytes), bytesToHex(back.subarray(0, MAX_PING))];
  throw new LinkError({ code: 'wrong', what: 'echo of PING', expected, actual });
}

/**
 * Both ends at `rate`, or both at the old one, with the error that made them go back. If the board is not
 * heard at the old rate either, the error says so.
 */
export async function changeBaud(link: Link, rate: number, fallbackMs: number): Promise<void> {
  const { port } = link;
  const setBaud = port.setBaud?.bind(port);
  if (setBaud === undefined) throw new RangeError(`${port.name} has no baud rate to change`);
  const payload = BAUD.encode({ rate, fallbackMs });
  const before = Math.round((1000 * BITS_PER_BYTE) / port.byteMs);
  // Nothing else may be sent while the two ends may have different rates.
  await link.exclusively(async (request) => {
    try {
      const answer = BAUD_ANSWER.decode(await request('BAUD', payload));
      if (answer.rate !== rate) {
        const why = `expected rate ${rate}, got ${answer.rate}`;
        throw new LinkError({ code: 'malformed', message: 'answer to BAUD', why });
      }
      await setBaud(rate);
      await pingOver(request, new Uint8Array(randomBytes(PROBE_BYTES)));
    } catch (error) {
      if (!mayHaveSwitched(error)) throw error;
      await setBaud(before);
      // The answer to BAUD may be what got lost: then the board has switched, and goes back by itself.
      await link.pause(fallbackMs + MARGIN_MS);
      await pingOver(request, new Uint8Array(randomBytes(PROBE_BYTES)));
      throw error;
    }
  });
}

/** Not if the board refused, nor if it is gone. */
function mayHaveSwitched(error: unknown): boolean {
  if (error instanceof PortError) return error.detail.code === 'failed';
  if (!(error instanceof LinkError)) return false;
  return error.detail.code !== 'refused' || error.detail.request !== 'BAUD';
}
