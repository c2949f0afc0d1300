/** Payloads of fixed layout, described once for both directions: a list of fields, little-endian. */
import { LinkError } from './errors.ts';

export interface Codec<T> {
  /** As PROTOCOL.md names it. */
  readonly name: string;
  /** Bytes of the fixed part. */
  readonly bytes: number;
  /** Throws a `RangeError` for a value that does not fit its field. */
  encode(value: T): Uint8Array;
  /**
   * Bytes behind what is described are ignored: later versions may append. Throws `LinkError`
   * `malformed` if there are too few.
   */
  decode(payload: Uint8Array): T;
}

/** A number is so many bytes; `rest` is all that is left, and comes last. */
type FieldType = 'u8' | 'u16' | 'i16' | 'u32' | 'u64' | 'rest' | number;

/** A field of `T`, or so many reserved bytes. */
export type Field<T> =
  | readonly [key: keyof T & string, type: FieldType]
  | { readonly skip: number };

const SIZES = { u8: 1, u16: 2, i16: 2, u32: 4, u64: 8, rest: 0 } as const;

export function codec<T extends object>(name: string, fields: readonly Field<T>[]): Codec<T> {
  const bytes = fields.reduce((sum, field) => sum + sizeOf(field), 0);
  return {
    name,
    bytes,
    encode: (value) => {
      const rest = fields.flatMap((field) => {
        const isRest = !('skip' in field) && field[1] === 'rest';
        return isRest ? [value[field[0]] as Uint8Array] : [];
      });
      const out = new Uint8Array(bytes + (rest[0]?.length ?? 0));
      const view = new DataView(out.buffer);
      let at = 0;
      for (const field of fields) {
        if (!('skip' in field)) write(view, at, name, field, value[field[0]]);
        at += sizeOf(field);
      }
      return out;
    },
    decode: (payload) => {
      if (payload.length < bytes) {
        const why = `expected ${bytes} bytes or more, got ${payload.length}`;
        throw new LinkError({ code: 'malformed', message: name, why });
      }
      const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
      const value: Record<string, unknown> = {};
      let at = 0;
      for (const field of fields) {
        if (!('skip' in field)) value[field[0]] = read(view, at, field[1]);
        at += sizeOf(field);
      }
      return value as T;
    },
  };
}

function sizeOf(field: Field<never> | readonly [string, FieldType]): number {
  if ('skip' in field) return field.skip;
  const type = field[1];
  return typeof type === 'number' ? type : SIZES[type];
}

function write(
  view: DataView,
  at: number,
  name: string,
  [key, type]: readonly [string, FieldType],
  value: unknown,
): void {
  if (type === 'rest' || typeof type === 'number') {
    const isFitting = value instanceof Uint8Array && (type === 'rest' || type === value.length);
    if (!isFitting) throw wrong(name, key, type === 'rest' ? 'bytes' : `${type} bytes`, value);
    new Uint8Array(view.buffer).set(value, at);
    return;
  }
  if (type === 'u64') {
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
      throw wrong(name, key, 'an unsigned 64-bit bigint', value);
    }
    view.setBigUint64(at, value, true);
    return;
  }
  const [low, high] = type === 'i16' ? [-0x8000, 0x7fff] : [0, 2 ** (8 * sizeOf([key, type])) - 1];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw wrong(name, key, `an integer of ${low} … ${high}`, value);
  }
  if (type === 'u8') view.setUint8(at, value);
  else if (type === 'u32') view.setUint32(at, value, true);
  else if (type === 'i16') view.setInt16(at, value, true);
  else view.setUint16(at, value, true);
}

function read(view: DataView, at: number, type: FieldType): number | bigint | Uint8Array {
  switch (type) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 'i16':
      return view.getInt16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 'u64':
      return view.getBigUint64(at, true);
    default: {
      const end = type === 'rest' ? view.byteLength : at + type;
      return new Uint8Array(view.buffer, view.byteOffset + at, end - at).slice();
    }
  }
}

function wrong(name: string, key: string, expected: string, value: unknown): RangeError {
  const got = value instanceof Uint8Array ? `${value.length} bytes` : String(value);
  return new RangeError(`"${key}" of ${name} expected ${expected}, got ${got}`);
}
