/** Options that several of our programs have, and how an option before a command's name is taken. */
import { type Command, Option } from 'commander';
import { MODES } from '../../drivers/gpujs/package.ts';
import { parseOnnxOptions } from '../../drivers/onnx/session-settings.ts';
import type { KernelFamily } from '../../drivers/webgpu/engine/variants.ts';
import { TIER_NAMES, type TierName } from '../tensority/wasm/tiers.ts';
import type { LogLevel } from '../util/log.ts';
import { oneOf, optionError, repeated, wholeNumber } from './option-values.ts';

/** Makes an option that the environment can give too, under the name that stands last. */
export type OptionMaker = (flags: string, description: string, environment: string) => Option;

/** For options whose variables begin so: `BYTOM_MINER` makes `--shares` `BYTOM_MINER_SHARES`. */
export function optionsWith(prefix: string): OptionMaker {
  return (flags, description, environment) =>
    new Option(flags, description).env(`${prefix}_${environment}`);
}

/** What `--gpu-kernel` names begin with, so that the help says what there is. */
const GPU_KERNELS: readonly KernelFamily[] = ['dp4a', 'f32', 'int8-matrix', 'float-matrix'];

/** The settings of the devices. */
export function addDeviceSettings(command: Command, option: OptionMaker): void {
  command
    .addOption(
      option(
        '--threads <n>',
        'threads of the devices cpu, onnx0 and gpujs (default: one for each core)',
        'THREADS',
      ).argParser(wholeNumber('threads', 1, 1024)),
    )
    .addOption(
      option(
        '--kernel <name>',
        `kernel of the cpu device: ${TIER_NAMES.join(', ')} (default: the fastest here)`,
        'KERNEL',
      ).argParser(oneOf<TierName>('kernel', TIER_NAMES)),
    )
    .addOption(
      option(
        '--no-revectorize',
        "no kernels that need V8's experimental 256-bit pass",
        'NO_REVECTORIZE',
      ),
    )
    .addOption(
      option(
        '--gpu-kernel <name>',
        `kernel of the gpu devices, by its name, like dp4a-64; there are ${GPU_KERNELS.join(', ')} ` +
          'ones (default: the fastest, found out at first use)',
        'GPU_KERNEL',
      ),
    )
    .addOption(
      option(
        '--onnx-kernel <name>',
        'kernel of the onnx devices, like fused-4 (default: the fastest, found out at first use)',
        'ONNX_KERNEL',
      ),
    )
    .addOption(
      option(
        '--onnx-option <setting>',
        'setting of ONNX Runtime, for a provider or the session: cuda.deviceId=1, ' +
          'session.enableMemPattern=false; more than once for several, which the environment cannot give',
        'ONNX_OPTION',
      ).argParser(onnxOption),
    )
    .addOption(
      option(
        '--gpujs-kernel <mode>',
        `mode of gpu.js for the device gpujs: ${MODES.join(', ')} (default: the fastest here)`,
        'GPUJS_KERNEL',
      ).argParser(oneOf('gpujs-kernel', MODES)),
    )
    .addOption(
      option('--retune', 'find out anew which kernel of a device is the fastest', 'RETUNE'),
    );
}

function onnxOption(text: string, before: readonly string[] | undefined): readonly string[] {
  parseOnnxOptions([text]);
  return repeated(text, before);
}

export function subcommand(program: Command, name: string): Command {
  return program.command(name).addHelpOption(helpOption());
}

export function helpOption(): Option {
  return new Option('-h, --help', 'print this help');
}

/** Where the log goes, and what it looks like. */
export function addLogOptions(command: Command, option: OptionMaker): void {
  command
    .addOption(
      option('--log-format <form>', 'text, or json: one object a line', 'LOG_FORMAT')
        .argParser(oneOf('log-format', ['text', 'json'] as const))
        .default('text'),
    )
    .addOption(
      option('--log-level <level>', LOG_LEVELS.join(', '), 'LOG_LEVEL')
        .argParser(oneOf('log-level', LOG_LEVELS))
        .default('info'),
    )
    .addOption(option('--log-file <file>', 'append the log to a file as well', 'LOG_FILE'));
}

export function noColorOption(): Option {
  return new Option('--no-color', 'no colors; NO_COLOR in the environment does the same');
}

const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON object as the last line');
}

/**
 * The options of a subcommand, with those that stand before its name: `--threads 1 hash …` means
 * `hash --threads 1 …`. One that it does not know is an error, not silence.
 */
export function ownOptions<T>(command: Command): T {
  for (let parent = command.parent; parent !== null; parent = parent.parent) {
    takeOptions(command, parent);
  }
  return command.opts<object>() as T;
}

function takeOptions(command: Command, parent: Command): void {
  for (const { long, name, key } of parent.options.map(namesOf)) {
    if (parent.getOptionValueSource(key) !== 'cli') continue;
    if (!command.options.some((own) => own.name() === name)) {
      // One of a pair: "--rpc <address>" was not what set it, but "--no-rpc", or the other way round.
      if (!isWhatSet(parent, name, key)) continue;
      throw optionError(`option '${long}' has no meaning for ${command.name()}`);
    }
    if (command.getOptionValueSource(key) === 'cli') continue;
    command.setOptionValueWithSource(key, parent.getOptionValue(key), 'cli');
  }
}

function isWhatSet(parent: Command, name: string, key: string): boolean {
  const pair = parent.options.filter((option) => option.attributeName() === key);
  const isNegated = pair.find((option) => option.name() === name)?.negate === true;
  return pair.length === 1 || isNegated === (parent.getOptionValue(key) === false);
}

function namesOf(given: Option): Record<'long' | 'name' | 'key', string> {
  const name = given.name();
  return { long: given.long ?? name, name, key: given.attributeName() };
}
