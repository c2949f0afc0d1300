/** One of the built programs in a process of its own, and what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';

export type ProgramName =
  | 'bytom-bridge'
  | 'bytom-devnet'
  | 'bytom-miner'
  | 'bytom-node'
  | 'bytom-pool'
  | 'gpu-page';

export const PROGRAMS: Readonly<Record<ProgramName, string>> = {
  'bytom-bridge': join(repoRoot, 'dist/src/cli/bridge.js'),
  'bytom-devnet': join(repoRoot, 'dist/src/cli/devnet.js'),
  'bytom-miner': join(repoRoot, 'dist/src/cli/miner.js'),
  'bytom-node': join(repoRoot, 'dist/src/cli/node.js'),
  'bytom-pool': join(repoRoot, 'dist/src/cli/pool.js'),
  'gpu-page': join(repoRoot, 'dist/src/cli/gpu-page.js'),
};

export interface Ended {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Added to an environment that holds nothing of ours; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The Node to run it with; default: the one that runs the tests. */
  readonly node?: string;
  /** Ends whatever hangs, before the test runner does. */
  readonly limitMs?: number;
  /** A command that the program is started by, with its arguments: `sh`, `-c`, `ulimit …; exec "$@"`, … */
  readonly through?: readonly string[];
  /** What it reads from standard input; default: nothing. */
  readonly input?: string | Uint8Array;
  /** Leaves its standard input open behind `input`. */
  readonly keepInput?: boolean;
}

const LIMIT_MS = 100_000;

export class ProgramProcess {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  readonly ended: Promise<Ended>;

  constructor(program: ProgramName, args: readonly string[], options: StartOptions = {}) {
    const node = options.node ?? process.execPath;
    const [command, ...rest] = [...(options.through ?? []), node, PROGRAMS[program], ...args];
    const child = spawn(command!, rest, {
      cwd: repoRoot,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.limitMs ?? LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    this.#child = child;
    // It may end before it has read everything.
    child.stdin?.on('error', () => {});
    if (options.keepInput === true) child.stdin?.write(options.input ?? '');
    else child.stdin?.end(options.input);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      for (const wake of this.#waiting) wake();
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        for (const wake of this.#waiting) wake();
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The first line of the output that fits, now or when it comes. Rejects if the process ends first. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.#lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        const said = `${this.#stdout}${this.#stderr}`;
        throw new Error(`the program ended without a line like ${pattern}; it said:\n${said}`);
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** The last line so far that fits. */
  lastLine(pattern: RegExp): string | undefined {
    return this.#lines.findLast((line) => pattern.test(line));
  }

  /** How many lines so far fit. */
  count(pattern: RegExp): number {
    return this.#lines.filter((line) => pattern.test(line)).length;
  }

  /** Sends SIGINT; what the process came to, and after how many milliseconds. */
  async interrupt(): Promise<Ended & { readonly ms: number }> {
    const start = performance.now();
    this.signal('SIGINT');
    const ended = await this.ended;
    return { ...ended, ms: performance.now() - start };
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Goes away as a reader of its output, as `| head` does. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }
}

/** No driver: what is found then does not depend on the machine that the tests run on. */
const NO_GPU: Readonly<Record<string, string>> = {
  VK_DRIVER_FILES: '/nonexist',
  VK_ICD_FILENAMES: '/nonexist',
};

/** Ours without what would change the program's behaviour or that of a Node it runs on, and without a GPU. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string): boolean =>
    !/^(BYTOM_|NODE_|VITEST|NO_COLOR$|FORCE_COLOR$)/.test(name);
  const ours = Object.entries(process.env).filter(([name]) => isOurs(name));
  return { ...Object.fromEntries(ours), ...NO_GPU };
}

/** The last line of standard output. */
export function lastLine({ stdout }: Ended): string {
  return stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** The object that `--json` prints. */
export function jsonOf(ended: Ended): Readonly<Record<string, unknown>> {
  return JSON.parse(lastLine(ended)) as Readonly<Record<string, unknown>>;
}

/** The program refused: this code, one line on standard error that holds `text`, no stack trace. */
export function expectRefusalOf(
  program: ProgramName,
  ended: Ended,
  code: number,
  text: string,
): void {
  expect(ended.stderr).toContain(text);
  expect(ended.stderr).toMatch(/^[^\n]+\n$/);
  expect(ended.stderr.startsWith(`${program}: `), ended.stderr).toBe(true);
  expect(ended.stderr).not.toMatch(/ {4}at /);
  expect(ended.code, ended.stderr).toBe(code);
}

/** The program did what it was told and had nothing to complain about. */
export function expectSuccess(ended: Ended): void {
  expect(ended.stderr).toBe('');
  expect(ended.code).toBe(0);
}
