/** What the pool asks of a node beyond get-work and submit-work, which `solo-source.test.ts` covers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BLOCK_FLAG, encodeHeader, headerHash } from '../../src/chain/header.ts';
import { isMissingCall, NodeCallError, NodeClient } from '../../src/node-api/node-client.ts';
import { bytesEqual, bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { json, TestNode } from '../miner/test-node.ts';
import { hash32, headerAt } from '../pool/nodes/scripted-node.ts';

const header = headerAt(7, { nonce: 3n });
const hex = bytesToHex(encodeHeader(header));
const rawBlock = concatBytes(encodeHeader(header, BLOCK_FLAG), Uint8Array.of(1, 2));
const seed = bytesToHex(hash32('seed'));
const { signal } = new AbortController();

describe('a node client', () => {
  let server: TestNode;
  let client: NodeClient;
  beforeEach(async () => {
    server = new TestNode();
    await server.start();
    client = new NodeClient({ url: server.url, timeoutMs: 2000 });
  });
  afterEach(async () => {
    await server.stop();
  });
  const answers = (path: string, data: unknown): void =>
    server.on(path, json({ status: 'success', data }));
  const asked = (): unknown => JSON.parse(server.received.at(-1)!.body);

  it('gets whole templates', async () => {
    answers('get-block-template', { raw_block: bytesToHex(rawBlock), seed });
    expect(await client.getBlockTemplate(signal)).toEqual({
      header,
      seed: hash32('seed'),
      rawBlock,
    });
  });

  it.each([
    ['no block', { raw_block: hex, seed }, /raw_block.flag: expected 3/],
    ['no hex', { raw_block: 'xyz', seed }, /raw_block: expected/],
    ['nothing', {}, /raw_block: expected a text, got undefined/],
    [
      'a short seed',
      { raw_block: bytesToHex(rawBlock), seed: '00' },
      /seed: expected 64 hex digits/,
    ],
    ['no object', [], /data: expected an object/],
  ])('takes no template that is %s', async (_, data, words) => {
    answers('get-block-template', data);
    const error: unknown = await client.getBlockTemplate(signal).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NodeCallError);
    expect(error).toMatchObject({
      detail: { code: 'bad-answer' },
      message: expect.stringMatching(words),
    });
    expect(isMissingCall(error)).toBe(false);
  });

  it('hands in blocks', async () => {
    answers('submit-block', true);
    await client.submitBlock(rawBlock, signal);
    expect(asked()).toEqual({ raw_block: bytesToHex(rawBlock) });
    answers('submit-block', 'yes');
    await expect(client.submitBlock(rawBlock)).rejects.toThrow('data: expected true, got yes');
  });

  it('gets headers by height and by hash, and whole blocks', async () => {
    answers('get-block-header', { block_header: hex, reward: 1 });
    answers('get-raw-block', { raw_block: bytesToHex(rawBlock), transaction_status: {} });
    const hash = headerHash(header);
    expect(await client.getBlockHeader(7)).toEqual(header);
    expect(asked()).toEqual({ block_height: 7 });
    expect(await client.getBlockHeader(hash)).toEqual(header);
    expect(asked()).toEqual({ block_hash: bytesToHex(hash) });
    expect(await client.getRawBlock(hash)).toEqual(rawBlock);
    expect(asked()).toEqual({ block_hash: bytesToHex(hash) });
    answers('get-block-header', { block_header: `${hex}00` });
    await expect(client.getBlockHeader(7)).rejects.toMatchObject({
      detail: { code: 'bad-answer' },
    });
  });

  it('reads blocks above a mebibyte, and no header as long', async () => {
    const large = concatBytes(rawBlock, new Uint8Array(1 << 20));
    answers('get-raw-block', { raw_block: bytesToHex(large) });
    answers('get-block-header', { block_header: bytesToHex(large) });
    expect(bytesEqual(await client.getRawBlock(headerHash(header)), large)).toBe(true);
    await expect(client.getBlockHeader(7)).rejects.toMatchObject({ detail: { code: 'oversized' } });
  });

  it('asks for the mining address and sets it', async () => {
    answers('get-mining-address', { mining_address: 'bm1one' });
    answers('set-mining-address', { mining_address: 'bm1two' });
    expect(await client.miningAddress()).toBe('bm1one');
    await client.setMiningAddress('bm1two', signal);
    expect(asked()).toEqual({ mining_address: 'bm1two' });
  });

  it.each([
    [true, json('', 301)],
    [true, json('', 404)],
    [true, json({ code: 'BTM000', status: 'fail', detail: 'not Found' }, 500)],
    [false, json({ code: 'BTM000', status: 'fail', detail: 'a fault' }, 500)],
    [false, json('', 503)],
    [false, json({ status: 'fail', error_detail: 'not Found' })],
  ])('knows whether a call is missing: %s', async (isMissing, answer) => {
    server.on('get-block-template', answer);
    const error: unknown = await client.getBlockTemplate(signal).catch((e: unknown) => e);
    expect(isMissingCall(error)).toBe(isMissing);
  });
});
