/** Work and blocks from miners. Bytom 1.x mining interfaces, A.3, and the requests that break the reference. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../../src/chain/block.ts';
import { decodeHeader, encodeHeader } from '../../../src/chain/header.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import { type JsonValue, stringifyExact } from '../../../src/util/json.ts';
import { load, type ScenarioVector } from '../../chain/vectors.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { StandInHasher } from '../../support/stand-in-hasher.ts';
import { ApiRig } from './api-rig.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';

type HeaderObject = Readonly<Record<string, JsonValue>>;

describe('work', () => {
  /** Header hashes that meet their target; the others meet none. */
  let good = true;
  let rig: ApiRig;
  beforeAll(async () => {
    const hasher = new StandInHasher({ hash: () => new Uint8Array(32).fill(good ? 0 : 0xff) });
    rig = await ApiRig.open({ hasher, address: ADDRESS });
  });
  afterAll(async () => {
    await rig.close();
  });

  const work = async (): Promise<HeaderObject> =>
    ((await rig.data('/get-work-json')) as { readonly block_header: HeaderObject }).block_header;
  const submit = (block_header: unknown): ReturnType<ApiRig['post']> =>
    rig.post('/submit-work-json', { block_header });

  it('in hex and as an object is the same', async () => {
    const { block_header: hex, seed } = (await rig.data('/get-work')) as Record<string, string>;
    const { block_header: object, seed: again } = (await rig.data('/get-work-json')) as {
      readonly block_header: HeaderObject;
      readonly seed: string;
    };
    const { header } = decodeHeader(hexToBytes(hex!, 'header'));
    expect(again).toBe(seed);
    expect(object).toEqual({
      version: 1,
      height: header.height,
      previous_block_hash: bytesToHex(header.previousBlockHash),
      timestamp: header.timestamp,
      nonce: 0,
      bits: header.bits,
      block_commitment: {
        transaction_merkle_root: bytesToHex(header.transactionsMerkleRoot),
        transaction_status_hash: bytesToHex(header.transactionStatusHash),
      },
    });
  });

  it('counts by previous hash, nonce and timestamp alone: the rest only has to decode', async () => {
    const header = await work();
    const { previous_block_hash, timestamp } = header;
    const before = rig.chainRig.chain.tip.header.height;
    const { json } = await submit({
      PREVIOUS_BLOCK_HASH: (previous_block_hash as string).toUpperCase(),
      timestamp: (timestamp as number) + 1,
      nonce: 7,
      bits: 18_446_744_073_709_551_615n,
      height: 18_446_744_073_709_551_615n,
      block_commitment: {},
    });
    expect(json).toEqual({ status: 'success', data: true });
    const { tip } = rig.chainRig.chain;
    expect(tip.header.height).toBe(before + 1);
    expect(tip.header).toMatchObject({ nonce: 7n, timestamp: (timestamp as number) + 1 });
    // The new template is there when the answer comes.
    expect((await work())['previous_block_hash']).toBe(bytesToHex(tip.hash));
  });

  it('is given as a whole block too, which any node takes once it is solved', async () => {
    const { raw_block, seed } = (await rig.data('/get-block-template')) as Record<string, string>;
    const { block_header: hex } = (await rig.data('/get-work')) as Record<string, string>;
    const block = decodeBlock(hexToBytes(raw_block!, 'raw_block'));
    expect(block.header).toEqual(decodeHeader(hexToBytes(hex!, 'header')).header);
    expect(block.header.nonce).toBe(0n);
    expect(seed).toBe(((await rig.data('/get-work')) as Record<string, string>)['seed']);
    expect(block.transactions).toHaveLength(1);
    const solved = encodeBlock({ ...block, header: { ...block.header, nonce: 2n ** 40n } });
    // One without templates of its own, on the same chain.
    const other = await ApiRig.open({
      hasher: new StandInHasher({ hash: () => new Uint8Array(32) }),
    });
    await other.addBlocks(
      Array.from({ length: block.header.height - 1 }, (_, i) => rig.chainRig.chain.blockAt(i + 1)!),
    );
    for (const node of [rig, other]) {
      expect(await node.data('/submit-block', { raw_block: bytesToHex(solved) })).toBe(true);
      expect(node.chainRig.chain.tip.header).toMatchObject({
        height: block.header.height,
        nonce: 2n ** 40n,
      });
    }
    await other.close();
  });

  it('in hex may have flag 1 or 3 and anything after the header', async () => {
    const { block_header: hex } = (await rig.data('/get-work')) as Record<string, string>;
    const block = `03${hex!.slice(2).toUpperCase()}FFFF`;
    expect(await rig.data('/submit-work', { block_header: block })).toBe(true);
    expect(await rig.failure('/submit-work', { block_header: block })).toBe(
      'pending mining block has been changed',
    );
  });

  it('that is not good is refused with the texts of the reference', async () => {
    const header = await work();
    const failing = async (changes: object): Promise<unknown> =>
      rig.failure('/submit-work-json', { block_header: { ...header, ...changes } });
    expect(await failing({ previous_block_hash: '00'.repeat(32) })).toBe(
      'pending mining block has been changed',
    );
    expect(await failing({ timestamp: 1 })).toBe(
      'block timestamp is not in the valid range: invalid block',
    );
    expect(await failing({ timestamp: 5_000_000_000 })).toBe(
      'block timestamp is not in the valid range: invalid block',
    );
    good = false;
    try {
      expect(await failing({ nonce: 99 })).toBe('invalid difficulty proof of work: invalid block');
    } finally {
      good = true;
    }
    expect(await rig.failure('/submit-work', {})).toBe("can't submit empty block");
    // Absent, it counts as zeros.
    expect(await rig.failure('/submit-work-json', { block_header: { block_commitment: {} } })).toBe(
      'pending mining block has been changed',
    );
  });

  it('with a nonce that no block can hold is refused, and never kept', async () => {
    const header = await work();
    for (const nonce of [2n ** 63n, 2n ** 64n - 1n]) {
      const { status, json } = await submit({ ...header, nonce });
      expect([status, json]).toMatchObject([400, { code: 'BTM002' }]);
      expect((json as { readonly detail: string }).detail).toContain('value out of range');
    }
    const hex = bytesToHex(
      encodeHeader({
        ...decodeHeader(hexToBytes(`${await workHex()}`, 'h')).header,
        nonce: 2n ** 63n - 1n,
      }),
    );
    // Nine bytes of seven bits: one more bit makes ten of them.
    const larger = hex.replace('ffffffffffffffff7f', '80808080808080808001');
    const { status, json } = await rig.post('/submit-work', { block_header: larger });
    expect(status).toBe(400);
    expect((json as { readonly detail: string }).detail).toContain('value out of range');
    expect((await work())['nonce']).toBe(0);
  });

  async function workHex(): Promise<string> {
    return ((await rig.data('/get-work')) as { readonly block_header: string }).block_header;
  }

  it('that breaks the reference is refused, and everything goes on', async () => {
    const header = await work();
    const { block_commitment: _, ...naked } = header;
    for (const [path, body] of [
      ['/submit-work', null],
      ['/submit-block', null],
      ['/submit-work-json', null],
      ['/submit-transaction', null],
      ['/submit-block', {}],
      ['/submit-block', { raw_block: null }],
      ['/submit-transaction', {}],
      ['/submit-transaction', { raw_transaction: null }],
      ['/submit-work-json', {}],
      ['/submit-work-json', { block_header: null }],
      ['/submit-work-json', { block_header: {} }],
      ['/submit-work-json', { block_header: naked }],
      ['/submit-work-json', { block_header: { ...header, block_commitment: null } }],
    ] as const) {
      const { status, json } = await rig.post(path, body);
      expect(status, `${path} ${stringifyExact(body)}`).toBe(400);
      expect(json, path).toMatchObject({ code: 'BTM002', status: 'fail', temporary: false });
    }
    expect(await work()).toEqual(header);
  });

  it('of wrong types and lengths is refused', async () => {
    const header = await work();
    for (const changes of [
      { nonce: '1' },
      { nonce: -1 },
      { nonce: 1.5 },
      { timestamp: 2n ** 63n },
      { previous_block_hash: 'ab' },
      { previous_block_hash: 'zz'.repeat(32) },
      { previous_block_hash: 5 },
      { block_commitment: [] },
      { block_commitment: { transaction_merkle_root: '' } },
    ]) {
      const { status } = await submit({ ...header, ...changes });
      expect(status, Object.entries(changes).join()).toBe(400);
    }
    const hex = await workHex();
    for (const block_header of [
      '',
      '01',
      hex.slice(0, -2),
      hex.slice(0, -1),
      `02${hex}`,
      7,
      [hex],
    ]) {
      const { status, json } = await rig.post('/submit-work', { block_header });
      expect([status, json], `${block_header}`).toMatchObject([400, { code: 'BTM002' }]);
    }
  });

  it('is not there without a time that would do, which is said', async () => {
    const late = await ApiRig.open({ hasher: new StandInHasher(), nowSeconds: 1000 });
    expect(await late.failure('/get-block-template')).toMatch(/^no work: /);
    expect(await late.failure('/get-work')).toMatch(/^no work: the best chain is \d+ s ahead/);
    await late.close();
  });
});

describe('whole blocks', () => {
  const chain = new ChainBuilder().extend(3);
  const hexOf = (height: number): string => bytesToHex(encodeBlock(chain.blocks[height]!));
  let rig: ApiRig;
  beforeAll(async () => {
    rig = await ApiRig.open({ hasher: chain.pow.hasher() });
  });
  afterAll(async () => {
    await rig.close();
  });
  const submit = (raw_block: string): Promise<unknown> => rig.data('/submit-block', { raw_block });

  it('are taken, and again; an orphan waits, and says the same each time', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await rig.failure('/submit-block', { raw_block: hexOf(2) })).toBe(
        'block submitted is orphan',
      );
    }
    expect(await submit(hexOf(1).toUpperCase())).toBe(true);
    expect(rig.chainRig.chain.tip.header.height).toBe(2);
    expect(await submit(hexOf(1))).toBe(true);
    expect(await submit(hexOf(2))).toBe(true);
  });

  it('that are known count even as a header alone; no other header does', async () => {
    const header = (height: number): string =>
      bytesToHex(encodeHeader(chain.blocks[height]!.header));
    expect(await submit(header(1))).toBe(true);
    expect(await rig.failure('/submit-block', { raw_block: header(3) })).toMatch(
      /: invalid block$/,
    );
    const orphan = chain.fork(2).extend(5).tip.header;
    const raw_block = bytesToHex(encodeHeader(orphan));
    expect(await rig.failure('/submit-block', { raw_block })).toBe('block submitted is orphan');
    expect(rig.chainRig.chain.orphanCount).toBe(0);
    expect(await submit(hexOf(3))).toBe(true);
  });

  it('with something after them are refused', async () => {
    for (const [more, bytes] of [
      ['00', 1],
      ['ffff', 2],
    ] as const) {
      const { status, json } = await rig.post('/submit-block', { raw_block: hexOf(1) + more });
      expect(status).toBe(400);
      expect((json as { readonly detail: string }).detail).toBe(
        `trailing garbage (${bytes} bytes): check request parameters for missing and/or incorrect values`,
      );
    }
    for (const raw_block of ['', '03', '05', hexOf(1).slice(0, -2), hexOf(1).slice(1), 'zz']) {
      expect((await rig.post('/submit-block', { raw_block })).status, raw_block).toBe(400);
    }
  });

  it('that break a rule say which', async () => {
    const bad = chain.fork(3);
    const failing = (raw: ReturnType<ChainBuilder['draft']>): Promise<unknown> =>
      rig.failure('/submit-block', { raw_block: bytesToHex(encodeBlock(raw)) });
    expect(await failing(bad.draft({ overpay: 1n }))).toBe(
      'dismatch output amount: wrong coinbase transaction: invalid block',
    );
    expect(await failing(bad.draft({ header: { bits: 1n } }))).toBe(
      'block bits is invalid: invalid block',
    );
  });
});

describe('the submissions that the reference node was given', () => {
  interface Step extends ScenarioVector {
    readonly accepted: boolean;
    readonly error: string | null;
  }
  /** What stands before the text that we have for the rule, or is another one for the same rule. */
  const OTHER_TEXTS = [
    /^previous block verson \d, current block version \d: version regression/,
    /^previous block height \d+, current block height \d+: misordered block height/,
    /^utxo has been spent$/,
    /^validate of transaction/,
    /^have more than 1 output/,
    /unexpected type \*bc.Retirement/,
  ];

  it('get its answers over HTTP', async () => {
    const { steps, wall_clock: nowSeconds } = load('chain_scenario.json.gz') as {
      steps: readonly Step[];
      wall_clock: number;
    };
    const noWork = new Set(
      steps.filter(({ name }) => name === 'proof of work above target').map((s) => s.block_hash),
    );
    const hasher = new StandInHasher({
      hash: (_seed, hash) => new Uint8Array(32).fill(noWork.has(bytesToHex(hash)) ? 0xff : 0),
    });
    const rig = await ApiRig.open({ hasher, nowSeconds });
    let compared = 0;
    // The two blocks full of gas that follow take seconds, and are the chain's business.
    const light = steps.slice(
      0,
      steps.findIndex(({ name }) => name.startsWith('block gas')),
    );
    for (const { name, raw_block, accepted, error } of light) {
      const { status, json } = await rig.post('/submit-block', { raw_block });
      expect(status, name).toBe(200);
      const answer = json as Readonly<Record<string, JsonValue>>;
      expect(answer['status'], `${name}: ${error}`).toBe(accepted ? 'success' : 'fail');
      if (error === null || OTHER_TEXTS.some((text) => text.test(error))) continue;
      expect(answer['error_detail'], name).toBe(error);
      compared++;
    }
    expect(compared).toBeGreaterThan(15);
    await rig.close();
  });
});
