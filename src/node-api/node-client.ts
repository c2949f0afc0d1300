/**
 * The calls of a Bytom node's HTTP API that miners and pools need: work, blocks, and whom blocks pay.
 * Bytom 1.x mining interfaces, A; `get-block-template` is a call of our own node alone.
 *
 * What may surprise: a failed call is HTTP 200 with `"status":"fail"`; a node holding a bad nonce
 * answers get-work with an empty 200; `bits` exceeds what a JSON number keeps, so the hex calls are
 * used. Whatever a node answers becomes a value or a `NodeCallError`; credentials stay inside.
 */
import { BLOCK_FLAG, type BlockHeader, decodeHeader, encodeHeader } from '../chain/header.ts';
import { bytesToHex, hexToBytes } from '../util/bytes.ts';
import { CodedError, clip, InputError } from '../util/errors.ts';
import { type JsonValue, parseExact } from '../util/json.ts';
import { isObject, type JsonObject } from '../util/json-fields.ts';
import { type NodeEndpoint, networkText, nodeEndpoint } from './node-endpoint.ts';

export interface NodeClientOptions {
  /** `http[s]://[user:secret@]host[:port][/prefix]` */
  readonly url: string;
  /** Longest a call may take, answer included. */
  readonly timeoutMs: number;
}

export interface WorkTemplate {
  /** The header to mine; its nonce means nothing. */
  readonly header: BlockHeader;
  readonly seed: Uint8Array;
}

export interface BlockTemplate extends WorkTemplate {
  /** The whole block, wire form; its nonce means nothing. */
  readonly rawBlock: Uint8Array;
}

export type NodeCallErrorDetail =
  /** The call ran and the node says no (`text` in its words). */
  | { readonly code: 'refused'; readonly text: string }
  | { readonly code: 'unauthorized'; readonly text: string }
  | { readonly code: 'bad-request'; readonly text: string }
  /** Everything below leaves open what the node did. */
  | { readonly code: 'network'; readonly text: string }
  | { readonly code: 'timeout'; readonly afterMs: number }
  | { readonly code: 'http-status'; readonly status: number; readonly text: string }
  | { readonly code: 'empty' }
  | { readonly code: 'oversized'; readonly limitBytes: number }
  | { readonly code: 'not-json'; readonly text: string }
  | { readonly code: 'bad-answer'; readonly text: string };

/** A call to a node that gave no usable result. */
export class NodeCallError extends CodedError<NodeCallErrorDetail> {
  constructor(detail: NodeCallErrorDetail, options?: ErrorOptions) {
    super(nodeCallText(detail), detail, options);
  }
}

/** Most answers are a few hundred bytes; more than this is not a node. */
const MAX_ANSWER_BYTES = 1 << 20;
/** The largest block of 10 million gas takes some 10 MiB, its hex twice that. */
const MAX_BLOCK_ANSWER_BYTES = 24 << 20;

export class NodeClient {
  /** `host:port`, safe to log. */
  readonly name: string;
  readonly #endpoint: NodeEndpoint;
  readonly #timeoutMs: number;

  /** Throws `InputError` for a URL that cannot be used; the message never holds its credentials. */
  constructor(options: NodeClientOptions) {
    this.#endpoint = nodeEndpoint(options.url);
    this.name = this.#endpoint.name;
    this.#timeoutMs = options.timeoutMs;
  }

  /** The block to mine now. Rejects `NodeCallError`, or the signal's reason once it has aborted. */
  async getWork(signal: AbortSignal): Promise<WorkTemplate> {
    const data = await this.#call('get-work', {}, { signal });
    return read(() => {
      const work = asObject(data, 'data');
      return {
        header: wholeHeader(asHex(work['block_header'], 'block_header')),
        seed: hexToBytes(asText(work['seed'], 'seed'), 'seed', 32),
      };
    });
  }

  /**
   * The same with the whole block, which any node takes by `submitBlock` once it is solved. Only our
   * own node has this call (`isMissingCall`). Rejects as `getWork` does.
   */
  async getBlockTemplate(signal: AbortSignal): Promise<BlockTemplate> {
    const options = { signal, maxBytes: MAX_BLOCK_ANSWER_BYTES };
    const data = await this.#call('get-block-template', {}, options);
    return read(() => {
      const template = asObject(data, 'data');
      const rawBlock = asHex(template['raw_block'], 'raw_block');
      return {
        header: blockHeaderOf(rawBlock),
        seed: hexToBytes(asText(template['seed'], 'seed'), 'seed', 32),
        rawBlock,
      };
    });
  }

  /**
   * Hands in a solved header; the node takes nonce and timestamp from it. Resolves once it has
   * become a block; rejects as `getWork` does.
   */
  async submitWork(header: BlockHeader, signal?: AbortSignal): Promise<void> {
    const request = { block_header: bytesToHex(encodeHeader(header)) };
    checkTrue(await this.#call('submit-work', request, { signal }));
  }

  /** Hands in a whole block, wire form; one that the node has already counts. Rejects likewise. */
  async submitBlock(rawBlock: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkTrue(await this.#call('submit-block', { raw_block: bytesToHex(rawBlock) }, { signal }));
  }

  /** By its hash, or by its height on the best chain. Rejects likewise, `refused` if there is none. */
  async getBlockHeader(which: number | Uint8Array, signal?: AbortSignal): Promise<BlockHeader> {
    const request =
      typeof which === 'number' ? { block_height: which } : { block_hash: bytesToHex(which) };
    const data = await this.#call('get-block-header', request, { signal });
    return read(() => wholeHeader(asHex(asObject(data, 'data')['block_header'], 'block_header')));
  }

  /** Wire form of a block. Rejects likewise, `refused` if there is none. */
  async getRawBlock(hash: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const request = { block_hash: bytesToHex(hash) };
    const options = { signal, maxBytes: MAX_BLOCK_ANSWER_BYTES };
    const data = await this.#call('get-raw-block', request, options);
    return read(() => {
      const rawBlock = asHex(asObject(data, 'data')['raw_block'], 'raw_block');
      blockHeaderOf(rawBlock);
      return rawBlock;
    });
  }

  /** Whom templates pay. Rejects likewise, `refused` if the node has no address. */
  async miningAddress(signal?: AbortSignal): Promise<string> {
    const data = await this.#call('get-mining-address', {}, { signal });
    return read(() => asText(asObject(data, 'data')['mining_address'], 'mining_address'));
  }

  /** Rejects likewise, `refused` for what is no address of the node's network. */
  async setMiningAddress(address: string, signal?: AbortSignal): Promise<void> {
    await this.#call('set-mining-address', { mining_address: address }, { signal });
  }

  async #call(
    path: string,
    request: Readonly<Record<string, string | number>>,
    options: { readonly signal?: AbortSignal | undefined; readonly maxBytes?: number },
  ): Promise<JsonValue | undefined> {
    const { signal, maxBytes = MAX_ANSWER_BYTES } = options;
    // Not AbortSignal.any: at ten calls a second for months, nothing may pile up on the outer signal.
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const timer = setTimeout(end, this.#timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    try {
      signal?.throwIfAborted();
      const response = await fetch(`${this.#endpoint.base}/${path}`, {
        method: 'POST',
        headers: { ...this.#endpoint.headers, 'content-type': 'application/json' },
        body: JSON.stringify(request),
        // A node sends nobody elsewhere for work, and the credentials are for this host alone.
        redirect: 'manual',
        signal: ended.signal,
      });
      return answerData(response.status, await readBody(response, maxBytes));
    } catch (error) {
      if (error instanceof NodeCallError) throw error;
      signal?.throwIfAborted();
      if (ended.signal.aborted) {
        throw new NodeCallError({ code: 'timeout', afterMs: this.#timeoutMs });
      }
      throw new NodeCallError({ code: 'network', text: networkText(error) }, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    }
  }
}

/**
 * True if a node failed the way it does for a call that it does not have: bytomd answers 500 "not
 * Found", or sends to another path where its wallet is off.
 */
export function isMissingCall(error: unknown): boolean {
  if (!(error instanceof NodeCallError) || error.detail.code !== 'http-status') return false;
  const { status, text } = error.detail;
  if (status === 500) return /not found/i.test(text);
  return status === 404 || status === 405 || (status >= 300 && status < 400);
}

/** The `data` of a successful answer. */
function answerData(status: number, body: string): JsonValue | undefined {
  if (status === 401) throw new NodeCallError({ code: 'unauthorized', text: failureText(body) });
  if (status === 400) throw new NodeCallError({ code: 'bad-request', text: failureText(body) });
  if (status !== 200) {
    throw new NodeCallError({ code: 'http-status', status, text: failureText(body) });
  }
  if (body.trim() === '') throw new NodeCallError({ code: 'empty' });
  const answer = parseAnswer(body);
  if (answer === undefined) throw new NodeCallError({ code: 'not-json', text: clip(body) });
  switch (answer['status']) {
    case 'success':
      return answer['data'];
    case 'fail':
      throw new NodeCallError({ code: 'refused', text: failureText(body) });
    default: {
      const text = `status: expected "success" or "fail", got ${shown(answer['status'])}`;
      throw new NodeCallError({ code: 'bad-answer', text });
    }
  }
}

/** What a failure says about itself: `error_detail` if the call ran, `detail` if it did not. */
function failureText(body: string): string {
  const answer = parseAnswer(body);
  for (const member of ['error_detail', 'detail', 'msg', 'code']) {
    const text = answer?.[member];
    if (typeof text === 'string' && text !== '') return clip(text, 200);
  }
  return body.trim() === '' ? 'no reason given' : clip(body);
}

function parseAnswer(body: string): JsonObject | undefined {
  let value: JsonValue;
  try {
    value = parseExact(body);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

/** Reads at most `maxBytes`, counted after decompression. */
async function readBody(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let read = 0;
  if (response.body === null) return text;
  // Leaving the loop early cancels the stream and with it the connection.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    read += chunk.length;
    if (read > maxBytes) throw new NodeCallError({ code: 'oversized', limitBytes: maxBytes });
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Whatever is wrong with an answer is the node's fault. */
function read<T>(reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new NodeCallError({ code: 'bad-answer', text: error.message }, { cause: error });
  }
}

function wholeHeader(bytes: Uint8Array): BlockHeader {
  const { header, bytesRead } = decodeHeader(bytes, 'block_header');
  if (bytesRead !== bytes.length) {
    throw new InputError('block_header', `${bytesRead} bytes`, `${bytes.length}`);
  }
  return header;
}

/** The header of a block that has transactions after it; these are looked at by who takes the block. */
function blockHeaderOf(rawBlock: Uint8Array): BlockHeader {
  const { header, flag } = decodeHeader(rawBlock, 'raw_block');
  if (flag !== BLOCK_FLAG) throw new InputError('raw_block.flag', '3 (a whole block)', `${flag}`);
  return header;
}

function checkTrue(data: JsonValue | undefined): void {
  if (data === true) return;
  throw new NodeCallError({ code: 'bad-answer', text: `data: expected true, got ${shown(data)}` });
}

function asObject(value: JsonValue | undefined, field: string): JsonObject {
  if (!isObject(value)) throw new InputError(field, 'an object', shown(value));
  return value;
}

function asText(value: JsonValue | undefined, field: string): string {
  if (typeof value !== 'string') throw new InputError(field, 'a text', shown(value));
  return value;
}

function asHex(value: JsonValue | undefined, field: string): Uint8Array {
  return hexToBytes(asText(value, field), field);
}

/** A value as an error shows it. Not String(value): an object may hold a `toString` of its own. */
function shown(value: JsonValue | undefined): string {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : 'an object';
  }
  return clip(String(value));
}

function nodeCallText(detail: NodeCallErrorDetail): string {
  switch (detail.code) {
    case 'refused':
      return detail.text;
    case 'unauthorized':
      return `the node wants other credentials: ${detail.text}`;
    case 'bad-request':
      return `the node did not understand the request: ${detail.text}`;
    case 'network':
      return `no connection: ${detail.text}`;
    case 'timeout':
      return `no answer for ${detail.afterMs} ms`;
    case 'http-status':
      return `HTTP status ${detail.status}: ${detail.text}`;
    case 'empty':
      return 'empty answer';
    case 'oversized':
      return `answer longer than ${detail.limitBytes} bytes`;
    case 'not-json':
      return `answer is not a JSON object: ${detail.text}`;
    case 'bad-answer':
      return `unexpected answer: ${detail.text}`;
  }
}
