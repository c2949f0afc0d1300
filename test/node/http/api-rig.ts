/**
 * The HTTP interface over a whole node in memory: real chain, pool, templates, settings and miner; the
 * peers alone are a small world of their own. Requests go through loopback sockets.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Block } from '../../../src/chain/block.ts';
import { AccessTokens } from '../../../src/node/http/access-tokens.ts';
import type { PeerCounts, PeerStatus, PeersView } from '../../../src/node/http/api-parts.ts';
import { ApiServer, type ApiServerOptions } from '../../../src/node/http/api-server.ts';
import { Mempool } from '../../../src/node/mempool/mempool.ts';
import { LocalMiner } from '../../../src/node/mining/local-miner.ts';
import { MiningSettings } from '../../../src/node/mining/mining-settings.ts';
import { Templates } from '../../../src/node/mining/templates.ts';
import type { BatchHasher } from '../../../src/tensority/hasher.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../../src/util/json.ts';
import { ChainRig } from '../../support/chain-rig.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { StandInHasher, standInTable } from '../../support/stand-in-hasher.ts';

export interface ApiRigOptions extends Partial<ApiServerOptions> {
  readonly hasher: BatchHasher;
  /** The wall clock in seconds. */
  readonly nowSeconds?: number;
  readonly withoutMiner?: boolean;
  readonly address?: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Exact. */
  readonly json: JsonValue;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export class ApiRig {
  readonly chainRig: ChainRig;
  readonly log: RecordingLog = new RecordingLog('api');
  readonly mempool: Mempool;
  readonly settings: MiningSettings;
  readonly templates: Templates;
  readonly miner: LocalMiner;
  readonly peers: SmallWorld = new SmallWorld();
  readonly tokens: AccessTokens;
  readonly server: ApiServer;
  readonly directory: string;
  port = 0;
  readonly #agent = new Agent({ keepAlive: true });

  static async open(options: ApiRigOptions): Promise<ApiRig> {
    const directory = await mkdtemp(join(tmpdir(), 'api-'));
    const log = new RecordingLog('node');
    const { address } = options;
    const now = (): number => 1000 * (options.nowSeconds ?? 4_000_000_000);
    const chainRig = new ChainRig({ hasher: options.hasher, now: () => now() / 1000 });
    const { network } = chainRig.chain;
    const rig = new ApiRig(options, {
      directory,
      chainRig,
      now,
      settings: await MiningSettings.open(
        { network, ...(address === undefined ? {} : { address }) },
        { log },
      ),
      tokens: await AccessTokens.open(join(directory, 'tokens.json'), { now }),
    });
    try {
      rig.port = (await rig.server.start()).port;
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  private constructor(
    options: ApiRigOptions,
    parts: {
      readonly directory: string;
      readonly chainRig: ChainRig;
      readonly settings: MiningSettings;
      readonly tokens: AccessTokens;
      readonly now: () => number;
    },
  ) {
    const { chainRig, settings, tokens, now } = parts;
    const { chain, verifier, clock } = chainRig;
    const { log } = this;
    this.directory = parts.directory;
    this.chainRig = chainRig;
    this.settings = settings;
    this.tokens = tokens;
    this.mempool = new Mempool({}, { chain, clock, log });
    this.templates = new Templates(
      {},
      { chain, pool: this.mempool, settings, clock, now: () => now() / 1000, log },
    );
    this.miner = new LocalMiner(
      {},
      {
        templates: this.templates,
        // Finds nothing, and has no time for it.
        hasher: new StandInHasher(),
        tables: standInTable,
        busy: () => true,
        clock,
        log,
      },
    );
    const { hasher: _, withoutMiner, ...server } = options;
    this.server = new ApiServer(
      { host: '127.0.0.1', port: 0, version: '1.1.1', ...server },
      {
        chain,
        verifier,
        mempool: this.mempool,
        templates: this.templates,
        settings,
        peers: this.peers,
        ...(withoutMiner === true ? {} : { miner: this.miner }),
        tokens,
        // What is timed here are sockets.
        clock: systemClock,
        now,
        log,
      },
    );
  }

  async addBlocks(blocks: readonly Block[]): Promise<void> {
    await Promise.all(
      blocks.map((block) => this.chainRig.chain.submit(block, { priority: 'sync' })),
    );
  }

  /** Posts an object and reads the answer. */
  post(path: string, body: unknown = {}): Promise<Reply> {
    return this.raw(path, { method: 'POST', body: stringifyExact(body) });
  }

  /** The `data` of a call that is to succeed. */
  async data(path: string, body: unknown = {}): Promise<JsonValue | undefined> {
    const { json, text } = await this.post(path, body);
    const { status, data } = json as { readonly status: string; readonly data?: JsonValue };
    if (status !== 'success') throw new Error(`${path}: ${text}`);
    return data;
  }

  /** The `error_detail` of a call that is to fail in form 1. */
  async failure(path: string, body: unknown = {}): Promise<JsonValue | undefined> {
    const { status, json } = await this.post(path, body);
    const answer = json as Readonly<Record<string, JsonValue>>;
    if (status !== 200 || answer['status'] !== 'fail') throw new Error(`${path}: it did not fail`);
    return answer['error_detail'];
  }

  raw(path: string, options: RawRequest = {}): Promise<Reply> {
    const { method = 'GET', headers = {}, body } = options;
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': `${Buffer.byteLength(body)}` };
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.port,
          path,
          method,
          headers: { ...length, ...headers },
          agent: this.#agent,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const bytes = Buffer.concat(chunks);
            const packed = response.headers['content-encoding'] === 'gzip';
            const text = (packed ? gunzipSync(bytes) : bytes).toString('utf8');
            const isJson =
              response.headers['content-type']?.startsWith('application/json') === true;
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              json: isJson && text !== '' ? parseExact(text) : null,
            });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.server.close();
    await this.miner.stop();
    await this.templates.close();
    await this.mempool.close();
    await this.chainRig.close();
    await rm(this.directory, { recursive: true });
  }
}

/** Peers as the interface sees them: anybody at a documentation address (192.0.2.0/24) answers. */
export class SmallWorld implements PeersView {
  listening = true;
  syncing = false;
  highest = 0;
  readonly #peers = new Map<string, PeerStatus>();

  get counts(): PeerCounts {
    const outbound = this.#peers.size;
    return { inbound: 0, outbound, bytesSent: 12, bytesReceived: 34, bans: 1 };
  }

  list(): readonly PeerStatus[] {
    return [...this.#peers.values()];
  }

  async connect(ip: string, port: number): Promise<PeerStatus> {
    if (!ip.startsWith('192.0.2.')) throw new Error('connection refused');
    const id = `${ip}:${port}`;
    const peer: PeerStatus = {
      id,
      remoteAddress: ip,
      remotePort: port,
      height: 7,
      pingMs: 200,
      connectedMs: 1500,
      bytesSent: 10,
      bytesReceived: 20,
      averageSendRate: 1.4,
      averageReceiveRate: 2.6,
      sendRate: 3,
      receiveRate: 4,
    };
    this.#peers.set(id, peer);
    return peer;
  }

  disconnect(id: string): boolean {
    return this.#peers.delete(id);
  }
}
