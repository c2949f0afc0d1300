/** The `bytom-miner` program: reads the command line, runs the command, returns the exit code. */
import type { Command } from 'commander';
import { listDevices, openTested } from '../../drivers/open.ts';
import { stringifyExact } from '../util/json.ts';
import { type BenchmarkResult, benchmarkText, runBenchmark } from './benchmark-command.ts';
import { withConfigFile } from './config-file.ts';
import { BATCH_MS, createTables, deviceListText, driverTable, selectedDevices } from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { exportOnnxCommand } from './export-onnx-command.ts';
import { mineCommand } from './mine-command.ts';
import { createMinerProgram, type MineOptions } from './miner-options.ts';
import { printResult } from './output.ts';
import { hashCommand, verifyCommand } from './pow-commands.ts';
import { runProgram } from './program.ts';
import { createProgressBar } from './progress.ts';
import { noteTuning } from './tuning-report.ts';

/** Runs the program with the arguments behind its name. Never rejects. */
export function runMinerCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'bytom-miner', stopLimitMs: 1950, readerGone: 'exit' },
    args,
    ({ signal, end }) =>
      createMinerProgram({
        mine: async (options, command) => end(await mineOrElse(options, command, signal)),
        hash: async (options) => end(await hashCommand(options, signal)),
        verify: async (options) => end(await verifyCommand(options, signal)),
        exportOnnx: async (options) => end(await exportOnnxCommand(options)),
      }),
  );
}

/** The program without a subcommand: list, benchmark, or mine. */
async function mineOrElse(
  given: MineOptions,
  command: Command,
  signal: AbortSignal,
): Promise<ExitCode> {
  const options = withConfigFile(given, command);
  if (options.listDevices !== undefined) return listCommand(options);
  if (options.benchmark !== undefined) return benchmarkCommand(options, options.benchmark, signal);
  return mineCommand(options, signal);
}

async function listCommand(options: MineOptions): Promise<ExitCode> {
  const list = await listDevices(driverTable(options));
  const json = options.listDevices === 'json' || options.json === true;
  process.stdout.write(`${json ? stringifyExact(list) : deviceListText(list)}\n`);
  return EXIT.ok;
}

/** Benchmarks the selected devices, one after the other. */
async function benchmarkCommand(
  options: MineOptions,
  hashes: number | true,
  signal: AbortSignal,
): Promise<ExitCode> {
  const drivers = driverTable(options, noteTuning('bytom-miner'));
  const tables = createTables();
  const selected = await selectedDevices(options, drivers);
  const results: BenchmarkResult[] = [];
  for (const { id } of selected) {
    const device = await openTested(id, { batchMs: BATCH_MS, signal }, { drivers, tables });
    const bar = createProgressBar(process.stderr, () => performance.now());
    try {
      const result = await runBenchmark(
        device,
        hashes === true
          ? options.timeLimit === undefined
            ? {}
            : { durationMs: options.timeLimit }
          : { hashes },
        {
          tables,
          now: () => performance.now(),
          onProgress: (fraction, speed) => bar.update(fraction, `${id} ${speed.toFixed(1)} H/s`),
          signal,
        },
      );
      bar.clear();
      results.push(result);
      process.stdout.write(`${benchmarkText(result)}\n`);
    } finally {
      bar.clear();
      await device.close();
    }
  }
  const only = results.length === 1 ? results[0] : undefined;
  printResult('', only ?? { devices: results }, options.json);
  return EXIT.ok;
}
