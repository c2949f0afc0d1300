import { describe, expect, it } from 'vitest';
import type { SpendInput, Tx, TxData, TxInput } from '../../src/chain/tx.ts';
import { createTx, decodeTx, encodeTx, MIN_TX_BYTES, readTx } from '../../src/chain/tx-codec.ts';
import { assetIdOf, BTM_ASSET_ID } from '../../src/chain/tx-entries.ts';
import { ByteReader, encodeVarint31, MAX_VARINT31 } from '../../src/chain/varint.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { seededRandom } from '../support/random.ts';
import { bytesOf, txValidationVectors, txVectors } from './vectors.ts';
import { ASSET_DEFINITION, ISSUANCE_PROGRAM, SUFFIX_PLACES, wireTx } from './wire.ts';

const cases = txVectors();
const GOLD = assetIdOf(1n, ISSUANCE_PROGRAM, ASSET_DEFINITION);
const EVERY_KIND = wireTx(GOLD);
const OPEN = Uint8Array.of(0x51);

const spend: SpendInput = {
  type: 'spend',
  sourceId: new Uint8Array(32).fill(7),
  assetId: BTM_ASSET_ID,
  amount: 1000n,
  sourcePosition: 0n,
  controlProgram: OPEN,
  arguments: [],
};
const plain: TxData = {
  version: 1n,
  timeRange: 0n,
  inputs: [spend],
  outputs: [{ assetId: BTM_ASSET_ID, amount: 900n, controlProgram: OPEN }],
};

describe('published transactions', () => {
  it('are there', () => {
    expect(cases.length).toBe(61);
  });

  it('decode, keep their bytes and their size, and encode to the same bytes', () => {
    for (const v of cases) {
      const tx = decodeTx(bytesOf(v.raw_transaction));
      expect(bytesToHex(tx.raw), v.tx_id).toBe(v.raw_transaction);
      expect(tx.raw.length, v.tx_id).toBe(v.size);
      expect(bytesToHex(encodeTx(tx)), v.tx_id).toBe(v.raw_transaction);
    }
  });

  it('come out the same when they are created from what they say', () => {
    for (const v of cases) {
      const tx = decodeTx(bytesOf(v.raw_transaction));
      expect(createTx(tx), v.tx_id).toEqual(tx);
    }
  });
});

describe('transactions composed for the rules', () => {
  const refused = new Map([
    ['amount 2^63 (varint too large)', 'inputs[0].amount: expected at most 2^63−1 at byte 72'],
    ['issuance wrong asset id', 'inputs[1].assetId: expected that of program and definition'],
    ['coinbase without outputs', 'number of outputs: expected one for the value of the coinbase'],
    ['trailing byte', 'end: expected nothing after the transaction at byte 148, got 1 byte'],
    ['truncated', 'outputs[0].witness: expected a whole varint at byte 147'],
    ['serflags 6', 'flag: expected 7 at byte 0, got 6'],
    ['spend vm version 2', 'inputs[0].vmVersion: expected 1 at byte 78, got 2'],
    ['output vm version 2', 'outputs[0].vmVersion: expected 1 at byte 123, got 2'],
    ['input asset version 2, height 200000', 'inputs[0].assetVersion: expected 1 at byte 4, got 2'],
    ['input asset version 2, height 1000', 'inputs[0].assetVersion: expected 1 at byte 4, got 2'],
    ['output asset version 2', 'outputs[0].assetVersion: expected 1 at byte 84, got 2'],
    ['input type 3', 'inputs[0].type: expected 0 (issuance), 1 (spend) or 2 (coinbase) at byte 6'],
  ]);
  const validation = txValidationVectors();

  it('are refused here if they do not parse, name the field, and are left to the rules otherwise', () => {
    const seen: string[] = [];
    const longer: string[] = [];
    for (const v of validation) {
      const message = refused.get(v.name);
      if (message === undefined) {
        expect(['parse_error', 'crash'], v.name).not.toContain(v.result);
        const tx = decodeTx(bytesOf(v.raw_transaction));
        expect(bytesToHex(tx.id), v.name).toBe(v.tx_id);
        expect(bytesToHex(tx.raw), v.name).toBe(v.raw_transaction);
        if (bytesToHex(encodeTx(tx)) !== v.raw_transaction) longer.push(v.name);
      } else {
        seen.push(v.name);
        expect(['parse_error', 'crash', 'invalid'], v.name).toContain(v.result);
        expect(() => decodeTx(bytesOf(v.raw_transaction)), v.name).toThrow(
          `transaction.${message}`,
        );
      }
    }
    expect(seen).toEqual([...refused.keys()]);
    expect(longer).toEqual([
      'non minimal varint version (81 00)',
      'input commitment suffix',
      'input witness suffix',
      'spend commitment suffix',
      'output commitment suffix',
      'non-empty output witness is read and dropped',
    ]);
    expect(validation.length).toBe(282);
  });
});

describe('forms that are not ours', () => {
  const reference = decodeTx(EVERY_KIND);

  it('begins with what is: it encodes to the same bytes', () => {
    expect(reference.inputs.map((input) => input.type)).toEqual(['coinbase', 'spend', 'issuance']);
    expect(reference.results.map((result) => result.retirement)).toEqual([false, true]);
    expect(bytesToHex(encodeTx(reference))).toBe(bytesToHex(EVERY_KIND));
  });

  it.each([1, 2, 9])(
    'reads varints with %i groups of zero, and keeps bytes and size',
    (padding) => {
      const bytes = wireTx(GOLD, { padding });
      expect(bytes.length).toBeGreaterThan(EVERY_KIND.length + 20 * Math.min(padding, 5));
      const tx = decodeTx(bytes);
      expect(bytesToHex(tx.raw)).toBe(bytesToHex(bytes));
      expect({ ...tx, raw: reference.raw }).toEqual(reference);
      expect(bytesToHex(encodeTx(tx))).toBe(bytesToHex(EVERY_KIND));
    },
  );

  it('keeps a suffix anywhere in the bytes and nowhere else', () => {
    for (const where of SUFFIX_PLACES) {
      for (const length of [1, 200]) {
        const bytes = wireTx(GOLD, { where, suffix: new Uint8Array(length).fill(0xee) });
        expect(bytes.length, where).toBeGreaterThanOrEqual(EVERY_KIND.length + length);
        const tx = decodeTx(bytes);
        expect(bytesToHex(tx.raw), where).toBe(bytesToHex(bytes));
        expect({ ...tx, raw: reference.raw }, where).toEqual(reference);
      }
    }
  });

  it('refuses an inner string that reaches beyond its outer one', () => {
    const bytes = EVERY_KIND.slice();
    // The arbitrary data of the coinbase says 3 bytes where its commitment has 2.
    expect([...bytes.subarray(5, 13)]).toEqual([1, 4, 2, 2, 0xab, 0xcd, 0, 1]);
    bytes[8] = 3;
    expect(() => decodeTx(bytes)).toThrow(
      'transaction.inputs[0].arbitrary: expected 3 bytes at byte 9, got 2 left',
    );
  });
});

describe('damaged bytes', () => {
  it('are refused when cut at any byte, and when anything follows', () => {
    for (const bytes of [EVERY_KIND, ...cases.slice(0, 5).map((v) => bytesOf(v.raw_transaction))]) {
      for (let end = 0; end < bytes.length; end++) {
        expect(() => decodeTx(bytes.subarray(0, end)), `first ${end}`).toThrow(InputError);
      }
      for (const more of [1, 40]) {
        expect(() => decodeTx(concatBytes(bytes, new Uint8Array(more)))).toThrow(
          `transaction.end: expected nothing after the transaction at byte ${bytes.length}`,
        );
      }
    }
  });

  it('cannot announce more elements than can follow', () => {
    const most = encodeVarint31(MAX_VARINT31);
    const rest = new Uint8Array(100);
    const head = Uint8Array.of(7, 1, 0);
    expect(() => decodeTx(concatBytes(head, most, rest))).toThrow(
      'transaction.number of inputs: expected at most 20 (100 bytes follow) at byte 3, got 2147483647',
    );
    expect(() => decodeTx(concatBytes(head, Uint8Array.of(0), most, rest))).toThrow(
      'transaction.number of outputs: expected at most 2 (100 bytes follow) at byte 4, got 2147483647',
    );
    const commitment = Uint8Array.of(
      1,
      38,
      ...new Uint8Array(32),
      ...new Uint8Array(32),
      0,
      0,
      1,
      0,
    );
    commitment[1] = commitment.length - 2;
    const spending = concatBytes(Uint8Array.of(1, commitment.length), commitment);
    const witness = concatBytes(Uint8Array.of(105), most, rest);
    expect(() => decodeTx(concatBytes(head, Uint8Array.of(1), spending, witness))).toThrow(
      'transaction.inputs[0].number of arguments: expected at most 100 (100 bytes follow)',
    );
  });

  it('holds the announced minimum sizes exactly', () => {
    const empty: TxData = { version: 0n, timeRange: 0n, inputs: [], outputs: [] };
    expect(decodeTx(encodeTx(empty)).raw.length).toBe(MIN_TX_BYTES);
    const output = { assetId: BTM_ASSET_ID, amount: 0n, controlProgram: new Uint8Array(0) };
    const outputs = createTx({ ...empty, outputs: [output, output] });
    expect(outputs.raw.length).toBe(MIN_TX_BYTES + 2 * 38);
    const coinbase: TxInput = { type: 'coinbase', arbitrary: new Uint8Array(0) };
    const inputs = createTx({ ...empty, inputs: [coinbase, coinbase], outputs: [output] });
    expect(inputs.raw.length).toBe(MIN_TX_BYTES + 38 + 2 * 5);
    for (const tx of [outputs, inputs]) expect(decodeTx(tx.raw)).toEqual(tx);
  });
});

describe('readTx', () => {
  it('reads the next transaction and no byte more, as a view', () => {
    const bytes = concatBytes(Uint8Array.of(0xaa), EVERY_KIND, EVERY_KIND, Uint8Array.of(0xbb));
    const reader = new ByteReader(bytes, 'message', 1000);
    reader.byte('first');
    const [a, b] = [readTx(reader), readTx(reader)];
    expect(reader.byte('last')).toBe(0xbb);
    expect([a.raw.buffer, a.raw.byteOffset, a.raw.length]).toEqual([
      bytes.buffer,
      1,
      EVERY_KIND.length,
    ]);
    expect(b.raw.byteOffset).toBe(1 + EVERY_KIND.length);
    expect(b).toEqual(a);
  });

  it('names fields after what the reader is at, and leaves that as it was', () => {
    const reader = new ByteReader(concatBytes(EVERY_KIND, Uint8Array.of(8)), 'message');
    reader.prefix = 'message.transactions[4].';
    readTx(reader);
    expect(() => readTx(reader)).toThrow(
      `message.transactions[4].flag: expected 7 at byte ${EVERY_KIND.length}, got 8`,
    );
  });

  it('gives plain byte arrays also for a Buffer', () => {
    expect(decodeTx(Buffer.from(EVERY_KIND))).toEqual(decodeTx(EVERY_KIND));
  });
});

describe('the ids of a decoded transaction', () => {
  const lastProgram = (tx: Tx): Uint8Array => tx.outputs.at(-1)!.controlProgram;

  it('are computed when one is asked for, not before', () => {
    const tx = decodeTx(EVERY_KIND.slice());
    lastProgram(tx)[0]! ^= 1;
    const other = decodeTx(tx.raw.slice());
    expect(tx.id).toEqual(other.id);
    expect(tx.id).not.toEqual(decodeTx(EVERY_KIND).id);
  });

  it('are computed once, and together', () => {
    for (const name of ['id', 'muxId', 'inputIds', 'spentOutputIds', 'results'] as const) {
      const tx = decodeTx(EVERY_KIND.slice());
      const first = tx[name];
      tx.raw.fill(0xee);
      expect(tx[name], name).toBe(first);
      expect(tx, name).toEqual({ ...decodeTx(EVERY_KIND), ...contentOf(tx) });
    }
  });

  it('go along with a copy of it, and a comparison looks at them', () => {
    const [tx, same] = [decodeTx(EVERY_KIND), decodeTx(EVERY_KIND)];
    expect(Object.keys({ ...tx })).toEqual(Object.keys(createTx(tx)));
    expect(bytesToHex({ ...tx }.id)).toBe(bytesToHex(createTx(tx).id));
    expect(structuredClone(tx)).toEqual(createTx(tx));
    expect(same).toEqual(tx);
    same.muxId[3]! ^= 1;
    expect(same).not.toEqual(tx);
  });
});

/** All of a transaction but its ids. */
function contentOf({ version, timeRange, inputs, outputs, raw }: Tx): TxData & { raw: Uint8Array } {
  return { version, timeRange, inputs, outputs, raw };
}

describe('transactions created here', () => {
  it('come back as they were, whatever they hold', () => {
    const random = seededRandom(11);
    for (let i = 0; i < 200; i++) {
      const data = randomTx(random);
      const tx = createTx(data);
      const decoded = decodeTx(tx.raw);
      expect(decoded, `transaction ${i}`).toEqual(tx);
      expect({ ...data, inputs: decoded.inputs, outputs: decoded.outputs }).toEqual(data);
    }
  });

  it('cannot hold what has no form, and the error says where', () => {
    const refuse = (change: Partial<TxData>, message: string): void => {
      expect(() => createTx({ ...plain, ...change }), message).toThrow(new RangeError(message));
    };
    const past = 1n << 63n;
    refuse({ version: past }, `"version" expected 0 … 2^63−1, got ${past}`);
    refuse({ timeRange: -1n }, '"timeRange" expected 0 … 2^63−1, got -1');
    refuse(
      { inputs: [spend, { ...spend, amount: past }] },
      `"inputs[1].amount" expected 0 … 2^63−1, got ${past}`,
    );
    refuse(
      { inputs: [{ ...spend, sourceId: new Uint8Array(31) }] },
      '"inputs[0].sourceId" expected 32 bytes, got 31',
    );
    refuse(
      { outputs: [{ ...plain.outputs[0]!, assetId: new Uint8Array(33) }] },
      '"outputs[0].assetId" expected 32 bytes, got 33',
    );
    refuse(
      { inputs: [{ type: 'coinbase', arbitrary: new Uint8Array(0) }], outputs: [] },
      '"outputs" expected at least one beside a coinbase input, got none',
    );
    const issuance: TxInput = {
      type: 'issuance',
      nonce: new Uint8Array(8),
      assetId: BTM_ASSET_ID,
      amount: 5n,
      assetDefinition: ASSET_DEFINITION,
      vmVersion: 1n,
      issuanceProgram: ISSUANCE_PROGRAM,
      arguments: [],
    };
    refuse(
      { inputs: [issuance] },
      `"inputs[0].assetId" expected that of program and definition, ${bytesToHex(GOLD)}, ` +
        `got ${'ff'.repeat(32)}`,
    );
  });
});

/** A transaction with any of the inputs and outputs there are, and values of every length. */
function randomTx(random: () => number): TxData {
  const below = (n: number): number => Math.floor(random() * n);
  const int = (): bigint => {
    const high = BigInt(below(2 ** 32)) << 31n;
    return (high | BigInt(below(2 ** 31))) >> BigInt(below(64));
  };
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256));
  const program = (): Uint8Array => (below(4) === 0 ? Uint8Array.of(0x6a) : bytes(below(200)));
  const asset = (): Uint8Array => (below(2) === 0 ? BTM_ASSET_ID : bytes(32));
  const args = (): Uint8Array[] => Array.from({ length: below(4) }, () => bytes(below(140)));
  const input = (): TxInput => {
    switch (below(3)) {
      case 0: {
        const [vmVersion, issuanceProgram, assetDefinition] = [int(), program(), program()];
        return {
          type: 'issuance',
          nonce: bytes(below(9)),
          assetId: assetIdOf(vmVersion, issuanceProgram, assetDefinition),
          amount: int(),
          assetDefinition,
          vmVersion,
          issuanceProgram,
          arguments: args(),
        };
      }
      case 1:
        return { type: 'coinbase', arbitrary: bytes(below(140)) };
      default:
        return {
          type: 'spend',
          sourceId: bytes(32),
          assetId: asset(),
          amount: int(),
          sourcePosition: int(),
          controlProgram: program(),
          arguments: args(),
        };
    }
  };
  return {
    version: int(),
    timeRange: int(),
    inputs: Array.from({ length: below(5) }, input),
    outputs: Array.from({ length: 1 + below(4) }, () => ({
      assetId: asset(),
      amount: int(),
      controlProgram: program(),
    })),
  };
}
