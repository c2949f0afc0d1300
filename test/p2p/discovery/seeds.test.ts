import { describe, expect, it } from 'vitest';
import { type SeedOptions, Seeds } from '../../../src/p2p/discovery/seeds.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { RecordingLog } from '../../support/recording-log.ts';

const OPTIONS: SeedOptions = {
  dnsSeeds: ['seed.example'],
  defaultPort: 46_657,
  fixedSeeds: [
    { host: '30.0.0.1', port: 46_657 },
    { host: '30.0.0.2', port: 46_657 },
  ],
  configured: [],
};

class Rig {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly asked: string[] = [];
  readonly seeds: Seeds;
  /** What names resolve to. */
  names: Record<string, readonly string[]> = {};
  resolve: (name: string) => Promise<readonly string[]> = async (name) => {
    const found = this.names[name];
    if (found === undefined) throw new Error(`no such name: ${name}`);
    return found;
  };

  constructor(options: Partial<SeedOptions> = {}) {
    this.seeds = new Seeds(
      { ...OPTIONS, ...options },
      {
        clock: this.clock,
        random: seededRandom(1),
        log: this.log,
        resolve: (name) => {
          this.asked.push(name);
          return this.resolve(name);
        },
      },
    );
  }

  async hosts(signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.seeds.endpoints(signal)).map(({ host, port }) => `${host}:${port}`);
  }
}

describe('seeds', () => {
  it('are the addresses of names, on the default port', async () => {
    const rig = new Rig();
    rig.names = { 'seed.example': ['40.0.0.1', '40.0.0.2'] };
    expect([...(await rig.hosts())].sort()).toEqual(['40.0.0.1:46657', '40.0.0.2:46657']);
    expect(rig.seeds.candidates(1).length).toBe(1);
  });

  it('are the fixed addresses where no name answers', async () => {
    const rig = new Rig();
    expect([...(await rig.hosts())].sort()).toEqual(['30.0.0.1:46657', '30.0.0.2:46657']);
    const empty = new Rig({ dnsSeeds: [] });
    expect((await empty.hosts()).length).toBe(2);
  });

  it('begin with the configured ones, names or not, each once', async () => {
    const rig = new Rig({
      configured: [
        { host: '50.0.0.1', port: 1234 },
        { host: 'mine.example', port: 4321 },
        { host: '30.0.0.1', port: 46_657 },
      ],
    });
    rig.names = { 'mine.example': ['50.0.0.2'] };
    const hosts = await rig.hosts();
    expect(hosts).toEqual(['50.0.0.1:1234', '50.0.0.2:4321', '30.0.0.1:46657', '30.0.0.2:46657']);
  });

  it('can be dialled before any name was asked, as far as they are known', () => {
    const rig = new Rig({ configured: [{ host: 'mine.example', port: 1 }] });
    expect(rig.seeds.candidates(9).map(({ host }) => host)).toEqual(['30.0.0.1', '30.0.0.2']);
    expect(rig.seeds.candidates(0)).toEqual([]);
    expect(rig.asked).toEqual([]);
  });

  it('leave out what no node can have, and more than 32 of a name', async () => {
    const rig = new Rig();
    const many = Array.from({ length: 500 }, (_, i) => `40.0.${i >> 8}.${i & 0xff}`);
    rig.names = {
      'seed.example': ['0.0.0.0', '224.0.0.1', 'nonsense', '255.255.255.255', ...many],
    };
    const hosts = await rig.hosts();
    expect(hosts.length).toBe(32);
    expect(hosts.every((host) => host.startsWith('40.0.0.'))).toBe(true);
  });

  it('are asked for again after half an hour; a name that fails keeps its last answer', async () => {
    const rig = new Rig();
    rig.names = { 'seed.example': ['40.0.0.1'] };
    await rig.hosts();
    await rig.clock.advance(29 * 60_000);
    await rig.hosts();
    expect(rig.asked.length).toBe(1);
    rig.names = {};
    await rig.clock.advance(2 * 60_000);
    expect(await rig.hosts()).toEqual(['40.0.0.1:46657']);
    expect(rig.asked.length).toBe(2);
    await rig.hosts();
    expect(rig.asked.length).toBe(2);
    await rig.clock.advance(60_000);
    rig.names = { 'seed.example': ['40.0.0.2'] };
    expect(await rig.hosts()).toEqual(['40.0.0.2:46657']);
  });

  it('wait ten seconds for a name, and not at all once aborted', async () => {
    const rig = new Rig();
    rig.resolve = () => new Promise(() => {});
    const slow = rig.hosts();
    await rig.clock.advance(10_000);
    expect((await slow).length).toBe(2);
    expect(rig.log.of('seed name not resolved').length).toBe(1);

    await rig.clock.advance(60_000);
    const late = createDeferred<readonly string[]>();
    rig.resolve = () => late.promise;
    const abort = new AbortController();
    const aborted = rig.hosts(abort.signal);
    abort.abort(new Error('closing'));
    expect((await aborted).length).toBe(2);
    late.reject(new Error('too late'));
    await rig.clock.advance(0);
    expect(rig.clock.sleeping).toBe(0);
  });
});
