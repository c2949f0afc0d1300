/** Health, metrics and the description, which checks our own answers here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ApiCall } from '../../../src/node/http/call.ts';
import { allCalls } from '../../../src/node/http/dispatch.ts';
import { HEALTH_DATA, healthOf } from '../../../src/node/http/health.ts';
import { FAILURE_SCHEMA, REFUSAL_SCHEMA, successSchema } from '../../../src/node/http/openapi.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ApiRig } from './api-rig.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const chain = new ChainBuilder().extend(3);
/** A minute after the last block. */
const NOW_SECONDS = chain.tip.header.timestamp + 60;
let rig: ApiRig;
beforeAll(async () => {
  rig = await ApiRig.open({
    hasher: chain.pow.hasher(),
    address: ADDRESS,
    nowSeconds: NOW_SECONDS,
    maxTipAgeSeconds: 3600,
  });
  await rig.addBlocks(chain.blocks.slice(1));
});
afterAll(async () => {
  await rig.close();
});

describe('health', () => {
  it('is good if nothing is amiss, degraded without peers, and says what it knows', async () => {
    const { status, json } = await rig.raw('/health');
    expect(status).toBe(200);
    HEALTH_DATA.parse(json);
    expect(json).toEqual({
      status: 'degraded',
      problems: ['no peers'],
      synced: true,
      tip: {
        height: 3,
        hash: bytesToHex(chain.tip.hash),
        timestamp: chain.tip.header.timestamp,
        age_seconds: 60,
      },
      highest_block: 3,
      peers: { inbound: 0, outbound: 0 },
      device_down: false,
      chain_failed: false,
    });
    await rig.data('/connect-peer', { ip: '192.0.2.5', port: 1 });
    expect((await rig.raw('/health')).json).toMatchObject({ status: 'ok', problems: [] });
    rig.peers.disconnect('192.0.2.5:1');
  });

  it('is bad while blocks are missing', async () => {
    rig.peers.syncing = true;
    const { status, json } = await rig.raw('/health');
    expect([status, json]).toMatchObject([503, { status: 'failing', synced: false }]);
    rig.peers.syncing = false;
  });

  it('is bad if the chain has stopped or the best block is old; a lost device degrades it', () => {
    const good = {
      chain: rig.chainRig.chain,
      verifier: { queued: 0, mismatches: 0, hasherDown: undefined },
      peers: rig.peers,
      now: () => NOW_SECONDS * 1000,
    };
    const stopped = Object.create(rig.chainRig.chain, {
      tip: { value: rig.chainRig.chain.tip },
      failure: { value: new Error('/secret/path: disk full') },
    }) as typeof good.chain;
    const failed = healthOf({}, { ...good, chain: stopped });
    expect(failed).toMatchObject({ status: 503, body: { chain_failed: true } });
    expect(JSON.stringify(failed)).not.toContain('secret');
    const old = healthOf({ maxTipAgeSeconds: 59 }, good);
    expect(old).toMatchObject({
      status: 503,
      body: { problems: ['the best block is 60 s old', 'no peers'] },
    });
    expect(healthOf({}, good).status).toBe(200);
    const down = { ...good.verifier, hasherDown: 'lost' };
    expect(healthOf({}, { ...good, verifier: down })).toMatchObject({
      status: 200,
      body: { status: 'degraded', device_down: true },
    });
  });
});

describe('metrics', () => {
  /** Values by name and labels; a line that is none fails. */
  async function scrape(): Promise<ReadonlyMap<string, number>> {
    const { status, headers, text } = await rig.raw('/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const found = /^([a-z_][a-z0-9_]*(?:\{[^}]*\})?) (\S+)$/.exec(line);
      expect(found, line).not.toBeNull();
      expect(Number.isFinite(Number(found![2])), line).toBe(true);
      values.set(found![1]!, Number(found![2]));
    }
    return values;
  }

  it('tell of the chain, the pool, the peers and the process', async () => {
    const values = await scrape();
    for (const [name, value] of [
      ['chain_height', 3],
      ['chain_tip_timestamp_seconds', chain.tip.header.timestamp],
      ['chain_tip_age_seconds', 60],
      ['chain_pending_blocks', 0],
      ['chain_orphan_blocks', 0],
      ['chain_failed', 0],
      ['chain_blocks_stored_total', 3],
      ['chain_blocks_connected_total', 3],
      ['chain_blocks_disconnected_total', 0],
      ['pow_queued', 0],
      ['pow_mismatches_total', 0],
      ['pow_hasher_down', 0],
      ['mempool_transactions', 0],
      ['mempool_outcomes_total{outcome="added",reason=""}', 0],
      ['mempool_outcomes_total{outcome="removed",reason="confirmed"}', 0],
      ['peers{direction="inbound"}', 0],
      ['peer_bytes_sent_total', 12],
      ['peer_bytes_received_total', 34],
      ['peer_bans_total', 1],
      ['templates_made_total', 0],
      ['mining', 0],
    ] as const) {
      expect(values.get(`bytom_node_${name}`), name).toBe(value);
    }
    expect(values.get('bytom_node_process_memory_bytes{kind="resident"}')).toBeGreaterThan(1e6);
    expect(values.get('bytom_node_event_loop_lag_max_seconds')).toBeGreaterThanOrEqual(0);
  });

  it('count requests by call and outcome, strangers under one name', async () => {
    const count = (values: ReadonlyMap<string, number>, call: string, outcome: string): number =>
      values.get(`bytom_node_rpc_requests_total{call="${call}",outcome="${outcome}"}`) ?? 0;
    const before = await scrape();
    await rig.post('/get-block');
    await rig.failure('/get-block', { block_height: 99 });
    await rig.post('/get-block', []);
    await rig.raw('/get-block', { headers: { host: 'evil.example' } });
    for (const path of ['/a', '/b{x="y"}', '/get-block/']) await rig.raw(path);
    const after = await scrape();
    const grown = (call: string, outcome: string): number =>
      count(after, call, outcome) - count(before, call, outcome);
    for (const outcome of ['success', 'failed', 'refused', 'unauthorized']) {
      expect(grown('get-block', outcome), outcome).toBe(1);
    }
    expect(grown('unknown', 'refused')).toBe(3);
    expect(
      after.get('bytom_node_rpc_request_duration_seconds_count{call="get-block"}'),
    ).toBeGreaterThan(3);
    expect([...after.keys()].join()).not.toContain('x=\\"y');
  });
});

describe('the description', () => {
  interface Document {
    readonly openapi: string;
    readonly info: { readonly version: string };
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  }
  interface Operation {
    readonly operationId: string;
    readonly requestBody?: { readonly content: Content };
    readonly responses: Readonly<Record<string, { readonly content: Content }>>;
  }
  type Content = Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>;

  let document: Document;
  let calls: readonly ApiCall[];
  beforeAll(async () => {
    document = (await rig.raw('/openapi.json')).json as unknown as Document;
    calls = allCalls(
      { version: '1.1.1' },
      {
        chain: rig.chainRig.chain,
        verifier: rig.chainRig.verifier,
        mempool: rig.mempool,
        templates: rig.templates,
        settings: rig.settings,
        peers: rig.peers,
        miner: rig.miner,
        tokens: rig.tokens,
        clock: rig.chainRig.clock,
        now: () => 0,
        log: rig.log,
      },
    );
  });

  it('has every call, each with schemas that hold together', () => {
    expect(document.openapi).toBe('3.1.0');
    const paths = calls.map(({ name }) => `/${name}`);
    expect(Object.keys(document.paths).sort()).toEqual(
      [...paths, '/health', '/metrics', '/events', '/openapi.json'].sort(),
    );
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)];
    expect(references.length).toBeGreaterThan(0);
    for (const [, target] of references) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(target!)?.[1];
      expect(document.components.schemas, target).toHaveProperty(name ?? 'none');
    }
    for (const { responses } of operations) {
      for (const { content } of Object.values(responses)) expect(content).toBeTypeOf('object');
    }
  });

  it('says the same in JSON Schema as the schemas that it is made from', async () => {
    const { json } = await rig.post('/get-block');
    const item = document.paths['/get-block']!['post']!;
    const { schema } = item.responses['200']!.content['application/json']!;
    const [success] = schema['anyOf'] as readonly z.core.JSONSchema.JSONSchema[];
    const again = z.fromJSONSchema(success!);
    // Of 64-bit integers JSON Schema knows only that they are integers.
    const rounded = JSON.parse(
      JSON.stringify(json, (_, value) => (typeof value === 'bigint' ? 1 : value)),
    );
    expect(again.safeParse(rounded).error).toBeUndefined();
    expect(again.safeParse({ ...rounded, data: { ...rounded.data, hash: 'x' } }).success).toBe(
      false,
    );
    expect(again.safeParse({ status: 'fail' }).success).toBe(false);
  });

  it('fits the answers: each call with good fields, and with bad ones', async () => {
    const { transactions } = chain.blocks[1]!;
    const good: Readonly<Record<string, unknown>> = {
      'set-mining-address': { mining_address: ADDRESS },
      'set-coinbase-arbitrary': { arbitrary: '6869' },
      'connect-peer': { ip: '192.0.2.9', port: 9 },
      'disconnect-peer': { peer_id: '192.0.2.9:9' },
      'get-block': { block_height: 2 },
      'get-merkle-proof': {
        tx_ids: [bytesToHex(transactions[0]!.id)],
        block_hash: bytesToHex(chain.blocks[1]!.hash),
      },
      'create-access-token': { id: 'doc', type: 't' },
      'check-access-token': { id: 'doc' },
      'delete-access-token': { id: 'doc' },
    };
    const fails = new Set(['check-access-token', 'submit-work']);
    const refused = new Set(['submit-block', 'submit-work-json', 'submit-transaction']);
    for (const { name, data, fields } of calls) {
      const { status, json } = await rig.post(`/${name}`, good[name] ?? {});
      const schema = fails.has(name)
        ? FAILURE_SCHEMA
        : refused.has(name)
          ? REFUSAL_SCHEMA
          : successSchema(data);
      expect(schema.safeParse(json).error, `${name}: ${status}`).toBeUndefined();
      if (fields === undefined) continue;
      const bad = await rig.post(`/${name}`, 5);
      expect(bad.status, name).toBe(400);
      expect(REFUSAL_SCHEMA.safeParse(bad.json).error, name).toBeUndefined();
      const { requestBody } = document.paths[`/${name}`]!['post']!;
      const { schema: body } = requestBody!.content['application/json']!;
      expect(Object.keys(body['properties'] as object), name).toEqual(Object.keys(fields));
    }
  });
});
