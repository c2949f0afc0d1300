/** The built `bytom-pool` while it runs: where it is reached, what it says of itself, what it wrote down. */
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import {
  type Ended,
  expectSuccess,
  lastLine,
  ProgramProcess,
  type StartOptions,
} from './program-process.ts';

type Fields = Readonly<Record<string, JsonValue>>;

/** Shares that one core finds several times a second. */
const EASY = ['--difficulty', '4', '--min-difficulty', '1'];

/** A pool of solonet on the loopback interface. */
export class RunningPool {
  readonly process: ProgramProcess;
  #ready: Promise<Fields> | undefined;

  constructor(data: string, args: readonly string[] = [], options: StartOptions = {}) {
    const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    const common = ['--network', 'solonet', '--data', data, '--http', '127.0.0.1:0'];
    const quick = ['--threads', '1', ...EASY, '--log-format', 'json'];
    this.process = new ProgramProcess(
      'bytom-pool',
      [...common, ...listen, ...quick, ...args],
      options,
    );
  }

  /** What it says when miners may come. Rejects if it ends before. */
  ready(): Promise<Fields> {
    this.#ready ??= this.process
      .line(/"tag":"pool","event":"ready"/)
      .then((line) => parseExact(line) as Fields);
    return this.#ready;
  }

  /** `host:port` where miners connect. */
  async stratum(): Promise<string> {
    return (await this.ready())['stratum'] as string;
  }

  async port(): Promise<number> {
    return Number((await this.stratum()).split(':').at(-1));
  }

  async health(): Promise<{ readonly code: number; readonly body: Fields }> {
    const response = await fetch(`http://${(await this.ready())['http'] as string}/health`);
    return { code: response.status, body: parseExact(await response.text()) as Fields };
  }

  /** Every sample, by its name with its labels as they stand. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const response = await fetch(`http://${(await this.ready())['http'] as string}/metrics`);
    const samples = new Map<string, number>();
    for (const line of (await response.text()).split('\n')) {
      const at = line.lastIndexOf(' ');
      if (at > 0 && !line.startsWith('#')) samples.set(line.slice(0, at), Number(line.slice(at)));
    }
    return samples;
  }

  /** The line of the log, as fields; now or when it comes. */
  async said(pattern: RegExp): Promise<Fields> {
    return parseExact(await this.process.line(pattern)) as Fields;
  }

  /** Waits until it is so. The test's own limit ends it. */
  async until(condition: (health: Fields) => boolean): Promise<void> {
    while (!condition((await this.health()).body)) await pause();
  }
}

/** Runs the program to its end. */
export function runPool(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return new ProgramProcess('bytom-pool', args, options).ended;
}

/** What `bytom-pool shares --json` says of the log in `data`: every record was read and is whole. */
export function sharesOf(data: string): Promise<Fields> {
  return recordsOf('shares', data);
}

export interface ListedBlock {
  readonly height: number;
  readonly hash: string;
  readonly state: string;
  readonly finder: string;
  readonly node: string;
  readonly events: readonly { readonly event: string; readonly detail: string }[];
}

/** The same of `bytom-pool blocks`. */
export async function blocksOf(data: string): Promise<readonly ListedBlock[]> {
  return (await recordsOf('blocks', data))['blocks'] as unknown as readonly ListedBlock[];
}

async function recordsOf(command: string, data: string): Promise<Fields> {
  const ended = await runPool([command, '--network', 'solonet', '--data', data, '--json']);
  expectSuccess(ended);
  return parseExact(lastLine(ended)) as Fields;
}

function pause(): Promise<void> {
  return new Promise((next) => setTimeout(next, 50));
}
