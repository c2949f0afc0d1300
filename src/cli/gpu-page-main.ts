/**
 * The program behind `npm run page:gpu`: serves the page that tries a visitor's GPU, or writes it as a
 * folder for any web host.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { errorText, InputError } from '../util/errors.ts';
import { helpOption } from './common-options.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { styleHelp } from './help-style.ts';
import { hostPortText, parseListenAddress } from './host-port.ts';
import { wholeNumber } from './option-values.ts';
import { type PageFile, pageFiles } from './page-files.ts';
import { runProgram } from './program.ts';
import { serveFiles } from './static-server.ts';
import { VERSION } from './version.ts';

interface GpuPageOptions {
  /** An IP address of this machine. */
  readonly host: string;
  readonly port: number;
  readonly out?: string;
}

type Files = ReadonlyMap<string, PageFile>;

/** Runs the program with the arguments behind its name. Never rejects. */
export function runGpuPageCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'gpu-page', stopLimitMs: 1950, readerGone: 'stop' },
    args,
    ({ signal, end }) => {
      const program = new Command('gpu-page')
        .description(
          "Serves a page that computes Bytom's proof of work on the GPU of whoever opens it, checks every " +
            'hash and measures the speed. It mines nothing.',
        )
        .addOption(
          new Option('--host <ip>', 'address of this machine to listen at')
            .argParser(listenHost)
            .default('127.0.0.1'),
        )
        .addOption(
          new Option('--port <n>', 'port to listen at; 0: any that is free')
            .argParser(wholeNumber('port', 0, 65_535))
            .default(8338),
        )
        .addOption(
          new Option('--out <folder>', 'write the page as a folder for a web host instead'),
        )
        .version(VERSION, '--version', 'print the version')
        .addHelpOption(helpOption())
        .allowExcessArguments(false)
        .exitOverride()
        .action(async (options: GpuPageOptions) => end(await run(options, signal)));
      styleHelp(program);
      return program;
    },
  );
}

async function run(options: GpuPageOptions, signal: AbortSignal): Promise<ExitCode> {
  const files = builtPage();
  if (options.out !== undefined) {
    writeFolder(files, options.out);
    process.stdout.write(`${files.size} files in ${options.out}, for any web host with HTTPS\n`);
    return EXIT.ok;
  }
  return serve(files, options, signal);
}

/** The page as the build left it, wherever this file was compiled to. */
function builtPage(): Files {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  try {
    return pageFiles({
      dist: join(root, 'dist'),
      noble: dirname(fileURLToPath(import.meta.resolve('@noble/hashes/sha3.js'))),
      license: join(root, 'LICENSE'),
      version: VERSION,
    });
  } catch (error) {
    throw new Error(`the page is not built: run "npm run build" (${errorText(error)})`, {
      cause: error,
    });
  }
}

async function serve(
  files: Files,
  { host, port }: GpuPageOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const server = await serveFiles(files, { host, port }).catch((error: unknown) => {
    throw new InputError('host and port', 'an address to listen at', errorText(error), {
      cause: error,
    });
  });
  process.stdout.write(`http://${hostPortText({ host, port: server.port })}/\n`);
  if (!isLoopback(host)) {
    process.stdout.write(
      'Browsers on other machines offer no GPU to a page over plain HTTP: put it behind HTTPS.\n',
    );
  }
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.close();
  return EXIT.ok;
}

/** Into a new or empty folder, or over an earlier page. */
function writeFolder(files: Files, folder: string): void {
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0 && !isEarlierPage(folder)) {
      throw new InputError('out', 'a new or empty folder, or an earlier page', folder);
    }
    for (const [path, { content }] of files) {
      const place = join(folder, path);
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, content);
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError('out', 'a folder to write to', errorText(error), { cause: error });
  }
}

function isEarlierPage(folder: string): boolean {
  return ['index.html', 'build.json', 'shaders'].every((name) => existsSync(join(folder, name)));
}

function listenHost(text: string): string {
  const { host } = parseListenAddress(isIPv6(text) ? `[${text}]` : text, 'host', 0);
  return host;
}

function isLoopback(host: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}
