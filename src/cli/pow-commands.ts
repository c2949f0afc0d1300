/** `hash` and `verify`: opens the device, runs the command on it, prints what it found. */
import type { Device } from '../../drivers/driver.ts';
import { openTested } from '../../drivers/open.ts';
import { openConfirmingHasher } from '../tensority/cpu-hasher.ts';
import {
  BATCH_MS,
  createTables,
  type DeviceOptions,
  driverTable,
  selectedDevices,
} from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { readHashRequest, runHash } from './hash-command.ts';
import type { HashOptions, VerifyOptions } from './miner-options.ts';
import { optionError } from './option-values.ts';
import { printResult } from './output.ts';
import type { CommandOutput, HashParts, VerifyParts } from './pow-input.ts';
import { createProgressBar } from './progress.ts';
import { noteTuning } from './tuning-report.ts';
import { readBlockClaim, runVerifyBlock } from './verify-block-command.ts';
import { readVectors, runVerifyVectors } from './verify-command.ts';

export async function hashCommand(options: HashOptions, signal: AbortSignal): Promise<ExitCode> {
  // Read first: a device takes its time to open, and a typing mistake need not wait for it.
  const input = readHashRequest(options);
  return withDevice(options, signal, async (device, tables) =>
    print(await runHash(input, { hasher: device, tables, signal }), options.json),
  );
}

export async function verifyCommand(
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const verify = await readVerifyOptions(options);
  return withDevice(options, signal, async (device, tables) => {
    // A "no" blames somebody: another kernel must say it too.
    const confirm = openConfirmingHasher(device.info.kernel);
    try {
      return print(await verify({ hasher: device, tables, confirm, signal }), options.json);
    } finally {
      await confirm.close();
    }
  });
}

/** Reads what is to be verified; the function that verifies it. */
async function readVerifyOptions(
  options: VerifyOptions,
): Promise<(parts: VerifyParts) => Promise<CommandOutput<object>>> {
  const { vectors: path, block, seed, expectBits } = options;
  if ((path === undefined) === (block === undefined)) {
    throw optionError('verify takes either --vectors FILE or --block HEX|FILE');
  }
  if (path !== undefined) {
    if (seed !== undefined || expectBits !== undefined) {
      throw optionError('--seed and --expect-bits go with --block');
    }
    const vectors = await readVectors(path);
    return async (parts) => {
      const bar = createProgressBar(process.stderr, () => performance.now());
      try {
        return await runVerifyVectors(vectors, parts, (done, total) => {
          bar.update(done / total, `${done} of ${total}`);
        });
      } finally {
        bar.clear();
      }
    };
  }
  if (block === undefined || seed === undefined) throw optionError('--block needs --seed HEX');
  const claim = await readBlockClaim({
    block,
    seed,
    ...(expectBits === undefined ? {} : { expectBits }),
  });
  return (parts) => runVerifyBlock(claim, parts);
}

/** Opens the first selected device, tested, for `run`, and closes it. */
async function withDevice(
  options: DeviceOptions,
  signal: AbortSignal,
  run: (device: Device, tables: HashParts['tables']) => Promise<ExitCode>,
): Promise<ExitCode> {
  const drivers = driverTable(options, noteTuning('bytom-miner'));
  const tables = createTables();
  // Of all devices it would be the cpu anyway, and looking for the others takes its time.
  const selected = await selectedDevices({ ...options, device: options.device ?? 'cpu' }, drivers);
  const device = await openTested(
    selected[0]?.id ?? 'cpu',
    { batchMs: BATCH_MS, signal },
    { drivers, tables },
  );
  try {
    return await run(device, tables);
  } finally {
    await device.close();
  }
}

function print(output: CommandOutput<object>, json: boolean | undefined): ExitCode {
  printResult(output.text, output.result, json);
  return output.exitCode === 0 ? EXIT.ok : EXIT.fatal;
}
