import { describe, expect, it } from 'vitest';
import { type EntryType, entryId } from '../../src/chain/entry.ts';
import type { AssetAmount, Tx, TxData, TxInput } from '../../src/chain/tx.ts';
import { createTx, decodeTx } from '../../src/chain/tx-codec.ts';
import {
  assetIdOf,
  BTM_ASSET_ID,
  inputValue,
  isBtm,
  signatureHash,
  spentOutputId,
  txIds,
} from '../../src/chain/tx-entries.ts';
import { encodeVarint31 } from '../../src/chain/varint.ts';
import { bytesToHex, concatBytes, writeU64 } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { bytesOf, genesisVectors, txValidationVectors, txVectors } from './vectors.ts';
import { ASSET_DEFINITION, ISSUANCE_PROGRAM, wireTx } from './wire.ts';

const GOLD = assetIdOf(1n, ISSUANCE_PROGRAM, ASSET_DEFINITION);
const everyKind = decodeTx(wireTx(GOLD));

const hexOf = (bytes: Uint8Array | undefined): string | null => (bytes ? bytesToHex(bytes) : null);

describe('ids of published transactions', () => {
  it('are those of the transaction, of each input, spent output and result, and of the mux', () => {
    for (const v of txVectors()) {
      const tx = decodeTx(bytesOf(v.raw_transaction));
      expect(bytesToHex(tx.id)).toBe(v.tx_id);
      expect(bytesToHex(tx.muxId), v.tx_id).toBe(v.mux_id);
      expect(tx.inputIds.map(bytesToHex), v.tx_id).toEqual(v.input_ids);
      expect(tx.spentOutputIds.map(hexOf), v.tx_id).toEqual(v.spent_output_ids);
      expect(
        tx.results.map(({ id }) => bytesToHex(id)),
        v.tx_id,
      ).toEqual(v.result_ids);
    }
  });

  it('give the hashes that are signed', () => {
    for (const v of txVectors()) {
      const tx = decodeTx(bytesOf(v.raw_transaction));
      const hashes = tx.inputIds.map((id) => bytesToHex(signatureHash(id, tx.id)));
      expect(hashes, v.tx_id).toEqual(v.signature_hashes);
    }
  });

  it('name the coin of the genesis coinbase', () => {
    for (const [network, v] of genesisVectors()) {
      // The transaction is what follows the header and the number 1.
      const tx = decodeTx(bytesOf(v.raw_block.slice(v.raw_header.length + 2)));
      expect(bytesToHex(tx.id), network).toBe(v.coinbase_tx_id);
      expect(tx.results.map(({ id }) => bytesToHex(id))).toEqual([v.coinbase_output_id]);
      expect(tx.outputs[0]?.amount, network).toBe(BigInt(v.coinbase_amount));
    }
  });
});

describe('ids', () => {
  it('are those of a plain computation, for every transaction composed for the rules', () => {
    let compared = 0;
    for (const v of txValidationVectors()) {
      // No asset version but 1 decodes, whatever the rules would say of it.
      if (v.tx_id === undefined || v.name.includes('asset version 2')) continue;
      const tx = decodeTx(bytesOf(v.raw_transaction));
      expect(txIds(tx), v.name).toEqual(plainIds(tx));
      compared++;
    }
    expect(compared).toBeGreaterThan(260);
    expect(txIds(everyKind)).toEqual(plainIds(everyKind));
  });

  it('do not depend on witnesses', () => {
    const inputs = everyKind.inputs.map((input) =>
      input.type === 'coinbase' ? input : { ...input, arguments: [Uint8Array.of(1)] },
    );
    expect(txIds({ ...everyKind, inputs })).toEqual(txIds(everyKind));
  });

  it('depend on everything else', () => {
    const seen = new Set([bytesToHex(everyKind.id)]);
    const change = (data: Partial<TxData>): void => {
      const id = bytesToHex(txIds({ ...everyKind, ...data }).id);
      expect(seen, JSON.stringify(Object.keys(data))).not.toContain(id);
      seen.add(id);
    };
    const [coinbase, spend, issuance] = everyKind.inputs as [TxInput, TxInput, TxInput];
    const [first, second] = everyKind.outputs;
    const other = new Uint8Array(32).fill(1);
    change({ version: 2n });
    change({ timeRange: 501n });
    change({ inputs: [spend, coinbase, issuance] });
    change({ inputs: [coinbase, spend] });
    for (const patch of [
      { sourceId: other },
      { assetId: other },
      { amount: 1n },
      { sourcePosition: 4n },
      { controlProgram: Uint8Array.of(0x52) },
    ]) {
      change({ inputs: [coinbase, { ...spend, ...patch } as TxInput, issuance] });
    }
    for (const patch of [{ nonce: other }, { assetId: other }, { amount: 1n }]) {
      change({ inputs: [coinbase, spend, { ...issuance, ...patch } as TxInput] });
    }
    change({ inputs: [{ type: 'coinbase', arbitrary: other }, spend, issuance] });
    change({ outputs: [second!, first!] });
    change({ outputs: [first!] });
    for (const patch of [
      { assetId: other },
      { amount: 1n },
      { controlProgram: Uint8Array.of(0x51) },
      { controlProgram: Uint8Array.of(0x6a) },
    ]) {
      change({ outputs: [{ ...first!, ...patch }, second!] });
    }
  });

  it('of a retirement do not cover its program', () => {
    const [first, second] = everyKind.outputs;
    const outputs = [first!, { ...second!, controlProgram: Uint8Array.of(0x6a) }];
    expect(txIds({ ...everyKind, outputs }).results).toEqual(everyKind.results);
  });

  it('tell a retirement by its first opcode, and an empty program is none', () => {
    const retirementOf = (...program: number[]): boolean | undefined => {
      const output = { ...everyKind.outputs[0]!, controlProgram: Uint8Array.from(program) };
      return txIds({ ...everyKind, outputs: [output] }).results[0]?.retirement;
    };
    expect([retirementOf(0x6a), retirementOf(0x6a, 1), retirementOf()]).toEqual([
      true,
      true,
      false,
    ]);
    expect([retirementOf(1, 0x6a), retirementOf(0x51)]).toEqual([false, false]);
  });

  it('of equal inputs are equal', () => {
    const spend = everyKind.inputs[1]!;
    const { inputIds } = txIds({ ...everyKind, inputs: [spend, spend] });
    expect(inputIds[0]).toEqual(inputIds[1]);
  });

  it('have no form for integers below 0 or of more than 64 bits', () => {
    for (const version of [-1n, 1n << 64n]) {
      expect(() => txIds({ ...everyKind, version })).toThrow(
        new RangeError(`"version" expected 0 … 2^64−1, got ${version}`),
      );
    }
  });
});

describe('the value of an input', () => {
  it('is what it says itself, or what output 0 takes for a coinbase, wherever it stands', () => {
    const [coinbase, spend, issuance] = everyKind.inputs as [TxInput, TxInput, TxInput];
    const tx: TxData = { ...everyKind, inputs: [issuance, coinbase, spend] };
    expect(inputValue(tx, 0)).toMatchObject({ assetId: GOLD, amount: 77n });
    expect(inputValue(tx, 1)).toMatchObject({ assetId: BTM_ASSET_ID, amount: (1n << 63n) - 1n });
    expect(inputValue(tx, 2)).toMatchObject({ assetId: BTM_ASSET_ID, amount: 9_000_000_000n });
  });

  it('does not exist for an input that does not', () => {
    expect(() => inputValue(everyKind, 3)).toThrow('"index" expected below 3, got 3');
    expect(() => inputValue({ ...everyKind, outputs: [] }, 0)).toThrow(
      '"outputs" expected at least one beside a coinbase input, got none',
    );
  });
});

describe('spent outputs', () => {
  it('are named alike by who makes them and by who spends them', () => {
    const output = everyKind.outputs[0]!;
    const id = spentOutputId({
      type: 'spend',
      ...output,
      sourceId: everyKind.muxId,
      sourcePosition: 0n,
      arguments: [],
    });
    expect(id).toEqual(everyKind.results[0]?.id);
  });
});

describe('assets', () => {
  it('BTM is 32 bytes of ff and nothing else', () => {
    expect(bytesToHex(BTM_ASSET_ID)).toBe('ff'.repeat(32));
    expect(isBtm(new Uint8Array(32).fill(0xff))).toBe(true);
    for (let i = 0; i < 32; i++) expect(isBtm(BTM_ASSET_ID.with(i, 0xfe)), `byte ${i}`).toBe(false);
    expect(isBtm(new Uint8Array(31).fill(0xff))).toBe(false);
  });

  it('have an id from vm version, program and definition', () => {
    const body = concatBytes(
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51),
      sha3(new TextEncoder().encode('{"name":"GOLD"}')),
    );
    expect(bytesToHex(GOLD)).toBe(bytesToHex(sha3(body)));
    expect(assetIdOf(2n, ISSUANCE_PROGRAM, ASSET_DEFINITION)).not.toEqual(GOLD);
    expect(assetIdOf(1n, Uint8Array.of(0x52), ASSET_DEFINITION)).not.toEqual(GOLD);
    expect(assetIdOf(1n, ISSUANCE_PROGRAM, new Uint8Array(0))).not.toEqual(GOLD);
  });

  it('are issued under the id that published issuances carry', () => {
    let issuances = 0;
    for (const v of txVectors()) {
      for (const input of decodeTx(bytesOf(v.raw_transaction)).inputs) {
        if (input.type !== 'issuance') continue;
        issuances++;
        const { vmVersion, issuanceProgram, assetDefinition, assetId } = input;
        expect(assetIdOf(vmVersion, issuanceProgram, assetDefinition), v.tx_id).toEqual(assetId);
      }
    }
    expect(issuances).toBeGreaterThan(0);
  });

  it('of any vm version can be created', () => {
    const inputs = everyKind.inputs.map((input): TxInput => {
      if (input.type !== 'issuance') return input;
      return {
        ...input,
        vmVersion: 9n,
        assetId: assetIdOf(9n, ISSUANCE_PROGRAM, ASSET_DEFINITION),
      };
    });
    const tx = createTx({ ...everyKind, inputs });
    expect(decodeTx(tx.raw)).toEqual(tx);
  });
});

/** The ids the long way: every body concatenated from its fields, as the rules list them. */
function plainIds(
  tx: TxData,
): Pick<Tx, 'id' | 'muxId' | 'inputIds' | 'spentOutputIds' | 'results'> {
  const le64 = (value: bigint): Uint8Array => {
    const out = new Uint8Array(8);
    writeU64(out, 0, value);
    return out;
  };
  const str = (bytes: Uint8Array): Uint8Array => concatBytes(encodeVarint31(bytes.length), bytes);
  const list = (items: readonly Uint8Array[]): Uint8Array =>
    concatBytes(encodeVarint31(items.length), ...items);
  const value = (v: AssetAmount): Uint8Array => concatBytes(v.assetId, le64(v.amount));
  const source = (ref: Uint8Array, v: AssetAmount, position: bigint): Uint8Array =>
    concatBytes(ref, value(v), le64(position));
  const program = (code: Uint8Array): Uint8Array => concatBytes(le64(1n), str(code));
  const id = (type: EntryType, ...parts: Uint8Array[]): Uint8Array =>
    entryId(type, concatBytes(...parts));

  const spentOutputIds = tx.inputs.map((input) =>
    input.type === 'spend'
      ? id(
          'output1',
          source(input.sourceId, input, input.sourcePosition),
          program(input.controlProgram),
        )
      : undefined,
  );
  const inputIds = tx.inputs.map((input, i) => {
    if (input.type === 'spend') return id('spend1', spentOutputIds[i]!);
    if (input.type === 'coinbase') return id('coinbase1', str(input.arbitrary));
    return id('issuance1', sha3(input.nonce), value(input));
  });
  const sources = tx.inputs.map((input, i) =>
    source(inputIds[i]!, input.type === 'coinbase' ? tx.outputs[0]! : input, 0n),
  );
  const muxId = id('mux1', list(sources), program(Uint8Array.of(0x51)));
  const results = tx.outputs.map((output, k) => {
    const from = source(muxId, output, BigInt(k));
    const { controlProgram } = output;
    return controlProgram.length > 0 && controlProgram[0] === 0x6a
      ? { id: id('retirement1', from), retirement: true }
      : { id: id('output1', from, program(controlProgram)), retirement: false };
  });
  const header = [le64(tx.version), le64(tx.timeRange), list(results.map((r) => r.id))];
  return { id: id('txheader', ...header), muxId, inputIds, spentOutputIds, results };
}
