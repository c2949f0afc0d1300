import { describe, expect, it } from 'vitest';
import type { Block } from '../../../src/chain/block.ts';
import type { Tx, TxInput } from '../../../src/chain/tx.ts';
import { createTx, decodeTx } from '../../../src/chain/tx-codec.ts';
import { SOLONET } from '../../../src/consensus/network.ts';
import { BLOCK_OBJECT, blockObject } from '../../../src/node/http/block-json.ts';
import { parseExact, stringifyExact } from '../../../src/util/json.ts';
import { bytesOf, txVectors } from '../../chain/vectors.ts';
import { ANYONE, issueInput, issuer, keyOwner, NOBODY, outputOf } from '../../support/spending.ts';

type Shown = Readonly<Record<string, unknown>> & {
  readonly inputs: readonly Readonly<Record<string, unknown>>[];
  readonly outputs: readonly Readonly<Record<string, unknown>>[];
};

/** The transactions of a block as the object shows them, read as a client would. */
function shown(transactions: readonly Tx[], statusFail: readonly boolean[] = []): readonly Shown[] {
  const block: Block = { ...SOLONET.genesis, transactions };
  const text = stringifyExact(blockObject(block, { statusFail, size: 1 }, 'sm'));
  const object = parseExact(text) as unknown as { readonly transactions: readonly Shown[] };
  BLOCK_OBJECT.parse(object);
  return object.transactions;
}

function issued(definition: Uint8Array): unknown {
  const input = issueInput({ issuer: issuer(ANYONE, definition), amount: 5n });
  const { assetId } = input as Extract<TxInput, { type: 'issuance' }>;
  const outputs = [outputOf({ to: ANYONE, amount: 5n, assetId })];
  const tx = createTx({ version: 1n, timeRange: 0n, inputs: [input], outputs });
  const [object] = shown([tx]);
  expect(object!.outputs[0]!['asset_definition']).toEqual({});
  return object!.inputs[0]!['asset_definition'];
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('a block as an object', () => {
  it('names the entries of published transactions as they are named', () => {
    for (const vector of txVectors()) {
      const tx = decodeTx(bytesOf(vector.raw_transaction));
      const [object] = shown([tx], [true]);
      expect(object).toMatchObject({
        id: vector.tx_id,
        mux_id: vector.mux_id,
        size: vector.size,
        status_fail: true,
      });
      expect(object!.inputs.map((input) => input['input_id'])).toEqual(vector.input_ids);
      expect(object!.outputs.map((output) => output['id'])).toEqual(vector.result_ids);
      for (const [i, { type }] of tx.inputs.entries()) {
        const input = object!.inputs[i]!;
        const coinbase = type === 'coinbase';
        expect(input['spent_output_id'] ?? null).toBe(vector.spent_output_ids[i]);
        expect(input['sign_data']).toBe(coinbase ? '00'.repeat(32) : vector.signature_hashes[i]);
      }
    }
  });

  it('shows addresses of the two standard programs alone, and retirements as such', () => {
    const { inputs } = SOLONET.genesis.transactions[0]!;
    const to = [keyOwner(1), ANYONE, NOBODY];
    const outputs = to.map((owner) => outputOf({ to: owner, amount: 1n }));
    const [tx] = shown([createTx({ version: 1n, timeRange: 9n, inputs, outputs })]);
    expect(tx).toMatchObject({ time_range: 9, version: 1, status_fail: false });
    expect(tx!.outputs.map((each) => [each['type'], each['position'], 'address' in each])).toEqual([
      ['control', 0, true],
      ['control', 1, false],
      ['retire', 2, false],
    ]);
    expect(tx!.outputs[0]!['address']).toMatch(/^sm1q/);
  });

  it('shows an asset definition if it is a JSON object, its numbers as they are written', () => {
    const exact = '{"name":"x","n":[18446744073709551615,{"__proto__":1}]}';
    expect(stringifyExact(issued(text(` ${exact}\n`)))).toBe(exact);
    for (const none of ['', '[]', '"x"', '5', 'null', '{', '{"a":1} ]', 'x', '\ufeff{}']) {
      expect(issued(text(none)), none).toEqual({});
    }
    expect(issued(Uint8Array.of(0xff, 0xfe))).toEqual({});
  });

  it('does not die of a definition that is nested without end', () => {
    const deep = (levels: number): Uint8Array =>
      text(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
    expect(issued(deep(200))).not.toEqual({});
    expect(issued(deep(201))).toEqual({});
    expect(issued(deep(100_000))).toEqual({});
  });
});
