/** `bytom-devnet`: chooses the device, runs the network, prints what it came to. */
import { availableParallelism } from 'node:os';
import type { DeviceInfo } from '../../drivers/driver.ts';
import { type DevnetSummary, runDevnet } from '../devnet/devnet.ts';
import { defaultDevnetDirectory } from './data-directory.ts';
import { driverTable, selectedDevices } from './devices.ts';
import type { DevnetCliOptions } from './devnet-options.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { openLog } from './log-output.ts';
import { printResult } from './output.ts';
import { logTuning } from './tuning-report.ts';
import { VERSION } from './version.ts';

export async function devnetCommand(
  options: DevnetCliOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { log, close } = openLog({ ...options, program: 'bytom-devnet' });
  try {
    const drivers = driverTable({ threads: spareThreads(), ...options }, logTuning(log));
    const selected = await selectedDevices(options, drivers);
    const devices = options.device === undefined ? bestOf(selected) : selected;
    const { node } = process.versions;
    log
      .tagged('devnet')
      .info(
        'start',
        { version: VERSION, node, devices: devices.map(({ id }) => id).join(',') },
        `bytom-devnet ${VERSION}, Node ${node}`,
      );
    for (const { id, name } of devices) log.tagged(id).info('device selected', { name }, name);
    const summary = await runDevnet(
      {
        data: options.data ?? defaultDevnetDirectory(),
        devices: devices.map(({ id }) => id),
        ...(options.fresh === undefined ? {} : { fresh: options.fresh }),
        ...(options.blocks === undefined ? {} : { blocks: options.blocks }),
        ...(options.timeLimit === undefined ? {} : { timeLimitMs: options.timeLimit }),
      },
      { drivers, log },
      signal,
    );
    // Behind the last line of the log.
    await close();
    printResult('', summary, true);
    return exitCode(summary, options.blocks);
  } finally {
    await close();
  }
}

function exitCode({ ended, blocks }: DevnetSummary, wanted = 0): ExitCode {
  if (ended === 'interrupted') return EXIT.interrupted;
  // Time was up before the blocks were there.
  return blocks < wanted ? EXIT.fatal : EXIT.ok;
}

/** Of a miner on the cores: one core is the node's and the pool's, which check what it finds. */
function spareThreads(): number {
  return Math.max(1, availableParallelism() - 1);
}

/** A graphics card, where there is one: the cores have a node and a pool to run already. */
function bestOf<T extends Pick<DeviceInfo, 'id'>>(devices: readonly T[]): readonly T[] {
  const card = devices.find(({ id }) => id !== 'cpu');
  return card === undefined ? devices : [card];
}
