/** Transactions that wait for a block. Bytom 1.x mining interfaces, A.5. */
import { z } from 'zod';
import type { Tx } from '../../chain/tx.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { TxOutcome } from '../mempool/mempool.ts';
import type { ApiMempool } from './api-parts.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { badBody } from './envelope.ts';
import { orphanFailure, transactionFailure } from './failure-texts.ts';
import { COUNT, HASH } from './schemas.ts';
import { txHexField } from './wire-fields.ts';

const TX_BODY_BYTES = 4 * 2 ** 20;

export function transactionCalls({
  mempool,
}: {
  readonly mempool: ApiMempool;
}): readonly ApiCall[] {
  return [
    bareCall({
      name: 'list-unconfirmed-transactions',
      summary: 'The transactions that wait for a block.',
      data: z.strictObject({ total: COUNT, tx_ids: z.array(HASH) }),
      run: () => {
        const tx_ids = mempool.transactions().map(({ tx }) => bytesToHex(tx.id));
        return { total: tx_ids.length, tx_ids };
      },
    }),
    bodyCall({
      name: 'submit-transaction',
      summary: 'A signed transaction, to be checked and passed on.',
      refusesNull: true,
      maxBodyBytes: TX_BODY_BYTES,
      fields: { raw_transaction: txHexField },
      data: z.strictObject({ tx_id: HASH }),
      run: async ({ raw_transaction: tx }) => {
        if (tx === undefined) throw badBody('raw_transaction: missing');
        await submitTransaction(mempool, tx);
        return { tx_id: bytesToHex(tx.id) };
      },
    }),
  ];
}

async function submitTransaction(mempool: ApiMempool, tx: Tx): Promise<void> {
  let result: TxOutcome['result'];
  try {
    ({ result } = await mempool.submit(tx, { source: 'local' }));
  } catch (error) {
    throw transactionFailure(error);
  }
  // It is kept for a while, in case what it spends comes after all; nobody should rely on that.
  if (result === 'orphan') throw orphanFailure();
}
