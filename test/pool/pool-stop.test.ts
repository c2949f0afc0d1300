/** A stop of the whole pool: what miners have handed in is settled first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { summariseShares } from '../../pool/ledger/summary.ts';
import { POOL_FOLDERS, Pool } from '../../pool/pool.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import { systemClock } from '../../src/util/clock.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { GatedHasher } from '../support/gated-hasher.ts';
import { PoolClient } from '../support/pool-client.ts';
import { standInTable } from '../support/stand-in-hasher.ts';
import { ScriptedNode } from './nodes/scripted-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-stop-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a pool that is stopped', () => {
  it.each([true, false])('settles what is under way, its miner gone: %s', async (isGone) => {
    const data = mkdtempSync(join(folder, 'data-'));
    const log = createSilentLogger();
    const hasher = new GatedHasher();
    const tables = standInTable;
    const confirm = (): GatedHasher => new GatedHasher();
    const verifier = new PowVerifier({}, { hasher, tables, confirm, confirmTables: tables, log });
    const node = new ScriptedNode('a');
    const pool = await Pool.open(
      {
        network: 'solonet',
        version: '1.2.3',
        data,
        listen: [{ host: '127.0.0.1', port: 0 }],
        shares: { startDifficulty: 1n, minDifficulty: 1n, vardiff: false },
      },
      {
        nodes: [node],
        verifier,
        clock: systemClock,
        now: Date.now,
        random: () => 0.5,
        log,
      },
    );
    const starting = pool.start();
    await nextTurn();
    node.gives(500);
    const { stratum } = await starting;
    const client = await PoolClient.connect({ port: stratum[0]!.port });
    client.send({ id: 1, method: 'login', params: { login: 'alice.rig1' } });
    const { result } = (await client.next()) as unknown as {
      readonly result: { readonly job: { readonly job_id: string; readonly nonce: string } };
    };
    // The range of the first session of server 0 begins at 0.
    const params = { id: 'alice.rig1', job_id: result.job.job_id, nonce: '0000000000000007' };
    client.send({ id: 2, method: 'submit', params });
    while (hasher.calls.length === 0) await nextTurn();
    if (isGone) {
      client.socket.resetAndDestroy();
      while (pool.status().connections > 0) await nextTurn();
    }
    const closed = pool.close();
    for (let i = 0; i < 20; i++) await nextTurn();
    expect((await summariseShares(join(data, POOL_FOLDERS.shares))).records).toBe(0);
    hasher.calls[0]!.release();
    if (!isGone) expect(await client.next()).toMatchObject({ id: 2, result: { status: 'OK' } });
    await closed;
    expect((await summariseShares(join(data, POOL_FOLDERS.shares))).records).toBe(1);
    expect(pool.status().shares).toEqual({ accepted: 1, rejected: 0 });
    await verifier.close();
  });
});
