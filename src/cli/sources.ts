/** The source that the options name: pools, a node, or the dummy. */
import { DummySource } from '../../miner/dummy-source.ts';
import type { JobSource } from '../../miner/job-source.ts';
import { parsePoolUrl } from '../../miner/pool-url.ts';
import { SoloSource } from '../../miner/solo-source.ts';
import type { PoolAccess } from '../../miner/stratum-connection.ts';
import { StratumSource } from '../../miner/stratum-source.ts';
import { InputError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { MineOptions } from './miner-options.ts';
import { optionError, readAt } from './option-values.ts';
import { VERSION } from './version.ts';

/** `log` is for the source's own lines. Throws for options that do not go together. */
export function createSource(options: MineOptions, log: Logger): JobSource {
  const { url = [], user, pass, solo, dummy } = options;
  const named = [url.length > 0, solo !== undefined, dummy === true].filter(Boolean).length;
  if (named > 1) throw optionError('take one of --url, --solo and --dummy');
  if (solo !== undefined) return readAt('solo', () => new SoloSource({ url: solo }, { log }));
  if (url.length > 0) return createPoolSource(options, url, log);
  // Whoever gives a name wants to be paid: the dummy would hash for nothing.
  if (dummy !== true && (user !== undefined || pass !== undefined)) {
    throw optionError('--user and --pass are for a pool: --url is missing');
  }
  return new DummySource({ difficulty: options.difficulty }, { log });
}

function createPoolSource(
  options: MineOptions,
  urls: readonly string[],
  log: Logger,
): StratumSource {
  const dump = (direction: 'in' | 'out', text: string): void => {
    const arrow = direction === 'in' ? '<-' : '->';
    log.info('protocol', { direction, text }, `${arrow} ${text}`);
  };
  return new StratumSource(
    {
      pools: poolsOf(options, urls, log),
      agent: `bytom-miner/${VERSION}`,
      retryPauseMs: options.retryPause,
      backToMainMs: options.backToMain,
      jobTimeoutMs: options.jobTimeout,
      ...(options.retries === undefined ? {} : { retries: options.retries }),
    },
    { log, ...(options.protocolDump === true ? { protocolDump: dump } : {}) },
  );
}

/** The pools in order; one user or password serves all, or there is one for each. */
function poolsOf(options: MineOptions, urls: readonly string[], log: Logger): PoolAccess[] {
  const { user = [], pass = ['x'], tlsFingerprint } = options;
  if (user.length === 0) throw new InputError('user', 'address.worker at the pool', 'nothing');
  const users = forEachPool('user', user, urls.length);
  const passwords = forEachPool('pass', pass, urls.length);
  const pools = urls.map((text, index): PoolAccess => {
    const login = users[index] ?? '';
    if (login.trim() === '') throw new InputError('user', 'address.worker', '""');
    return {
      url: parsePoolUrl(text, 'url'),
      user: login,
      password: passwords[index] ?? '',
      ...(tlsFingerprint === undefined ? {} : { tlsFingerprint }),
    };
  });
  if (tlsFingerprint !== undefined && !pools.some((pool) => pool.url.tls)) {
    log.warn('--tls-fingerprint has no effect: no pool is reached by TLS');
  }
  return pools;
}

function forEachPool(field: string, values: readonly string[], pools: number): readonly string[] {
  if (values.length === pools) return values;
  if (values.length === 1) return Array.from({ length: pools }, () => values[0] ?? '');
  const expected =
    pools === 1 ? 'one, as there is one pool' : `one, or one for each of ${pools} pools`;
  throw new InputError(field, expected, String(values.length));
}
