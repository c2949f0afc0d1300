/**
 * `npm run bench:gpu`, or `bench-gpu` of an archive: every kernel that one GPU can run, side by side.
 *
 * Each kernel has a device and a process of its own; they are measured in turn, several rounds, so that
 * a drift of the machine's clock hits all alike. Every hash, every search and every new table is
 * compared with known values or with the CPU, and a kernel that was wrong shows no figure.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { dawnVersion } from '../../drivers/webgpu/node/dawn.ts';
import { EXIT, exitCodeOf } from '../../src/cli/exit-codes.ts';
import { errorText, InputError } from '../../src/util/errors.ts';
import { GpuJudge } from './gpu-judge.ts';
import {
  failureText,
  type KernelSurvey,
  type OpenKernel,
  openKernel,
  surveyKernels,
} from './gpu-kernels.ts';
import { checkKernel, measureRound, type Sample } from './gpu-measure.ts';
import { familyOf, figuresText, limitText } from './gpu-report.ts';
import { measureVendor, type VendorResult } from './gpu-vendor.ts';

interface Options {
  readonly device: string;
  readonly rounds: number;
  readonly ms: number;
  /** Only these; all that run if empty. */
  readonly kernels: readonly string[];
  readonly json: string | undefined;
}

interface Run {
  readonly kernel: string;
  readonly samples: Sample[];
  open?: OpenKernel;
  failure?: string;
}

const USAGE =
  '--device gpu0, --rounds 3, --seconds 2, --kernel NAME,NAME (default: all), --json FILE';

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`bench-gpu: ${errorText(error)}\n`);
  process.exitCode = exitCodeOf(error);
}

async function main(options: Options): Promise<number> {
  const survey = await surveyKernels(options.device, options.kernels);
  printHead(survey, options);
  // First, while nothing else has the GPU.
  const vendor = measureVendor({ name: survey.info.name });
  const judge = await GpuJudge.open();
  const runs = survey.usable.map((kernel): Run => ({ kernel, samples: [] }));
  try {
    for (const run of runs) {
      note(`${run.kernel}: opened and checked …`);
      await guarded(run, () => open(run, options.device, judge));
    }
    for (let round = 0; round < options.rounds; round++) {
      for (const run of runs) {
        note(`round ${round + 1} of ${options.rounds}: ${run.kernel} …`);
        await guarded(run, async () => {
          const { ms } = options;
          if (run.open !== undefined) {
            run.samples.push(await measureRound(run.open, { ms, round }, judge));
          }
        });
      }
    }
  } finally {
    note('');
    await Promise.all(runs.map((run) => run.open?.device.close()));
    await judge.close();
  }
  report(runs, survey, vendor);
  if (options.json !== undefined) writeJson(options.json, { options, survey, vendor, runs });
  return runs.some(({ failure }) => failure !== undefined) ? EXIT.hardware : EXIT.ok;
}

/** Runs what a kernel is to do; one that fails is left out from then on, and shows no figure. */
async function guarded(run: Run, work: () => Promise<void>): Promise<void> {
  if (run.failure !== undefined) return;
  try {
    await work();
  } catch (error) {
    run.failure = failureText(error);
    run.samples.length = 0;
    await run.open?.device.close();
  }
}

async function open(run: Run, id: string, judge: GpuJudge): Promise<void> {
  run.open = await openKernel(id, run.kernel);
  await checkKernel(run.open.device, judge);
}

/** Where the run stands, on a terminal; it takes minutes. */
function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function printHead({ info, chosen, unusable }: KernelSurvey, { rounds, ms }: Options): void {
  console.log(`GPU      ${info.name} (${info.id})`);
  // What is remembered of a kernel is not used here.
  const details = info.details?.filter((detail) => !detail.startsWith('kernel ')) ?? [];
  for (const detail of details) console.log(`         ${detail}`);
  console.log(`Host     ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`);
  console.log(`Node     ${process.versions.node}, webgpu ${dawnVersion()}`);
  console.log(
    `Runs     ${rounds} rounds of 2 × ${ms / 1000} s for each kernel, seed of heights up to 256`,
  );
  if (chosen !== undefined) console.log(`chosen   ${chosen}, by the miner's own short test`);
  for (const { kernel, reason } of unusable) console.log(`left out ${kernel}: ${reason}`);
  console.log('');
}

function report(runs: readonly Run[], survey: KernelSurvey, vendor: VendorResult): void {
  console.log(figuresText(runs));
  console.log(limitText(runs, vendor));
  if (survey.info.processor === 'cpu') {
    console.log(
      'note     this GPU is software: it computes in other threads than the one counted above',
    );
  }
  for (const { kernel, failure } of runs) {
    if (failure !== undefined) console.log(`FAILED   ${kernel}: ${failure}`);
  }
}

function writeJson(
  path: string,
  result: {
    readonly options: Options;
    readonly survey: KernelSurvey;
    readonly vendor: VendorResult;
    readonly runs: readonly Run[];
  },
): void {
  const { options, survey, vendor, runs } = result;
  const json = {
    device: survey.info,
    host: { cpu: cpus()[0]?.model, cores: availableParallelism() },
    node: process.versions.node,
    webgpu: dawnVersion(),
    rounds: options.rounds,
    seconds: options.ms / 1000,
    chosen: survey.chosen,
    kernels: runs.map(({ kernel, samples, failure }) => ({
      kernel,
      family: familyOf(kernel),
      failure,
      samples,
    })),
    unusable: survey.unusable,
    vendor,
  };
  writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`);
}

function readOptions(args: string[]): Options {
  const { values } = parse(args);
  return {
    device: values.device,
    rounds: numberOf('--rounds', values.rounds, Number.isInteger),
    ms: 1000 * numberOf('--seconds', values.seconds, Number.isFinite),
    kernels: values.kernel?.split(',') ?? [],
    json: values.json,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        device: { type: 'string', default: 'gpu0' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '2' },
        kernel: { type: 'string' },
        json: { type: 'string' },
      },
    });
  } catch (error) {
    throw new InputError('options', USAGE, errorText(error), { cause: error });
  }
}

function numberOf(field: string, text: string, is: (value: number) => boolean): number {
  const value = Number(text);
  if (!is(value) || value <= 0) throw new InputError(field, 'a number above 0', text);
  return value;
}
