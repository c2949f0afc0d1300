/**
 * The matrix tables that are resident, in memory that all lanes share: each byte XOR 0x80, which is
 * the entry plus the zero point 128 as the models want it.
 */
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import { SeedSlots } from '../../src/tensority/seed-slots.ts';
import { TABLE_SLOTS } from './providers.ts';

export type Tables = SeedSlots<Uint8Array>;

/** The highest bit of each byte. */
const ZERO_POINTS = 0x80808080;

export function createTables(): Tables {
  return new SeedSlots<Uint8Array>({
    // Pages that nobody has written to take no memory.
    slots: Array.from(
      { length: TABLE_SLOTS },
      () => new Uint8Array(new SharedArrayBuffer(TABLE_BYTES)),
    ),
    fill: async (slot, data) => addZeroPoints(data, slot),
  });
}

/** Not in the `async` function, in which such a loop takes five times as long. */
function addZeroPoints(data: Int8Array, slot: Uint8Array): void {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  const from = new Uint32Array(aligned.buffer, aligned.byteOffset, TABLE_BYTES / 4);
  const to = new Uint32Array(slot.buffer, slot.byteOffset, TABLE_BYTES / 4);
  for (let i = 0; i < to.length; i++) to[i] = from[i]! ^ ZERO_POINTS;
}
