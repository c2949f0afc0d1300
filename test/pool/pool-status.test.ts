import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import type { NodeListener } from '../../pool/chain-access.ts';
import { BlockLog } from '../../pool/ledger/block-log.ts';
import { ShareLog } from '../../pool/ledger/share-log.ts';
import { createSilentMeter } from '../../pool/meter.ts';
import { POOL_FOLDERS, Pool } from '../../pool/pool.ts';
import { encodeHeader } from '../../src/chain/header.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';
import { sampleShare } from './ledger/sample-records.ts';
import { ScriptedNode, solved } from './nodes/scripted-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-status-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NOW = 1_800_000_000_000;
const RAW_BYTES = 4 << 20;
const log = createSilentLogger();

/** It has work as soon as it is asked. */
class ReadyNode extends ScriptedNode {
  override follow(listener: NodeListener, signal: AbortSignal): Promise<void> {
    const followed = super.follow(listener, signal);
    this.gives(500);
    return followed;
  }
}

/** Two shares, and a block that a node took five hours ago. */
async function recordsOfBefore(data: string, now: () => number): Promise<void> {
  const parts = { log, meter: createSilentMeter(), now };
  const options = { network: 'solonet' };
  const shares = await ShareLog.open(
    { ...options, directory: join(data, POOL_FOLDERS.shares) },
    parts,
  );
  await shares.append(sampleShare(1, { timeMs: NOW }));
  await shares.append(sampleShare(2, { timeMs: NOW }));
  await shares.close();
  const directory = join(data, POOL_FOLDERS.blocks);
  const { log: blocks } = await BlockLog.open({ ...options, directory }, parts);
  const { header, hash } = solved('a', 499);
  const event = { hash, timeMs: NOW - 5 * 3_600_000 };
  await blocks.append({
    event: 'found',
    ...event,
    height: 499,
    header: encodeHeader(header),
    rawBlock: new Uint8Array(RAW_BYTES),
    node: 'a',
    account: 'alice',
    worker: 'rig1',
  });
  await blocks.append({ event: 'accepted', ...event, detail: 'a' });
  await blocks.close();
}

async function collected(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 2; i++) {
    await settle();
    collect();
  }
  return process.memoryUsage().arrayBuffers;
}

describe('a pool', () => {
  it('says how it is, and holds no blocks of before its start', async () => {
    const data = mkdtempSync(join(folder, 'data-'));
    const clock = new FakeClock();
    const now = (): number => NOW;
    await recordsOfBefore(data, now);
    const hasher = new StandInHasher();
    const tables = standInTable;
    const confirm = (): StandInHasher => new StandInHasher();
    const verifier = new PowVerifier({}, { hasher, tables, confirm, confirmTables: tables, log });
    const pool = await Pool.open(
      { network: 'solonet', version: '1.2.3', data, listen: [{ host: '127.0.0.1', port: 0 }] },
      { nodes: [new ReadyNode('a')], verifier, clock, now, random: () => 0.5, log },
    );
    try {
      const before = await collected();
      const { stratum } = await pool.start();
      const after = await collected();
      expect(before - after, 'bytes that were let go').toBeGreaterThan(RAW_BYTES / 2);
      const client = connect(stratum[0]!.port, '127.0.0.1');
      await new Promise((resolve) => client.once('connect', resolve));
      for (let i = 0; i < 100 && pool.status().connections === 0; i++) await settle();
      expect(pool.status()).toMatchObject({
        connections: 1,
        clients: { btm: 0, v1: 0, undecided: 1, tls: 0 },
        refused: { banned: 0, limit: 0 },
        sessions: 0,
        accounts: 0,
        pausedClients: 0,
        pendingShares: 0,
        blocks: { found: 1, accepted: 1, orphaned: 0, matured: 0, lost: 0, unwritten: 0 },
        log: { knownShares: 2, forgottenShares: 0 },
        nodes: [{ name: 'a', up: true, height: 500 }],
      });
      client.destroy();
    } finally {
      const closed = pool.close();
      await clock.advance(60_000);
      await closed;
      await verifier.close();
    }
  });
});
