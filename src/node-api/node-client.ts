/**
 * The two calls of a Bytom node's HTTP API that solo mining needs: get-work and submit-work.
 *
 * What may surprise: a failed call is HTTP 200 with `"status":"fail"`; a node holding a bad nonce
 * answers get-work with an empty 200; `bits` exceeds what a JSON number keeps, so the hex calls are
 * used. Whatever a node answers becomes a value or a `NodeCallError`; credentials stay inside.
 */
import { type BlockHeader, decodeHeader, encodeHeader } from '../chain/header.ts';
import { bytesToHex, hexToBytes } from '../util/bytes.ts';
import { CodedError, clip, errorText, InputError } from '../util/errors.ts';
import { type JsonValue, parseExact } from '../util/json.ts';
import { isObject, type JsonObject } from '../util/json-fields.ts';

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

/** A template is a few hundred bytes; more than this is not a node. */
const MAX_ANSWER_BYTES = 1 << 20;

export class NodeClient {
  /** `host:port`, safe to log. */
  readonly name: string;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  /** Throws `InputError` for a URL that cannot be used; the message never holds its credentials. */
  constructor(options: NodeClientOptions) {
    const url = parseNodeUrl(options.url);
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
    this.name = `${url.hostname}:${port}`;
    this.#base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (url.username !== '' || url.password !== '') {
      const pair = `${decodePart(url.username)}:${decodePart(url.password)}`;
      headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
    }
    this.#headers = headers;
    this.#timeoutMs = options.timeoutMs;
  }

  /** The block to mine now. Rejects `NodeCallError`, or the signal's reason once it has aborted. */
  async getWork(signal: AbortSignal): Promise<WorkTemplate> {
    const data = await this.#call('get-work', {}, signal);
    try {
      const work = asObject(data, 'data');
      const bytes = hexToBytes(asText(work['block_header'], 'block_header'), 'block_header');
      const { header, bytesRead } = decodeHeader(bytes, 'block_header');
      if (bytesRead !== bytes.length) {
        throw new InputError('block_header', `${bytesRead} bytes`, `${bytes.length}`);
      }
      return { header, seed: hexToBytes(asText(work['seed'], 'seed'), 'seed', 32) };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new NodeCallError({ code: 'bad-answer', text: error.message }, { cause: error });
    }
  }

  /**
   * Hands in a solved header; the node takes nonce and timestamp from it. Resolves once it has
   * become a block; rejects `NodeCallError`.
   */
  async submitWork(header: BlockHeader): Promise<void> {
    const request = { block_header: bytesToHex(encodeHeader(header)) };
    const data = await this.#call('submit-work', request);
    if (data === true) return;
    const text = `data: expected true, got ${shown(data)}`;
    throw new NodeCallError({ code: 'bad-answer', text });
  }

  async #call(
    path: string,
    request: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<JsonValue | undefined> {
    // Not AbortSignal.any: at a call a second for months, nothing may pile up on the outer signal.
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const timer = setTimeout(end, this.#timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    try {
      signal?.throwIfAborted();
      const response = await fetch(`${this.#base}/${path}`, {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(request),
        // A node sends nobody elsewhere for work, and the credentials are for this host alone.
        redirect: 'manual',
        signal: ended.signal,
      });
      return answerData(response.status, await readBody(response));
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

/** Reads at most `MAX_ANSWER_BYTES`, counted after decompression. */
async function readBody(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let read = 0;
  if (response.body === null) return text;
  // Leaving the loop early cancels the stream and with it the connection.
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    read += chunk.length;
    if (read > MAX_ANSWER_BYTES) {
      throw new NodeCallError({ code: 'oversized', limitBytes: MAX_ANSWER_BYTES });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseNodeUrl(text: string): URL {
  const expected = 'http://host:port or https://host:port, with user:secret@ if it asks for them';
  // Everything up to the last @ may be a secret.
  const shown = text.replace(/^.*@/s, '…@');
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InputError('node URL', expected, shown);
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InputError('node URL', `${expected}, and no query`, shown);
  }
  return url;
}

/** A percent sign that encodes nothing stands for itself. */
function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** fetch hides the reason ("connect ECONNREFUSED …") one or two causes deep. */
function networkText(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const text = errorText(inner);
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  return clip(text === '' ? code || errorText(error) : text, 200);
}

function asObject(value: JsonValue | undefined, field: string): JsonObject {
  if (!isObject(value)) throw new InputError(field, 'an object', shown(value));
  return value;
}

function asText(value: JsonValue | undefined, field: string): string {
  if (typeof value !== 'string') throw new InputError(field, 'a text of hex digits', shown(value));
  return value;
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
