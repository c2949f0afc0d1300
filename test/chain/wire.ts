/**
 * Wire forms put together by hand, also those that no encoder of ours writes: longer varints than
 * needed, and suffixes in every place that may have one.
 */
import { encodeVarint63 } from '../../src/chain/varint.ts';
import { concatBytes } from '../../src/util/bytes.ts';

export interface WireForm {
  /** Groups of zero added to every varint, as far as ten bytes allow. */
  readonly padding?: number;
  /** Put at the end of what `where` names. */
  readonly suffix?: Uint8Array;
  readonly where?: SuffixPlace;
}

export type SuffixPlace =
  | 'input commitment'
  | 'spend commitment'
  | 'input witness'
  | 'output commitment'
  | 'output witness';

export const SUFFIX_PLACES: readonly SuffixPlace[] = [
  'input commitment',
  'spend commitment',
  'input witness',
  'output commitment',
  'output witness',
];

export const ISSUANCE_PROGRAM: Uint8Array = Uint8Array.of(0x51);
export const ASSET_DEFINITION: Uint8Array = new TextEncoder().encode('{"name":"GOLD"}');

const MAX_VARINT_BYTES = 10;

/** The same transaction in any form: a coinbase, a spend and an issuance; an output, a retirement. */
export function wireTx(issuedAsset: Uint8Array, form: WireForm = {}): Uint8Array {
  const { padding = 0, suffix = new Uint8Array(0), where } = form;
  const int = (value: bigint): Uint8Array => {
    const minimal = encodeVarint63(value);
    return padVarint(minimal, Math.min(padding, MAX_VARINT_BYTES - minimal.length));
  };
  const str = (...parts: Uint8Array[]): Uint8Array => {
    const bytes = concatBytes(...parts);
    return concatBytes(int(BigInt(bytes.length)), bytes);
  };
  const tail = (place: SuffixPlace): Uint8Array => (place === where ? suffix : new Uint8Array(0));
  const btm = new Uint8Array(32).fill(0xff);
  const input = (commitment: Uint8Array, ...witness: Uint8Array[]): Uint8Array =>
    concatBytes(
      int(1n),
      str(commitment, tail('input commitment')),
      str(...witness, tail('input witness')),
    );
  const output = (assetId: Uint8Array, amount: bigint, program: Uint8Array): Uint8Array =>
    concatBytes(
      int(1n),
      str(assetId, int(amount), int(1n), str(program), tail('output commitment')),
      str(tail('output witness')),
    );
  return concatBytes(
    Uint8Array.of(7),
    int(1n),
    int(500n),
    int(3n),
    input(concatBytes(Uint8Array.of(2), str(Uint8Array.of(0xab, 0xcd)))),
    input(
      concatBytes(
        Uint8Array.of(1),
        str(
          new Uint8Array(32).fill(0x33),
          btm,
          int(9_000_000_000n),
          int(3n),
          int(1n),
          str(Uint8Array.of(0x51)),
          tail('spend commitment'),
        ),
      ),
      int(2n),
      str(),
      str(Uint8Array.of(1, 2, 3)),
    ),
    input(
      concatBytes(Uint8Array.of(0), str(Uint8Array.of(9, 9)), issuedAsset, int(77n)),
      str(ASSET_DEFINITION),
      int(1n),
      str(ISSUANCE_PROGRAM),
      int(0n),
    ),
    int(2n),
    output(btm, (1n << 63n) - 1n, new Uint8Array(0)),
    output(issuedAsset, 77n, Uint8Array.of(0x6a, 1)),
  );
}

/** The same value in `groups` more bytes. */
export function padVarint(minimal: Uint8Array, groups: number): Uint8Array {
  if (groups === 0) return minimal;
  const out = new Uint8Array(minimal.length + groups).fill(0x80);
  out.set(minimal);
  out[minimal.length - 1]! |= 0x80;
  out[out.length - 1] = 0;
  return out;
}
