/**
 * Where a node without acquaintances begins. Bytom 1.x P2P: "Finding peers": names whose A records
 * are nodes, fixed addresses for when no name answers, and what the user has configured. The
 * reference uses all of them for discovery alone; here they are also dialled when nothing else is
 * left, so that a node behind a firewall without UDP finds the chain too.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { untilAbort } from '../../util/abort.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { type Endpoint, endpointKey, ipKind, toEndpoint } from './endpoint.ts';

/** A name or an IP, and a port. */
export interface SeedAddress {
  readonly host: string;
  readonly port: number;
}

export interface SeedOptions {
  /** Names whose addresses are nodes, each on `defaultPort`. */
  readonly dnsSeeds: readonly string[];
  readonly defaultPort: number;
  /** Used where no name has answered. */
  readonly fixedSeeds: readonly SeedAddress[];
  /** The user's own: always used, and first. */
  readonly configured: readonly SeedAddress[];
}

export interface SeedParts {
  /** The IPs of a name: `resolveName`. Rejects where there are none. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** An answer is good for so long; after a failure the name is asked again earlier. */
const KEPT_MS = 30 * 60_000;
const RETRY_MS = 60_000;
const RESOLVE_MS = 10_000;
/** Addresses taken of one name. */
const MAX_ADDRESSES = 32;

/** What is known of a name. */
interface Resolved {
  readonly hosts: readonly string[];
  readonly until: number;
}

export class Seeds {
  readonly #options: SeedOptions;
  readonly #parts: SeedParts;
  readonly #resolved = new Map<string, Resolved>();
  #endpoints: readonly Endpoint[];

  constructor(options: SeedOptions, parts: SeedParts) {
    this.#options = options;
    this.#parts = parts;
    const { configured, fixedSeeds } = options;
    this.#endpoints = withoutRepeats(
      [...configured, ...fixedSeeds].map(({ host, port }) => toEndpoint(host, port)),
    );
  }

  /**
   * All seeds as addresses: the configured ones in order, then the others in random order. Asks names
   * whose last answer is too old; one that fails keeps the answer it gave before. Never rejects.
   */
  async endpoints(signal?: AbortSignal): Promise<readonly Endpoint[]> {
    const { configured, dnsSeeds, defaultPort, fixedSeeds } = this.#options;
    const named = dnsSeeds.map((host) => ({ host, port: defaultPort }));
    const [chosen, found, fixed] = await Promise.all([
      this.#resolveAll(configured, signal),
      this.#resolveAll(named, signal),
      this.#resolveAll(fixedSeeds, signal),
    ]);
    const others = this.#shuffled(found.length > 0 ? found : fixed);
    this.#endpoints = withoutRepeats([...chosen, ...others]);
    return this.#endpoints;
  }

  /** Up to `limit` addresses to dial as a last resort: what is known without asking anybody. */
  candidates(limit: number): readonly Endpoint[] {
    return this.#endpoints.slice(0, Math.max(0, limit));
  }

  async #resolveAll(
    seeds: readonly SeedAddress[],
    signal: AbortSignal | undefined,
  ): Promise<Endpoint[]> {
    const found = await Promise.all(
      seeds.map(async ({ host, port }) => {
        const hosts = isIP(host) === 0 ? await this.#hostsOf(host, signal) : [host];
        return hosts.map((each) => toEndpoint(each, port));
      }),
    );
    return found.flat().filter((endpoint) => endpoint !== undefined);
  }

  async #hostsOf(name: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { clock, log } = this.#parts;
    const known = this.#resolved.get(name);
    if (known !== undefined && clock.now() < known.until) return known.hosts;
    const timer = new AbortController();
    try {
      const timeout = clock.sleep(RESOLVE_MS, timer.signal).then(() => {
        throw new Error(`no answer within ${RESOLVE_MS / 1000} s`);
      });
      const hosts = await untilAbort(Promise.race([this.#parts.resolve(name), timeout]), signal);
      const usable = hosts.filter((host) => ipKind(host) !== 'unusable').slice(0, MAX_ADDRESSES);
      this.#resolved.set(name, { hosts: usable, until: clock.now() + KEPT_MS });
      log.debug('seed name resolved', { name, addresses: usable.length });
      return usable;
    } catch (error) {
      if (signal?.aborted === true) return known?.hosts ?? [];
      log.debug('seed name not resolved', { name, problem: errorText(error) });
      const hosts = known?.hosts ?? [];
      this.#resolved.set(name, { hosts, until: clock.now() + RETRY_MS });
      return hosts;
    } finally {
      timer.abort();
    }
  }

  #shuffled(endpoints: readonly Endpoint[]): Endpoint[] {
    return endpoints
      .map((endpoint) => ({ endpoint, rank: this.#parts.random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ endpoint }) => endpoint);
  }
}

/** The IPv4 addresses of a name, as this machine resolves names. */
export async function resolveName(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, family: 4 });
  return found.map(({ address }) => address);
}

function withoutRepeats(endpoints: readonly (Endpoint | undefined)[]): readonly Endpoint[] {
  const byKey = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint === undefined) continue;
    const key = endpointKey(endpoint);
    if (!byKey.has(key)) byKey.set(key, endpoint);
  }
  return [...byKey.values()];
}
