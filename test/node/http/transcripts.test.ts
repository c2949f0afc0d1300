/**
 * The exchanges that were recorded from the reference node, in their order, over the chain that it had.
 * Answers are compared as text, so that the order of members counts too. Each one that is left out, or
 * compared in part, says why.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BlockHeader, decodeHeader, headerHash } from '../../../src/chain/header.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../../src/util/json.ts';
import { decodeAll, solonetChain } from '../../support/solonet-chain.ts';
import { StandInHasher } from '../../support/stand-in-hasher.ts';
import { ApiRig, type Reply } from './api-rig.ts';

type JsonObject = { readonly [key: string]: JsonValue };

interface RecordedCall {
  readonly method: string;
  readonly path: string;
  readonly request?: JsonObject;
  readonly response?: JsonObject;
  /** Instead of the two: the bytes themselves. */
  readonly raw_request_body?: string | null;
  readonly raw_response?: string;
  readonly http_status?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

/** The first account's, which the reference took by itself. */
const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
/** When they were recorded. */
const NOW_SECONDS = 1_795_218_778;

const { calls } = parseExact(
  readFileSync(new URL('../../vectors/http_transcripts.json', import.meta.url), 'utf8'),
) as unknown as { readonly calls: readonly RecordedCall[] };

/** No calls of A.2 to A.5: of the wallet, and of contract tools. */
const LEFT_OUT: ReadonlySet<string> = new Set(['/validate-address', '/decode-program']);

describe('the recorded exchanges', () => {
  let rig: ApiRig;
  let secret = '';

  beforeAll(async () => {
    const chain = solonetChain();
    // Two headers that the reference found good, and whose proofs of work are not recorded.
    const accepted = new Set(acceptedHeaders().map((header) => bytesToHex(headerHash(header))));
    const zero = new Uint8Array(32);
    const pows = new Map(chain.blocks.map(({ hash, seed, pow }) => [hash + seed, pow]));
    const hasher = new StandInHasher({
      maxBatch: 64,
      hash: (seed, hash) => {
        const name = bytesToHex(hash);
        if (accepted.has(name)) return zero;
        const pow = pows.get(name + bytesToHex(seed));
        return pow === undefined ? new Uint8Array(32).fill(0xff) : hexToBytes(pow, 'pow', 32);
      },
    });
    rig = await ApiRig.open({ hasher, nowSeconds: NOW_SECONDS, address: ADDRESS });
    await rig.addBlocks(decodeAll(chain).slice(1));
  });

  afterAll(async () => {
    await rig.close();
  });

  for (const [i, call] of calls.entries()) {
    if (LEFT_OUT.has(call.path)) continue;
    const shown = stringifyExact(call.request ?? call.raw_request_body ?? null).slice(0, 60);
    it(`${i}: ${call.method} ${call.path} ${shown}`, async () => {
      const reply = await send(call);
      if (call.raw_response !== undefined) return compareRaw(call, reply);
      const expected = call.response!;
      expect(reply.status).toBe(statusOf(call));
      switch (call.path) {
        case '/get-work':
        case '/get-work-json':
          return compareWork(expected, reply);
        case '/create-access-token':
          // Secret and time are new ones.
          secret = tokenOf(reply.json).split(':')[1]!;
          return compareToken(dataOf(expected), dataOf(reply.json));
        case '/list-access-tokens':
          return compareToken(at(dataOf(expected), 0), at(dataOf(reply.json), 0));
        default:
          expect(reply.text).toBe(`${stringifyExact(expected)}\n`);
      }
    });
  }

  async function send({
    method,
    path,
    request = {},
    raw_request_body,
  }: RecordedCall): Promise<Reply> {
    if (raw_request_body !== undefined) {
      return rig.raw(
        path,
        raw_request_body === null ? { method } : { method, body: raw_request_body },
      );
    }
    // The recorded secret is not ours; the wrong one is as wrong here.
    const ours = path === '/check-access-token' && request['secret'] !== 'bad';
    return rig.raw(path, { method, body: stringifyExact(ours ? { ...request, secret } : request) });
  }
});

function compareRaw({ http_status, headers, raw_response }: RecordedCall, reply: Reply): void {
  expect(reply.text).toBe(raw_response);
  expect(reply.status).toBe(http_status);
  for (const [name, value] of headers!) expect(reply.headers[name.toLowerCase()], name).toBe(value);
}

/**
 * The template is the same but for its time: the reference takes the clock, we take it on mainnet
 * alone. It is 150 s after its parent here.
 */
function compareWork(expected: JsonObject, reply: Reply): void {
  const theirs = withoutTime(expected);
  const ours = withoutTime(reply.json);
  expect(stringifyExact(ours.answer)).toBe(stringifyExact(theirs.answer));
  expect(theirs.timestamp).toBe(NOW_SECONDS);
  expect(ours.timestamp).toBeLessThanOrEqual(NOW_SECONDS);
}

function withoutTime(json: JsonValue): { readonly answer: unknown; readonly timestamp: unknown } {
  const answer = json as JsonObject;
  const data = answer['data'] as JsonObject;
  const { block_header: header } = data;
  if (typeof header === 'string') {
    const { timestamp, ...rest } = headerOf(header);
    return { answer: { ...answer, data: { ...data, block_header: asText(rest) } }, timestamp };
  }
  const { timestamp, ...rest } = header as JsonObject;
  return { answer: { ...answer, data: { ...data, block_header: rest } }, timestamp };
}

function asText(header: Omit<BlockHeader, 'timestamp'>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(header).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? bytesToHex(value) : value,
    ]),
  );
}

function compareToken(expected: JsonValue, found: JsonValue): void {
  expect(Object.keys(found as JsonObject)).toEqual(Object.keys(expected as JsonObject));
  expect((found as JsonObject)['id']).toBe((expected as JsonObject)['id']);
  for (const [name, form] of [
    ['token', /^miner1:[0-9a-f]{64}$/],
    ['created_at', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/],
  ] as const) {
    expect((found as JsonObject)[name], name).toMatch(form);
    expect((expected as JsonObject)[name], name).toMatch(form);
  }
}

/** Form 2 comes with a status of its own, which the record shows for raw exchanges alone. */
function statusOf({ response, path }: RecordedCall): number {
  if (response?.['temporary'] === undefined) return 200;
  return path === '/no-such-path' ? 500 : 400;
}

function headerOf(hex: string): BlockHeader {
  return decodeHeader(hexToBytes(hex, 'header')).header;
}

function acceptedHeaders(): readonly BlockHeader[] {
  return calls
    .filter(({ path, response }) => /^\/submit-work/.test(path) && response?.['data'] === true)
    .map(({ request }) => {
      const header = request!['block_header']!;
      if (typeof header === 'string') return headerOf(header);
      const fields = header as JsonObject;
      const commitment = fields['block_commitment'] as JsonObject;
      const bytes = (value: JsonValue | undefined): Uint8Array =>
        hexToBytes(value as string, 'hash', 32);
      return {
        version: fields['version'] as number,
        height: fields['height'] as number,
        previousBlockHash: bytes(fields['previous_block_hash']),
        timestamp: fields['timestamp'] as number,
        nonce: BigInt(fields['nonce'] as number),
        bits: fields['bits'] as bigint,
        transactionsMerkleRoot: bytes(commitment['transaction_merkle_root']),
        transactionStatusHash: bytes(commitment['transaction_status_hash']),
      };
    });
}

function dataOf(json: JsonValue): JsonValue {
  return (json as JsonObject)['data']!;
}

function tokenOf(json: JsonValue): string {
  return (dataOf(json) as JsonObject)['token'] as string;
}

function at(list: JsonValue, index: number): JsonValue {
  return (list as readonly JsonValue[])[index]!;
}
