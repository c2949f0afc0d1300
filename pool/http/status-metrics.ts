/** What is so at the moment, for Prometheus: read from the pool's status when it is asked for. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { PoolStatus } from './status.ts';

/** A value for each value of a label. */
type Parts = Readonly<Record<string, number>>;

/** `status`: as of the scrape that is being answered; `undefined` before the first. */
export function addStatusMetrics(
  registry: Registry,
  prefix: string,
  status: () => PoolStatus | undefined,
): void {
  const registers = [registry];

  const gauge = (name: string, help: string, value: (status: PoolStatus) => number): void => {
    new Gauge({
      name: prefix + name,
      help,
      registers,
      collect() {
        const now = status();
        if (now !== undefined) this.set(value(now));
      },
    });
  };

  const gaugeBy = (
    name: string,
    help: string,
    label: string,
    parts: (status: PoolStatus) => Parts,
  ): void => {
    new Gauge({
      name: prefix + name,
      help,
      labelNames: [label],
      registers,
      collect() {
        const now = status();
        // A node may be there no more.
        this.reset();
        if (now === undefined) return;
        for (const [part, value] of Object.entries(parts(now))) this.set({ [label]: part }, value);
      },
    });
  };

  const node = (
    name: string,
    help: string,
    value: (node: PoolStatus['nodes'][number]) => number | undefined,
  ): void => {
    gaugeBy(`node_${name}`, help, 'node', ({ nodes }) => {
      const values = nodes.map((each) => [each.name, value(each)] as const);
      // What is not known has no value, rather than the best there is.
      return Object.fromEntries(values.filter(([, known]) => known !== undefined)) as Parts;
    });
  };

  gauge('connections', 'Open connections', ({ connections }) => connections);
  gaugeBy('connections_by_dialect', 'The same by what they speak', 'dialect', ({ clients }) => {
    const { btm, v1, undecided } = clients;
    return { btm, v1, undecided };
  });
  gauge('connections_tls', 'Those under TLS', ({ clients }) => clients.tls);
  gauge('sessions', 'Logged-in clients', ({ sessions }) => sessions);
  gauge('accounts', 'Accounts that are logged in', ({ accounts }) => accounts);
  gauge('paused_clients', 'Clients that wait for the verification', (now) => now.pausedClients);
  gauge('hashes_per_second', 'Hash rate of all miners, from their shares', (now) => {
    return now.hashesPerSecond;
  });
  gauge('last_share_timestamp_seconds', 'When the last share was accepted; 0: none', (now) => {
    return (now.lastShareAt ?? 0) / 1000;
  });
  gauge('pending_shares', 'Shares that are being verified or written', (now) => now.pendingShares);
  gauge('verification_queued', 'Shares without a verdict', ({ verification }) => {
    return verification.queued;
  });
  gauge('verification_backlog_seconds', 'Work that waits for the hasher', ({ verification }) => {
    return verification.backlogSeconds;
  });
  gauge('load_factor', 'Difficulties are raised by so much for the hasher', (now) => {
    return now.verification.loadFactor;
  });
  gauge('hasher_down', '1 if the device was set aside', ({ verification }) => {
    return verification.hasherDown === undefined ? 0 : 1;
  });
  gauge('log_failing', '1 while shares cannot be kept', ({ log }) => {
    return log.failing === undefined ? 0 : 1;
  });
  gauge('block_log_failing', '1 while what happens to blocks cannot be kept', ({ log }) => {
    return log.blocksFailing === undefined ? 0 : 1;
  });
  gauge('blocks_unwritten', 'Blocks of which something is not on disk yet', ({ blocks }) => {
    return blocks.unwritten;
  });
  gauge('known_shares', 'Shares that would be known if they were sent again', ({ log }) => {
    return log.knownShares;
  });
  gauge('bans', 'Bans in force', ({ bans }) => bans);
  gauge('draining', '1 while the pool is being stopped', ({ draining }) => (draining ? 1 : 0));
  gauge('start_timestamp_seconds', 'When the pool was started', (now) => now.startedAt / 1000);
  gaugeBy(
    'blocks',
    'Blocks of ours by what became of them, as the log has them',
    'state',
    (now) => {
      const { found, accepted, orphaned, matured, lost } = now.blocks;
      return { found, accepted, orphaned, matured, lost };
    },
  );
  new Counter({
    name: `${prefix}connections_refused_total`,
    help: 'Connections closed on arrival',
    labelNames: ['reason'],
    registers,
    collect() {
      const { banned = 0, limit = 0 } = status()?.refused ?? {};
      this.reset();
      this.inc({ reason: 'banned' }, banned);
      this.inc({ reason: 'limit' }, limit);
    },
  });
  new Counter({
    name: `${prefix}forgotten_shares_total`,
    help: 'Shares that would not be known any more, though their jobs may be valid',
    registers,
    collect() {
      this.reset();
      this.inc(status()?.log.forgottenShares ?? 0);
    },
  });
  new Gauge({
    name: `${prefix}info`,
    help: 'Always 1',
    labelNames: ['version', 'network'],
    registers,
    collect() {
      const now = status();
      if (now !== undefined) this.set({ version: now.version, network: now.network }, 1);
    },
  });
  node('up', '1 while the node gives work', ({ up }) => (up ? 1 : 0));
  node('height', 'Height of the block that it wants next', ({ height }) => height);
  node('lag_blocks', 'Blocks behind the furthest node', ({ lagBlocks }) => lagBlocks);
  node('template_age_seconds', 'Time since its last template', ({ ageSeconds }) => ageSeconds);
}
