/** Peers, mining settings and transactions. Bytom 1.x mining interfaces, A.4 and A.5. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { durationText } from '../../../src/node/http/peer-calls.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { OP } from '../../../src/vm/opcodes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ANYONE, FEE, issuer, NOBODY, programOwner, transaction } from '../../support/spending.ts';
import { ApiRig } from './api-rig.ts';

const chain = new ChainBuilder().extend(103);
let rig: ApiRig;
beforeAll(async () => {
  rig = await ApiRig.open({ hasher: chain.pow.hasher({ maxBatch: 64 }) });
  await rig.addBlocks(chain.blocks.slice(1));
});
afterAll(async () => {
  await rig.close();
});

describe('durations', () => {
  it('are written as Go writes them', () => {
    for (const [ms, text] of [
      [0, '0s'],
      [0.4, '0s'],
      [-5, '0s'],
      [200, '200ms'],
      [1000, '1s'],
      [1500, '1.5s'],
      [59_999, '59.999s'],
      [60_000, '1m0s'],
      [90_500, '1m30.5s'],
      [3_600_000, '1h0m0s'],
      [90_061_001, '25h1m1.001s'],
    ] as const) {
      expect(durationText(ms), `${ms}`).toBe(text);
    }
  });
});

describe('peers', () => {
  it('are connected, listed and disconnected', async () => {
    const peer = {
      peer_id: '192.0.2.5:46658',
      remote_addr: '192.0.2.5:46658',
      height: 7,
      ping: '200ms',
      duration: '1.5s',
      total_sent: 10,
      total_received: 20,
      average_sent_rate: 1,
      average_received_rate: 3,
      current_sent_rate: 3,
      current_received_rate: 4,
    };
    expect(await rig.data('/connect-peer', { ip: '192.0.2.5', port: 46_658 })).toEqual(peer);
    expect(await rig.data('/list-peers')).toEqual([peer]);
    rig.peers.highest = 500;
    expect(await rig.data('/net-info')).toMatchObject({
      peer_count: 1,
      current_block: 103,
      highest_block: 500,
    });
    const gone = await rig.post('/disconnect-peer', { peer_id: peer.peer_id });
    expect(gone.text).toBe('{"status":"success"}\n');
    expect(await rig.failure('/disconnect-peer', { peer_id: peer.peer_id })).toBe(
      'peerId not exist',
    );
    expect(await rig.data('/list-peers')).toEqual([]);
  });

  it('are not connected to what is no address, or does not answer', async () => {
    for (const ip of [
      '',
      'localhost',
      'evil.example',
      '1.2.3',
      '256.1.1.1',
      '::g',
      '192.0.2.1:5',
    ]) {
      expect(await rig.failure('/connect-peer', { ip, port: 1 }), ip).toBe('invalid ip address');
    }
    expect(await rig.failure('/connect-peer', { ip: '198.51.100.1', port: 1 })).toBe(
      'can not connect to the address: connection refused',
    );
    for (const port of [65_536, -1, '1', 1.5]) {
      expect((await rig.post('/connect-peer', { ip: '192.0.2.1', port })).status).toBe(400);
    }
  });
});

describe('mining settings', () => {
  it('without an address there is none to show, and no mining', async () => {
    expect(await rig.failure('/get-mining-address')).toBe('Mining address does not exist');
    expect(await rig.failure('/set-mining', { is_mining: true })).toBe(
      'Mining address does not exist',
    );
    expect(await rig.data('/set-mining')).toBe('');
  });

  it('take addresses of this network alone', async () => {
    for (const mining_address of [
      '',
      'x',
      'bm1qrp2fmpx675e5f5e9vwpscl8e08wpn4wqhrv0zt',
      'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq6',
    ]) {
      expect(await rig.failure('/set-mining-address', { mining_address }), mining_address).toBe(
        'unknown address type',
      );
    }
    expect((await rig.post('/set-mining-address', { mining_address: 5 })).status).toBe(400);
  });

  it('a miner that is not there is not started', async () => {
    const address = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
    const bare = await ApiRig.open({ hasher: chain.pow.hasher(), withoutMiner: true, address });
    expect(await bare.failure('/set-mining', { is_mining: true })).toMatch(/no local miner/);
    expect(await bare.data('/set-mining', { is_mining: false })).toBe('');
    expect(await bare.data('/is-mining')).toEqual({ is_mining: false });
    await bare.close();
  });
});

describe('transactions', () => {
  const spend = (height: number, fee: bigint): string => {
    const coin = chain.coinbase(height);
    const tx = transaction({ from: [coin], to: [{ to: ANYONE, amount: coin.amount - fee }] });
    return bytesToHex(tx.raw);
  };

  it('are taken and listed, again without harm', async () => {
    expect(await rig.data('/list-unconfirmed-transactions')).toEqual({ total: 0, tx_ids: [] });
    const raw_transaction = spend(1, FEE);
    const { tx_id } = (await rig.data('/submit-transaction', { raw_transaction })) as {
      readonly tx_id: string;
    };
    expect(await rig.data('/submit-transaction', { raw_transaction })).toEqual({ tx_id });
    expect(await rig.data('/list-unconfirmed-transactions')).toEqual({ total: 1, tx_ids: [tx_id] });
  });

  it('are refused with the reason: a rule, the pool, or what is not there', async () => {
    const failing = (raw_transaction: string): Promise<unknown> =>
      rig.failure('/submit-transaction', { raw_transaction });
    expect(await failing(spend(2, -1n))).toMatch(/^tx-unbalanced/);
    expect(await failing(spend(1, FEE + 1n))).toMatch(/^conflict/);
    const missing = transaction({
      from: [{ ...chain.coinbase(3), sourceId: new Uint8Array(32) }],
      to: [{ to: NOBODY, amount: 1n }],
    });
    expect(await failing(bytesToHex(missing.raw))).toBe("can't find what the transaction spends");
  });

  it('are refused with the codes that wallets know', async () => {
    const title = async (tx: Tx): Promise<unknown> => {
      const raw_transaction = bytesToHex(tx.raw);
      const { status, json } = await rig.post('/submit-transaction', { raw_transaction });
      expect(status).toBe(200);
      const { code, msg } = json as { readonly code: string; readonly msg: string };
      return `${code} ${msg}`;
    };
    const coin = chain.coinbase(3);
    const to = [{ to: ANYONE, amount: coin.amount - FEE }];
    const missing = { ...coin, sourceId: new Uint8Array(32) };
    expect(await title(transaction({ from: [missing], to }))).toBe(
      'BTM712 Transaction input UTXO not found',
    );
    const gold = issuer(ANYONE);
    const issue = [{ issuer: gold, amount: 5n }];
    const gasless = { issue, to: [{ to: ANYONE, amount: 5n, assetId: gold.assetId }] };
    expect(await title(transaction(gasless))).toBe('BTM714 Transaction has no gas input');
    expect(await title(transaction({ from: [coin], to, timeRange: 1n }))).toBe(
      'BTM732 Invalid transaction time range',
    );
    const odd = programOwner(Uint8Array.of(OP['1'], OP['1']));
    expect(await title(transaction({ from: [coin], to: [{ ...to[0]!, to: odd }] }))).toBe(
      'BTM733 Not standard transaction',
    );
    const more = [{ to: ANYONE, amount: coin.amount + 1n }];
    expect(await title(transaction({ from: [coin], to: more }))).toBe(
      'BTM746 Unbalanced asset amount between input and output',
    );
    const nothing = [{ to: ANYONE, amount: 0n }];
    expect(await title(transaction({ from: [coin], to: nothing }))).toBe('BTM000 Bytom API Error');
  });

  it('that do not decode are refused in form 2', async () => {
    const good = spend(2, FEE);
    for (const raw of ['', '07', good.slice(2), `${good}00`, good.slice(0, -1), 'zz', 5, [good]]) {
      const { status, json } = await rig.post('/submit-transaction', { raw_transaction: raw });
      expect([status, json], `${raw}`).toMatchObject([400, { code: 'BTM002' }]);
    }
  });
});
