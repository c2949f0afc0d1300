/** The `bytom-miner` program: reads the command line, runs the command, returns the exit code. */
import { type Command, CommanderError } from 'commander';
import { listDevices, openTested } from '../../drivers/open.ts';
import { errorText } from '../util/errors.ts';
import { stringifyExact } from '../util/json.ts';
import { type BenchmarkResult, benchmarkText, runBenchmark } from './benchmark-command.ts';
import { applyConfigFile } from './config-file.ts';
import { BATCH_MS, createTables, deviceListText, driverTable, selectedDevices } from './devices.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { mineCommand } from './mine-command.ts';
import { createMinerProgram, type MineOptions } from './miner-options.ts';
import { printError, printResult } from './output.ts';
import { hashCommand, verifyCommand } from './pow-commands.ts';
import { createProgressBar } from './progress.ts';

/** A stop takes no longer than this, whatever hangs. */
const STOP_LIMIT_MS = 1950;

/** Runs the program with the arguments behind its name. Never rejects. */
export async function runMinerCli(args: readonly string[]): Promise<ExitCode> {
  const signal = catchSignals();
  watchOutput();
  let code: ExitCode = EXIT.ok;
  const program = createMinerProgram({
    mine: async (options, command) => {
      code = await mineOrElse(options, command, signal);
    },
    hash: async (options) => {
      code = await hashCommand(options, signal);
    },
    verify: async (options) => {
      code = await verifyCommand(options, signal);
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    const failed = signal.aborted ? EXIT.interrupted : exitCodeOf(error);
    if (failed !== EXIT.ok && failed !== EXIT.interrupted) {
      printError('bytom-miner', usageText(error, program) ?? errorText(error));
    }
    return failed;
  }
}

/** The program without a subcommand: list, benchmark, or mine. */
async function mineOrElse(
  given: MineOptions,
  command: Command,
  signal: AbortSignal,
): Promise<ExitCode> {
  if (given.config !== undefined) applyConfigFile(command, given.config);
  const options = given.config === undefined ? given : command.opts<MineOptions>();
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
  const drivers = driverTable(options);
  const tables = createTables();
  const { selected } = await selectedDevices(options, drivers);
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

/** What commander calls too many arguments is, for most people, a command that does not exist. */
function usageText(error: unknown, program: Command): string | undefined {
  if (!(error instanceof CommanderError) || error.code !== 'commander.excessArguments') return;
  const names = program.commands.map((command) => command.name());
  const unknown = program.args.find((argument) => !names.includes(argument));
  if (unknown === undefined || names.includes(program.args[0] ?? '')) return;
  return `unknown command '${unknown}' (there are: ${names.join(', ')}, help)`;
}

/**
 * The first SIGINT or SIGTERM asks for a graceful stop, which has its time; a second one ends the
 * process at once.
 */
function catchSignals(): AbortSignal {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
    // Unreferenced: it must not keep a process that has come to its end.
    setTimeout(() => process.exit(EXIT.interrupted), STOP_LIMIT_MS).unref();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return interrupt.signal;
}

/**
 * Whoever reads our output may go away (`| head`): that is no error, and no reason to go on. Output
 * that cannot be written (a full disk) is said once; mining goes on, but the end is no success.
 */
function watchOutput(): void {
  let hasFailed = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.ok);
      if (hasFailed) return;
      hasFailed = true;
      printError('bytom-miner', `output: ${error.message}; going on without it`);
      process.once('exit', (code) => {
        if (code === EXIT.ok) process.exitCode = EXIT.fatal;
      });
    });
  }
}
