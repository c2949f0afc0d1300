/** What a simulated board answers to HELLO. */
import { concatBytes } from '../../src/util/bytes.ts';
import { HELLO_ANSWER, MODES, SENSORS, TLVS } from '../messages.ts';
import { Refused } from './simulated-requests.ts';

const BOARD_ID = 5;
const FIRMWARE = { major: 0, minor: 1, patch: 0 };
export const FIRMWARE_VERSION: string = `${FIRMWARE.major}.${FIRMWARE.minor}.${FIRMWARE.patch}`;

export interface HelloOptions {
  readonly name: string;
  readonly ramBytes: number;
  readonly maxFrame: number;
  readonly queue: number;
  readonly bauds: readonly number[];
  readonly hasSensor: boolean;
  readonly clockKhz: number;
}

/** The payload. Throws `Refused` for a request without a whole nonce. */
export function helloAnswer(
  nonce: Uint8Array,
  uid: Uint8Array,
  options: HelloOptions,
  [lowestVersion, highestVersion]: readonly [number, number],
): Uint8Array {
  if (nonce.length < 8) throw new Refused('BAD_LEN', 8);
  const { bauds, maxFrame } = options;
  const temperature = options.hasSensor ? SENSORS.TEMPERATURE : 0;
  const clock = options.clockKhz > 0 ? SENSORS.CLOCK : 0;
  const rates = concatBytes(...bauds.map((rate) => u32(rate)));
  const tlvs = [
    tlv(TLVS.RAM, u32(options.ramBytes)),
    tlv(TLVS.MODES, u32(MODES.HASH | MODES.ROWS | MODES.CKPT)),
    tlv(TLVS.MAX_FRAME, Uint8Array.of(maxFrame & 0xff, maxFrame >> 8)),
    tlv(TLVS.QUEUE, Uint8Array.of(options.queue)),
    ...(bauds.length > 0 ? [tlv(TLVS.BAUDS, rates)] : []),
    tlv(TLVS.SENSORS, Uint8Array.of(temperature | clock)),
    tlv(TLVS.NAME, new TextEncoder().encode(options.name)),
  ];
  return HELLO_ANSWER.encode({
    nonce: nonce.subarray(0, 8),
    lowestVersion,
    highestVersion,
    ...FIRMWARE,
    buildId: 0,
    boardId: BOARD_ID,
    uid,
    tlvs: concatBytes(...tlvs),
  });
}

function tlv(type: number, value: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(type, value.length), value);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
