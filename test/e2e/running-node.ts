/** The built `bytom-node` while it runs: where it is reached, and what it answers. */
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { NodeProcess } from './node-process.ts';
import type { StartOptions } from './program-process.ts';

type Fields = Readonly<Record<string, JsonValue>>;

/** A node of solonet on the loopback interface, which looks for others only if `args` name a seed. */
export class RunningNode {
  readonly process: NodeProcess;
  #ready: Promise<Fields> | undefined;

  constructor(data: string, args: readonly string[] = [], options: StartOptions = {}) {
    const finds = args.includes('--seed') ? [] : ['--no-discovery'];
    const here = ['--rpc', '127.0.0.1:0', '--p2p', '127.0.0.1:0', ...finds];
    const common = ['--network', 'solonet', '--data', data, '--threads', '1'];
    this.process = new NodeProcess([...common, ...here, ...args, '--log-format', 'json'], options);
  }

  /** What it says when it is ready. Rejects if it ends before. */
  ready(): Promise<Fields> {
    this.#ready ??= this.process.line(/"event":"ready"/).then((line) => parseExact(line) as Fields);
    return this.#ready;
  }

  /** `host:port` of its peers' port. */
  async p2p(): Promise<string> {
    return (await this.ready())['p2p'] as string;
  }

  async url(): Promise<string> {
    return `http://${(await this.ready())['rpc'] as string}`;
  }

  /** The whole answer of a call. */
  async answer(path: string, body: object = {}): Promise<Fields> {
    const response = await fetch(`${await this.url()}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    return parseExact(await response.text()) as Fields;
  }

  /** The data of a call that succeeds. */
  async call(path: string, body: object = {}): Promise<Fields> {
    const answer = await this.answer(path, body);
    if (answer['status'] !== 'success') throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return (answer['data'] ?? {}) as Fields;
  }

  async height(): Promise<number> {
    return (await this.call('get-block-count'))['block_count'] as number;
  }

  async tip(): Promise<string> {
    return (await this.call('get-block-hash'))['block_hash'] as string;
  }

  /** Resolves when it is as high. The test's own limit ends it. */
  async reaches(height: number): Promise<void> {
    while ((await this.height()) < height) await new Promise((next) => setTimeout(next, 50));
  }
}

/** Resolves when all of them have the same best block. */
export async function agreement(...nodes: readonly RunningNode[]): Promise<string> {
  for (;;) {
    const tips = await Promise.all(nodes.map((node) => node.tip()));
    if (new Set(tips).size === 1) return tips[0]!;
    await new Promise((next) => setTimeout(next, 50));
  }
}
