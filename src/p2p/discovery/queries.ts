/** Questions for neighbours that are on their way: one for an address, each answered within a second. */
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';
import { type Endpoint, endpointKey } from './endpoint.ts';
import { REPLY_MS } from './handshakes.ts';
import { type FindNode, MAX_NEIGHBORS, type PacketNode } from './packet-body.ts';

/** Nodes in a whole answer: two packets. */
export const ANSWER_NODES = 16;
/** Seconds; nobody looks. */
const EXPIRATION_SECONDS = 20;

export interface QueryParts {
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  readonly send: (body: FindNode, to: Endpoint) => void;
}

interface Outstanding {
  readonly key: string;
  /** What came so far; `undefined`: nothing, not even an empty answer. */
  nodes: readonly PacketNode[] | undefined;
  readonly done: Deferred<void>;
  readonly timer: AbortController;
}

export class Queries {
  readonly #parts: QueryParts;
  readonly #outstanding = new Map<string, Outstanding>();
  #closed = false;

  constructor(parts: QueryParts) {
    this.#parts = parts;
  }

  /**
   * Asks the node with the id `key` (hex) at `endpoint` for those nearest to `target`. Resolves with
   * at most 16 nodes; `undefined` if nothing came, or a question to it is on its way already.
   */
  async ask(
    key: string,
    endpoint: Endpoint,
    target: Uint8Array,
  ): Promise<readonly PacketNode[] | undefined> {
    const place = endpointKey(endpoint);
    if (this.#closed || this.#outstanding.has(place)) return undefined;
    const query: Outstanding = {
      key,
      nodes: undefined,
      done: createDeferred(),
      timer: new AbortController(),
    };
    this.#outstanding.set(place, query);
    const expiration = Math.floor(this.#parts.wallNow() / 1000) + EXPIRATION_SECONDS;
    this.#parts.send({ type: 'find-hash', target, expiration }, endpoint);
    const timeout = this.#parts.clock.sleep(REPLY_MS, query.timer.signal);
    await Promise.race([query.done.promise, timeout]);
    query.timer.abort();
    this.#outstanding.delete(place);
    return query.nodes;
  }

  /** Whether the node was asked. */
  expects(key: string, from: Endpoint): boolean {
    return this.#outstanding.get(endpointKey(from))?.key === key;
  }

  /** Takes an answer, or a part of one, to a question that `expects` has confirmed. */
  receive(nodes: readonly PacketNode[], from: Endpoint): void {
    const query = this.#outstanding.get(endpointKey(from));
    if (query === undefined) return;
    query.nodes = [...(query.nodes ?? []), ...nodes].slice(0, ANSWER_NODES);
    // A full packet may have a second one behind it.
    const isLast = nodes.length < MAX_NEIGHBORS || query.nodes.length >= ANSWER_NODES;
    if (isLast) query.done.resolve();
  }

  /** Ends every wait. */
  close(): void {
    this.#closed = true;
    for (const query of this.#outstanding.values()) query.timer.abort();
  }
}
