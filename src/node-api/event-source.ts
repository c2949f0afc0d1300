/**
 * The push channel `/events` of our own node (`src/node/http/event-stream.ts`), read as server-sent
 * events. Other nodes do not have it (`isMissingCall`).
 *
 * One connection: whoever follows decides when to connect again. It is as good as dead when nothing
 * comes for longer than the node's heartbeat, and what is no event stream is not read on.
 */
import { NodeCallError } from './node-client.ts';
import { networkText, nodeEndpoint } from './node-endpoint.ts';

export interface EventSourceOptions {
  /** The node's URL, as for `NodeClient`. */
  readonly url: string;
  /** Longest silence; the node says something every 15 s. Default 45 s. */
  readonly idleMs?: number;
}

export interface NodeEvent {
  /** `tip`, `template`. */
  readonly type: string;
  /** JSON, as it came. */
  readonly data: string;
}

const MAX_EVENT_BYTES = 64 * 1024;
const IDLE_MS = 45_000;
const STREAM_TYPE = 'text/event-stream';

/**
 * Calls `onEvent` with each event until the signal aborts; then it resolves. Rejects `NodeCallError` if
 * the stream cannot be had, and when it ends: `network`, `timeout`, `http-status`, `bad-answer`,
 * `oversized`.
 */
export async function followEvents(
  options: EventSourceOptions,
  onEvent: (event: NodeEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { base, headers } = nodeEndpoint(options.url);
  const { idleMs = IDLE_MS } = options;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  let timer = setTimeout(end, idleMs);
  signal.addEventListener('abort', end, { once: true });
  try {
    if (signal.aborted) return;
    const response = await fetch(`${base}/events?types=tip,template`, {
      headers: { ...headers, accept: STREAM_TYPE },
      redirect: 'manual',
      signal: ended.signal,
    });
    await checkStream(response);
    const parser = new EventParser(onEvent);
    // Leaving the loop by an error cancels the stream and with it the connection.
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(end, idleMs);
      parser.push(chunk);
    }
    if (!signal.aborted)
      throw new NodeCallError({ code: 'network', text: 'the events have ended' });
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof NodeCallError) throw error;
    if (ended.signal.aborted) throw new NodeCallError({ code: 'timeout', afterMs: idleMs });
    throw new NodeCallError({ code: 'network', text: networkText(error) }, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

async function checkStream(response: Response): Promise<void> {
  const { status, body } = response;
  const type = response.headers.get('content-type') ?? 'none';
  if (status === 200 && type.startsWith(STREAM_TYPE) && body !== null) return;
  if (status === 200) {
    await body?.cancel();
    const text = `content type: expected ${STREAM_TYPE}, got ${type.slice(0, 80)}`;
    throw new NodeCallError({ code: 'bad-answer', text });
  }
  const text = await shortText(body);
  throw new NodeCallError({ code: 'http-status', status, text });
}

/** What a failure says: its beginning. */
async function shortText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= 200) break;
  }
  return text.slice(0, 200).trim() || 'no reason given';
}

/** Bytes to events, however they are cut. */
class EventParser {
  readonly #onEvent: (event: NodeEvent) => void;
  readonly #decoder = new TextDecoder();
  #text = '';
  #type = '';
  #data: string[] = [];
  #dataLength = 0;

  constructor(onEvent: (event: NodeEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Throws `NodeCallError` for a line or an event that is too long. */
  push(chunk: Uint8Array): void {
    const lines = (this.#text + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
    if (this.#text.length + this.#dataLength > MAX_EVENT_BYTES) throw tooLong();
  }

  #line(line: string): void {
    if (line === '') {
      this.#flush();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    if (field === 'data') {
      this.#data.push(value);
      this.#dataLength += value.length + 1;
      if (this.#dataLength > MAX_EVENT_BYTES) throw tooLong();
    }
  }

  /** An event without data is none. */
  #flush(): void {
    const type = this.#type === '' ? 'message' : this.#type;
    const data = this.#data;
    this.#type = '';
    this.#data = [];
    this.#dataLength = 0;
    if (data.length > 0) this.#onEvent({ type, data: data.join('\n') });
  }
}

function tooLong(): NodeCallError {
  return new NodeCallError({ code: 'oversized', limitBytes: MAX_EVENT_BYTES });
}
