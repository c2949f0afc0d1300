import { afterEach, describe, expect, it } from 'vitest';
import { PoolMetrics } from '../../../pool/http/pool-metrics.ts';
import type { PoolMeter } from '../../../pool/meter.ts';
import { statusOf } from './status-of.ts';

const open: PoolMetrics[] = [];

function metrics(): PoolMetrics {
  open.push(new PoolMetrics());
  return open.at(-1)!;
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** Reads the text format as its description says; a line of no known form fails. */
function parse(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      expect(types.has(type[1]!), line).toBe(false);
      types.set(type[1]!, type[2]!);
      continue;
    }
    const label = '[a-z]+="(?:[^"\\\\]|\\\\.)*"';
    const sample = new RegExp(`^([a-z_]+)(\\{${label}(?:,${label})*\\})? (\\S+)$`).exec(line);
    expect(sample, line).not.toBe(null);
    const [, name, labels = '', value] = sample!;
    const base = name!.replace(/_(bucket|sum|count)$/, '');
    expect(types.has(name!) || types.get(base) === 'histogram', line).toBe(true);
    const key = name + labels;
    expect(samples.has(key), key).toBe(false);
    const number = value === 'NaN' ? Number.NaN : Number(value!.replace('Inf', 'Infinity'));
    expect(Number.isNaN(number), line).toBe(false);
    samples.set(key, number);
  }
  return samples;
}

describe('PoolMetrics', () => {
  it('is a page that parses, with every kind at zero from the start', async () => {
    const page = parse(await metrics().text(statusOf()));
    for (const zero of [
      'shares_total{result="accepted",reason=""}',
      'shares_total{result="accepted",reason="late"}',
      'shares_total{result="rejected",reason="low-difficulty"}',
      'shares_total{result="rejected",reason="not-kept"}',
      'shares_total{result="rejected",reason="banned"}',
      'share_difficulty_total{result="rejected",reason="stale"}',
      'connections_closed_total{reason="flood"}',
      'logins_total{outcome="banned"}',
      'block_events_total{event="orphaned"}',
      'confirmations_total{outcome="no-budget"}',
      'bans_total{kind="address"}',
      'log_failures_total',
    ]) {
      expect(page.get(`bytom_pool_${zero}`), zero).toBe(0);
    }
  });

  it('holds what the parts tell of', async () => {
    const each = metrics();
    const meter: PoolMeter = each;
    meter.connectionOpened();
    meter.connectionClosed('too-slow');
    meter.login('accepted');
    meter.share('accepted', 1000n, 3);
    meter.share('accepted', 24n, 30);
    meter.share('late', 5n, 1);
    meter.share('low-difficulty', 7n, 1);
    meter.share('banned', 0n, 1);
    meter.jobsSent(300, 20, true);
    meter.jobsSent(300, 2000, false);
    meter.verified('hasher', 40);
    meter.verified('claim', 0);
    meter.confirmed('disagrees');
    meter.logSynced(12, 4);
    meter.logFailed();
    meter.block('found');
    meter.ban('worker');
    meter.retarget();
    const page = parse(await each.text(statusOf()));
    const expected: Readonly<Record<string, number>> = {
      connections_opened_total: 1,
      'connections_closed_total{reason="too-slow"}': 1,
      'logins_total{outcome="accepted"}': 1,
      'shares_total{result="accepted",reason=""}': 2,
      'share_difficulty_total{result="accepted",reason=""}': 1024,
      'shares_total{result="accepted",reason="late"}': 1,
      'share_difficulty_total{result="rejected",reason="low-difficulty"}': 7,
      'shares_total{result="rejected",reason="banned"}': 1,
      'submit_duration_seconds_count{result="accepted"}': 3,
      'submit_duration_seconds_bucket{le="0.005",result="accepted"}': 2,
      'job_broadcast_seconds_bucket{le="0.025",clean="1"}': 1,
      'job_broadcast_seconds_sum{clean="0"}': 2,
      jobs_sent_total: 600,
      'verification_duration_seconds_sum{by="hasher"}': 0.04,
      'verification_duration_seconds_count{by="claim"}': 1,
      'confirmations_total{outcome="disagrees"}': 1,
      log_sync_seconds_sum: 0.004,
      log_sync_records_sum: 12,
      log_failures_total: 1,
      'block_events_total{event="found"}': 1,
      'bans_total{kind="worker"}': 1,
      retargets_total: 1,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(page.get(`bytom_pool_${name}`), name).toBe(value);
    }
  });

  it('reads what is so at the moment when it is asked for', async () => {
    const each = metrics();
    const verification = {
      queued: 3,
      backlogSeconds: 0.25,
      loadFactor: 4,
      isOpening: false,
      hasherDown: 'gone',
    };
    const log = { failing: 'full', blocksFailing: 'full', knownShares: 900, forgottenShares: 11 };
    const blocks = { ...statusOf().blocks, unwritten: 3 };
    await each.text(statusOf());
    const page = parse(await each.text(statusOf({ verification, log, blocks })));
    const expected: Readonly<Record<string, number>> = {
      connections: 12,
      'connections_by_dialect{dialect="btm"}': 8,
      'connections_by_dialect{dialect="v1"}': 3,
      'connections_by_dialect{dialect="undecided"}': 1,
      connections_tls: 2,
      'connections_refused_total{reason="banned"}': 4,
      'connections_refused_total{reason="limit"}': 6,
      sessions: 10,
      accounts: 5,
      paused_clients: 1,
      pending_shares: 7,
      hashes_per_second: 1234.5,
      last_share_timestamp_seconds: 1_799_999_996,
      verification_queued: 3,
      verification_backlog_seconds: 0.25,
      load_factor: 4,
      hasher_down: 1,
      log_failing: 1,
      block_log_failing: 1,
      blocks_unwritten: 3,
      known_shares: 900,
      forgotten_shares_total: 11,
      bans: 1,
      draining: 0,
      start_timestamp_seconds: 1_799_996_400,
      'blocks{state="found"}': 5,
      'blocks{state="orphaned"}': 1,
      'info{version="1.2.3",network="solonet"}': 1,
      'node_up{node="embedded"}': 1,
      'node_height{node="127.0.0.1:9888"}': 499,
      'node_lag_blocks{node="127.0.0.1:9888"}': 1,
      'node_template_age_seconds{node="embedded"}': 7,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect(page.get(`bytom_pool_${name}`), name).toBe(value);
    }
    expect(page.has('bytom_pool_blocks{state="unwritten"}'), 'no state of its own').toBe(false);
    const later = parse(await each.text(statusOf({ nodes: [], draining: true })));
    expect(later.get('bytom_pool_draining')).toBe(1);
    expect(later.has('bytom_pool_node_up{node="embedded"}'), 'a node that is no more').toBe(false);
  });

  it('tells what the process costs', async () => {
    const page = parse(await metrics().text(statusOf()));
    expect(page.get('bytom_pool_process_cpu_seconds_total')).toBeGreaterThan(0);
    const memory = page.get('bytom_pool_process_memory_bytes{kind="resident"}');
    expect(memory).toBeGreaterThan(10_000_000);
    for (const quantile of ['0.5', '0.99', '1']) {
      const lag = page.get(`bytom_pool_event_loop_lag_seconds{quantile="${quantile}"}`);
      expect(lag, quantile).toBeGreaterThanOrEqual(0);
    }
  });
});
