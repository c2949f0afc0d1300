/** `bytom-miner`: puts a source, the devices and the miner together, and runs them to the end. */
import type { MinerOutcome } from '../../miner/miner.ts';
import { InputError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { driverTable, selectedDevices } from './devices.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { openLog } from './log-output.ts';
import type { MineOptions } from './miner-options.ts';
import { assembleMiner } from './miner-parts.ts';
import { printError, printResult, rounded } from './output.ts';
import { createSource } from './sources.ts';
import { logTuning } from './tuning-report.ts';
import { VERSION } from './version.ts';

/**
 * For the batches under way and the answers to the last shares. The source has 0.6 s of its own to
 * close, and all in all a stop must end, summary included, before the 2 s are over.
 */
const STOP_MS = 1200;

export async function mineCommand(options: MineOptions, signal: AbortSignal): Promise<ExitCode> {
  const { log, close } = openLog(options);
  try {
    return await mine(options, { log, closeLog: close, signal });
  } finally {
    await close();
  }
}

interface MineParts {
  readonly log: Logger;
  /** May be called more than once. */
  readonly closeLog: () => Promise<void>;
  readonly signal: AbortSignal;
}

async function mine(options: MineOptions, { log, closeLog, signal }: MineParts): Promise<ExitCode> {
  const source = createSource(options, log.tagged('net'));
  const drivers = driverTable(options, logTuning(log));
  const selected = await selectedDevices(options, drivers);
  const devices = selected.map((device) => device.id);
  const intensity = intensityOf(options, devices);
  logStart(log, source.name, selected);
  if (options.dryRun === true) {
    log.info('dry run: options and devices are fine');
    await closeLog();
    printResult('', { ended: 'dry-run', source: source.name, devices }, options.json);
    return EXIT.ok;
  }
  const { miner, close } = assembleMiner(
    {
      devices,
      intensity,
      logCycleMs: options.logCycle,
      graceMs: STOP_MS,
      ...(options.shares === undefined ? {} : { shares: options.shares }),
      ...(options.timeLimit === undefined ? {} : { timeLimitMs: options.timeLimit }),
    },
    { source, log, drivers },
  );
  try {
    const outcome = await miner.run(signal);
    // No line of a device that is late, or of a check that was dropped, may come after the summary.
    await closeLog();
    return end(outcome, options);
  } finally {
    await close();
  }
}

function logStart(
  log: Logger,
  source: string,
  devices: readonly { readonly id: string; readonly name: string }[],
): void {
  const node = process.versions.node;
  const ids = devices.map((device) => device.id).join(',');
  log.info(
    'start',
    { version: VERSION, node, source, devices: ids },
    `bytom-miner ${VERSION}, Node ${node}, source ${source}`,
  );
  if (source === 'dummy') {
    log.info(
      'dummy source',
      {},
      'a trial: no --url and no --solo, so what is found here is worth nothing',
    );
  }
  for (const { id, name } of devices) log.tagged(id).info('device selected', { name }, name);
}

/** The setting of each selected device that has one. */
function intensityOf(
  options: MineOptions,
  ids: readonly string[],
): ReadonlyMap<string, { readonly intensity: number }> {
  const { intensity = [] } = options;
  if (intensity.length > ids.length) {
    const expected = `at most ${ids.length}, one for each of ${ids.join(', ')}`;
    throw new InputError('intensity', expected, String(intensity.length));
  }
  const settings = new Map<string, { readonly intensity: number }>();
  for (const [index, percent] of intensity.entries()) {
    const id = ids[index];
    if (id !== undefined && percent !== undefined) settings.set(id, { intensity: percent });
  }
  return settings;
}

function end(outcome: MinerOutcome, options: MineOptions): ExitCode {
  if (outcome.reason === 'source' || outcome.reason === 'devices') {
    printError('bytom-miner', outcome.error.message);
  }
  printResult('', summaryOf(outcome), options.json);
  return outcomeCode(outcome);
}

function outcomeCode(outcome: MinerOutcome): ExitCode {
  switch (outcome.reason) {
    case 'shares':
    case 'time-limit':
      return EXIT.ok;
    case 'interrupted':
      return EXIT.interrupted;
    case 'source':
    case 'devices':
      return exitCodeOf(outcome.error);
  }
}

/** The object that `--json` prints last. Speeds are of the last minute. */
function summaryOf({ reason, summary }: MinerOutcome): object {
  const { source, uptimeMs, speeds, totals, devices } = summary;
  return {
    ended: reason,
    source,
    seconds: rounded(uptimeMs / 1000, 3),
    hashes: devices.reduce((sum, device) => sum + device.hashes, 0),
    hashesPerSecond: rounded(speeds.minute, 2),
    ...totals,
    bestShare: rounded(totals.bestShare, 2),
    devices: devices.map(({ id, name, kernel, hashes, counts, speeds: own }) => ({
      id,
      name,
      kernel: kernel ?? null,
      hashes,
      hashesPerSecond: rounded(own.minute, 2),
      ...counts,
      bestShare: rounded(counts.bestShare, 2),
    })),
  };
}
