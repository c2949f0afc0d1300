/** The local miner and what templates pay to and say. Bytom 1.x mining interfaces, A.4. */
import { z } from 'zod';
import { bytesToHex } from '../../util/bytes.ts';
import type { ApiParts } from './api-parts.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { CallError } from './envelope.ts';
import { callFailure } from './failure-texts.ts';
import { flagField, hexField, textField } from './fields.ts';
import { HEX } from './schemas.ts';

const ADDRESS_DATA = z.strictObject({ mining_address: z.string() });
const ARBITRARY_DATA = z.strictObject({ arbitrary: HEX });

export function miningCalls({
  settings,
  miner,
}: Pick<ApiParts, 'settings' | 'miner'>): readonly ApiCall[] {
  return [
    bodyCall({
      name: 'set-mining',
      summary: 'Starts or stops the local miner.',
      fields: { is_mining: flagField },
      data: z.literal(''),
      run: async ({ is_mining = false }) => {
        if (is_mining && settings.address === undefined) {
          throw new CallError('Mining address does not exist');
        }
        if (is_mining && miner === undefined) {
          throw new CallError('this node has no local miner');
        }
        await (is_mining ? miner?.start() : miner?.stop());
        return '';
      },
    }),
    bareCall({
      name: 'is-mining',
      summary: 'Whether the local miner runs.',
      data: z.strictObject({ is_mining: z.boolean() }),
      run: () => ({ is_mining: miner?.running ?? false }),
    }),
    bareCall({
      name: 'get-mining-address',
      summary: 'The address that templates pay to.',
      data: ADDRESS_DATA,
      run: () => {
        const { address } = settings;
        // The reference would make one in its wallet.
        if (address === undefined) throw new CallError('Mining address does not exist');
        return { mining_address: address };
      },
    }),
    bodyCall({
      name: 'set-mining-address',
      summary: 'Any address of this network; counts from the next template on.',
      fields: { mining_address: textField },
      data: ADDRESS_DATA,
      run: async ({ mining_address: address = '' }) => {
        await changed(settings.setAddress(address));
        return { mining_address: address };
      },
    }),
    bareCall({
      name: 'get-coinbase-arbitrary',
      summary: 'What coinbases say after the height.',
      data: ARBITRARY_DATA,
      run: () => ({ arbitrary: bytesToHex(settings.arbitrary) }),
    }),
    bodyCall({
      name: 'set-coinbase-arbitrary',
      summary: 'At most 107 bytes; counts from the next template on.',
      fields: { arbitrary: hexField },
      data: ARBITRARY_DATA,
      run: async ({ arbitrary = new Uint8Array(0) }) => {
        await changed(settings.setArbitrary(arbitrary));
        return { arbitrary: bytesToHex(arbitrary) };
      },
    }),
  ];
}

async function changed(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    throw callFailure(error);
  }
}
