/**
 * What the node counts, for Prometheus. Everything is read from the parts when it is asked for; only
 * the requests are counted here.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ApiParts } from './api-parts.ts';

/**
 * What a request came to: `success`; `failed` form 1; `refused` form 2; `unauthorized` no token, or a
 * host or origin that is not ours; `error` a fault of ours.
 */
export type CallOutcome = 'success' | 'failed' | 'refused' | 'unauthorized' | 'error';

type MetricParts = Pick<
  ApiParts,
  'chain' | 'verifier' | 'mempool' | 'templates' | 'peers' | 'miner' | 'now'
>;

const PREFIX = 'bytom_node_';
/** From cached answers to a proof of work on a slow machine. */
const BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
const NANOSECONDS = 1e9;

export class ApiMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<'call' | 'outcome'>;
  readonly #latency: Histogram<'call'>;
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({
    resolution: 20,
  });

  constructor(parts: MetricParts) {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: `${PREFIX}rpc_requests_total`,
      help: 'Requests by call and by what they came to',
      labelNames: ['call', 'outcome'],
      registers,
    });
    this.#latency = new Histogram({
      name: `${PREFIX}rpc_request_duration_seconds`,
      help: 'Time from the head of a request to its answer',
      labelNames: ['call'],
      buckets: BUCKETS,
      registers,
    });
    this.#addChain(parts);
    this.#addMempool(parts);
    this.#addPeers(parts);
    this.#addMining(parts);
    this.#addProcess();
    this.#loopDelay.enable();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** `call` is one of a fixed list: strangers must not make up labels. */
  count(call: string, outcome: CallOutcome, seconds: number): void {
    this.#requests.inc({ call, outcome });
    this.#latency.observe({ call }, seconds);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  close(): void {
    this.#loopDelay.disable();
  }

  #addChain({ chain, verifier, now }: MetricParts): void {
    this.#gauge('chain_height', 'Height of the best block', () => chain.tip.header.height);
    this.#gauge('chain_tip_timestamp_seconds', 'Time of the best block, since 1970', () => {
      return chain.tip.header.timestamp;
    });
    this.#gauge('chain_tip_age_seconds', 'Time since the time of the best block', () => {
      return now() / 1000 - chain.tip.header.timestamp;
    });
    this.#gauge('chain_pending_blocks', 'Blocks being checked', () => chain.pending);
    this.#gauge('chain_orphan_blocks', 'Blocks that wait for their parents', () => {
      return chain.orphanCount;
    });
    this.#gauge('chain_failed', '1 if the chain has stopped', () => {
      return chain.failure === undefined ? 0 : 1;
    });
    this.#counter('chain_blocks_stored_total', 'Blocks stored, on whatever branch', () => {
      return chain.counters.stored;
    });
    this.#counter('chain_transactions_stored_total', 'Transactions of stored blocks', () => {
      return chain.counters.transactions;
    });
    this.#counter('chain_blocks_connected_total', 'Blocks that joined the best chain', () => {
      return chain.counters.connected;
    });
    this.#counter('chain_blocks_disconnected_total', 'Blocks that left the best chain', () => {
      return chain.counters.disconnected;
    });
    this.#gauge('pow_queued', 'Header hashes that wait for the hasher', () => verifier.queued);
    this.#counter('pow_mismatches_total', 'Hashes that the device computed wrongly', () => {
      return verifier.mismatches;
    });
    this.#gauge('pow_hasher_down', '1 if the device was set aside', () => {
      return verifier.hasherDown === undefined ? 0 : 1;
    });
  }

  #addMempool({ mempool }: MetricParts): void {
    this.#gauge('mempool_transactions', 'Transactions that wait for a block', () => mempool.size);
    this.#gauge('mempool_bytes', 'Memory that they take', () => mempool.bytes);
    this.#gauge('mempool_orphans', 'Transactions that wait for what they spend', () => {
      return mempool.orphanCount;
    });
    new Counter({
      name: `${PREFIX}mempool_outcomes_total`,
      help: 'Transactions by what became of them, and why',
      labelNames: ['outcome', 'reason'],
      registers: [this.#registry],
      collect() {
        this.reset();
        const { added, orphaned, refused, removed } = mempool.counts;
        this.inc({ outcome: 'added', reason: '' }, added);
        this.inc({ outcome: 'orphaned', reason: '' }, orphaned);
        for (const [reason, count] of refused) this.inc({ outcome: 'refused', reason }, count);
        for (const [reason, count] of Object.entries(removed)) {
          this.inc({ outcome: 'removed', reason }, count);
        }
      },
    });
  }

  #addPeers({ peers }: MetricParts): void {
    new Gauge({
      name: `${PREFIX}peers`,
      help: 'Connected peers by who has called',
      labelNames: ['direction'],
      registers: [this.#registry],
      collect() {
        this.set({ direction: 'inbound' }, peers.counts.inbound);
        this.set({ direction: 'outbound' }, peers.counts.outbound);
      },
    });
    this.#gauge('peers_highest_block', 'Greatest height that a peer has told of', () => {
      return peers.highest;
    });
    this.#gauge('syncing', '1 while blocks are missing', () => (peers.syncing ? 1 : 0));
    this.#counter('peer_bytes_sent_total', 'Bytes sent to peers', () => peers.counts.bytesSent);
    this.#counter('peer_bytes_received_total', 'Bytes received from peers', () => {
      return peers.counts.bytesReceived;
    });
    this.#counter('peer_bans_total', 'Addresses banned', () => peers.counts.bans);
  }

  #addMining({ templates, miner }: MetricParts): void {
    this.#counter('templates_made_total', 'Block templates made', () => {
      return templates.counts.made;
    });
    this.#counter('template_seconds_total', 'Time that making them took', () => {
      return templates.counts.seconds;
    });
    this.#gauge('mining', '1 while the local miner runs', () => (miner?.running ? 1 : 0));
    this.#counter('mining_hashes_total', 'Hashes of the local miner', () => miner?.hashes ?? 0);
    this.#counter('mining_blocks_total', 'Blocks of the local miner', () => miner?.blocks ?? 0);
  }

  #addProcess(): void {
    const delay = this.#loopDelay;
    const lag = (quantile: string, nanoseconds: () => number): void =>
      this.#gauge(
        `event_loop_lag_${quantile}_seconds`,
        'How late the event loop was since the last scrape',
        // Before the first sample the histogram has no numbers.
        () => (Number.isFinite(nanoseconds()) ? nanoseconds() / NANOSECONDS : 0),
      );
    lag('p50', () => delay.percentile(50));
    lag('p99', () => delay.percentile(99));
    // The last of the three in the order of their making, so it may begin anew.
    lag('max', () => {
      const { max } = delay;
      delay.reset();
      return max;
    });
    new Gauge({
      name: `${PREFIX}process_memory_bytes`,
      help: 'Memory of the process by kind',
      labelNames: ['kind'],
      registers: [this.#registry],
      collect() {
        const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
        this.set({ kind: 'resident' }, rss);
        this.set({ kind: 'heap' }, heapUsed);
        this.set({ kind: 'external' }, external);
        this.set({ kind: 'array_buffers' }, arrayBuffers);
      },
    });
    this.#counter('process_cpu_seconds_total', 'Processor time, user and system', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    this.#gauge('process_uptime_seconds', 'Time since the process began', () => process.uptime());
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name: PREFIX + name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }

  /** A total that another part keeps. */
  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      name: PREFIX + name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }
}
