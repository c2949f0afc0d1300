/**
 * The push channel `/events`: server-sent events, so that a pool learns of a new tip at once instead
 * of asking ten times a second.
 *
 * Events: `tip` {height, hash, previous_block_hash, timestamp, disconnected}, also at once on
 * connecting; `template` {height, previous_block_hash, reason}; `transaction` {tx_id, fee, gas_used,
 * size} for who asks for it. Nothing is repeated to who was away: the first `tip` says all there is.
 */
import type { ServerResponse } from 'node:http';
import { bytesToHex } from '../../util/bytes.ts';
import { errorText } from '../../util/errors.ts';
import { stringifyExact } from '../../util/json.ts';
import type { BlockTemplate, TemplateReason } from '../mining/templates.ts';
import type { ApiParts } from './api-parts.ts';
import { badBody, busy } from './envelope.ts';

const EVENT_TYPES = ['tip', 'template', 'transaction'] as const;
type EventType = (typeof EVENT_TYPES)[number];

export interface EventStreamOptions {
  /** Further ones are refused. Default 64. */
  readonly maxListeners?: number;
  /** A comment goes out as often, so that nobody on the way takes the connection for dead. */
  readonly heartbeatMs?: number;
  /** Who is so many bytes behind is cut off. Default 256 KiB. */
  readonly maxQueuedBytes?: number;
}

type StreamParts = Pick<ApiParts, 'chain' | 'templates' | 'mempool' | 'clock' | 'log'>;

interface Listener {
  readonly response: ServerResponse;
  readonly types: ReadonlySet<EventType>;
}

const DEFAULT_TYPES: readonly EventType[] = ['tip', 'template'];

export class EventStream {
  readonly #options: Required<EventStreamOptions>;
  readonly #parts: StreamParts;
  readonly #listeners = new Set<Listener>();
  readonly #stopped = new AbortController();
  readonly #endings: readonly (() => void)[];
  readonly #beating: Promise<void>;
  /** Ends the listening to templates, which are made only for who listens. */
  #endTemplates: (() => void) | undefined;

  constructor(options: EventStreamOptions, parts: StreamParts) {
    this.#options = {
      maxListeners: options.maxListeners ?? 64,
      heartbeatMs: options.heartbeatMs ?? 15_000,
      maxQueuedBytes: options.maxQueuedBytes ?? 256 * 1024,
    };
    this.#parts = parts;
    const { chain, mempool } = parts;
    this.#endings = [
      chain.onTip(({ disconnected }) => this.#send('tip', () => this.#tip(disconnected.length))),
      mempool.onAdded(({ tx, fee, gasUsed }) => {
        this.#send('transaction', () => ({
          tx_id: bytesToHex(tx.id),
          fee,
          gas_used: gasUsed,
          size: tx.raw.length,
        }));
      }),
    ];
    this.#beating = this.#beat();
  }

  get size(): number {
    return this.#listeners.size;
  }

  /**
   * Makes the response a stream. `types` is the list that the query names, with commas. Throws
   * `RequestError` before anything was sent.
   */
  open(
    response: ServerResponse,
    types: string | null,
    headers: Readonly<Record<string, string>>,
  ): void {
    const wanted = typesOf(types);
    if (this.#stopped.signal.aborted || this.#listeners.size >= this.#options.maxListeners) {
      throw busy();
    }
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies of one kind keep streams back otherwise.
      'x-accel-buffering': 'no',
    });
    const listener: Listener = { response, types: wanted };
    this.#listeners.add(listener);
    response.on('close', () => this.#drop(listener));
    response.on('error', () => response.destroy());
    this.#write(listener, 'retry: 2000\n\n');
    if (wanted.has('tip')) this.#write(listener, eventText('tip', this.#tip(0)));
    if (wanted.has('template')) this.#listenToTemplates();
  }

  /** Ends all streams. Idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (const end of this.#endings) end();
    this.#endTemplates?.();
    for (const { response } of this.#listeners) response.end();
    await this.#beating;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#parts.clock.sleep(this.#options.heartbeatMs, signal);
      for (const listener of this.#listeners) this.#write(listener, ': still here\n\n');
    }
  }

  /** Never throws: whose listener this is has other things to do. */
  #send(type: EventType, data: () => unknown): void {
    try {
      const listeners = [...this.#listeners].filter(({ types }) => types.has(type));
      if (listeners.length === 0) return;
      const text = eventText(type, data());
      for (const listener of listeners) this.#write(listener, text);
    } catch (error) {
      this.#parts.log.error('event not sent', { type, reason: errorText(error) });
    }
  }

  #write(listener: Listener, text: string): void {
    const { response } = listener;
    if (response.writableEnded || response.destroyed) return;
    response.write(text);
    if (response.writableLength <= this.#options.maxQueuedBytes) return;
    this.#parts.log.debug('event listener cut off', { queuedBytes: response.writableLength });
    this.#drop(listener);
    response.destroy();
  }

  #listenToTemplates(): void {
    this.#endTemplates ??= this.#parts.templates.onTemplate((template, reason) => {
      this.#send('template', () => templateEvent(template, reason));
    });
  }

  #drop(listener: Listener): void {
    this.#listeners.delete(listener);
    if ([...this.#listeners].some(({ types }) => types.has('template'))) return;
    this.#endTemplates?.();
    this.#endTemplates = undefined;
  }

  #tip(disconnected: number): Record<string, unknown> {
    const { hash, header } = this.#parts.chain.tip;
    return {
      height: header.height,
      hash: bytesToHex(hash),
      previous_block_hash: bytesToHex(header.previousBlockHash),
      timestamp: header.timestamp,
      disconnected,
    };
  }
}

function templateEvent({ header }: BlockTemplate, reason: TemplateReason): unknown {
  return {
    height: header.height,
    previous_block_hash: bytesToHex(header.previousBlockHash),
    reason,
  };
}

function eventText(type: EventType, data: unknown): string {
  return `event: ${type}\ndata: ${stringifyExact(data)}\n\n`;
}

function typesOf(text: string | null): ReadonlySet<EventType> {
  if (text === null || text === '') return new Set(DEFAULT_TYPES);
  const names = text.split(',');
  const types = EVENT_TYPES.filter((type) => names.includes(type));
  if (types.length < new Set(names).size) {
    throw badBody(`types: expected any of ${EVENT_TYPES.join(', ')}`);
  }
  return new Set(types);
}
