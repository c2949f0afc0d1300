import { afterEach, describe, expect, it } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import { RunReport, type RunReportOptions } from '../../src/cli/run-report.ts';
import type { TipEvent } from '../../src/node/chain-options.ts';
import type { IndexEntry } from '../../src/store/chain-store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { decodeAll, solonetChain } from '../support/solonet-chain.ts';

const blocks = decodeAll(solonetChain()).slice(0, 100);
const NOW = 1_600_000_000;

/** A node whose state a test sets as it likes. */
class TestNode {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog('node');
  readonly peers = {
    syncing: false,
    highest: 0,
    counts: { inbound: 1, outbound: 3, bytesSent: 0, bytesReceived: 0, bans: 0 },
  };
  free = 2 ** 40;
  tip: IndexEntry = entryOf(blocks[0]!);
  readonly report: RunReport;
  #listener: (event: TipEvent) => void = () => {};
  #started: number;

  constructor(options: Partial<RunReportOptions> = {}) {
    const node = this;
    this.#started = this.clock.now();
    this.report = new RunReport(
      { hasPeers: true, isPublic: true, data: '/data', ...options },
      {
        chain: {
          get tip() {
            return node.tip;
          },
          onTip: (listener) => {
            this.#listener = listener;
            return () => {
              this.#listener = () => {};
            };
          },
        },
        peers: this.peers,
        freeBytes: () => Promise.resolve(this.free),
        clock: this.clock,
        now: () => NOW + Math.floor((this.clock.now() - this.#started) / 1000),
        log: this.log,
      },
    );
  }

  /** The tip becomes the block at `height`; its time is `ageSeconds` ago if that is given. */
  connect(height: number, ageSeconds?: number): void {
    const block = blocks[height]!;
    const entry = entryOf(block);
    const timestamp = ageSeconds === undefined ? entry.header.timestamp : NOW - ageSeconds;
    this.tip = { ...entry, header: { ...entry.header, timestamp } };
    const connected = [{ hash: block.hash, height, block: () => block }];
    this.#listener({ tip: this.tip, connected, disconnected: [] });
  }

  alone(isAlone: boolean): void {
    Object.assign(this.peers.counts, isAlone ? { inbound: 0, outbound: 0 } : { outbound: 3 });
  }

  events(): readonly string[] {
    return this.log.entries.map(({ level, event }) => `${level} ${event}`);
  }
}

function entryOf(block: Block): IndexEntry {
  const { header, hash, transactions } = block;
  const statusFail = transactions.map(() => false);
  const transactionCount = transactions.length;
  return { header, hash, totalWork: 1n, statusFail, transactionCount, size: 1 };
}

const nodes: TestNode[] = [];
function createNode(options: Partial<RunReportOptions> = {}): TestNode {
  const node = new TestNode(options);
  nodes.push(node);
  return node;
}
afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.report.close();
    expect(node.clock.sleeping).toBe(0);
  }
});

describe('a new tip', () => {
  it('is one line', () => {
    const node = createNode();
    node.connect(5, 12);
    expect(node.log.entries).toMatchObject([
      {
        level: 'info',
        event: 'tip',
        fields: { height: 5, transactions: blocks[5]!.transactions.length, age: '12 s' },
      },
    ]);
  });

  it('is no line while the node catches up', () => {
    const node = createNode();
    node.peers.syncing = true;
    node.connect(5);
    expect(node.log.entries).toEqual([]);
  });
});

describe('a trouble', () => {
  it('is told when it begins, again while it lasts, and when it is over', async () => {
    const node = createNode({ isPublic: false });
    node.alone(true);
    await node.clock.advance(2 * 60_000);
    expect(node.events()).toEqual([]);
    await node.clock.advance(40 * 60_000);
    expect(node.events()).toEqual(['warn no peers', 'warn no peers']);
    node.alone(false);
    await node.clock.advance(60_000);
    expect(node.events().slice(2)).toEqual(['info no peers: over']);
    node.alone(true);
    await node.clock.advance(60_000);
    expect(node.events()).toHaveLength(3);
  });

  it('is no peers only where there are to be some', async () => {
    const node = createNode({ hasPeers: false, isPublic: false });
    node.alone(true);
    await node.clock.advance(60 * 60_000);
    expect(node.events()).toEqual([]);
  });

  it('is an old tip on a public network, if peers are there and nothing is missing', async () => {
    const node = createNode();
    node.connect(5, 3000);
    await node.clock.advance(11 * 60_000);
    expect(node.events()).toEqual(['info tip', 'warn the best block is old']);
    node.connect(6, -600);
    await node.clock.advance(60_000);
    expect(node.events().slice(2)).toEqual(['info tip', 'info the best block is old: over']);
    const quiet = createNode({ isPublic: false });
    await quiet.clock.advance(60_000);
    const behind = createNode();
    behind.alone(true);
    await behind.clock.advance(60_000);
    expect([...quiet.events(), ...behind.events()]).toEqual([]);
  });

  it('is that blocks do not come, although peers claim to have more', async () => {
    const node = createNode({ isPublic: false });
    node.peers.highest = 7;
    node.connect(5);
    await node.clock.advance(4 * 60_000);
    node.connect(6);
    await node.clock.advance(4 * 60_000);
    expect(node.events()).toEqual(['info tip', 'info tip']);
    await node.clock.advance(2 * 60_000);
    expect(node.log.entries.at(-1)).toMatchObject({
      level: 'warn',
      event: 'blocks do not come',
      fields: { height: 6, highest: 7 },
    });
    node.connect(7);
    await node.clock.advance(30_000);
    expect(node.events().slice(3)).toEqual(['info tip', 'info blocks do not come: over']);
  });

  it('is a disk that is nearly full; one that cannot be asked is none', async () => {
    const node = createNode({ isPublic: false });
    node.free = 300_000_000;
    await node.clock.advance(60_000);
    expect(node.log.entries).toMatchObject([
      { level: 'warn', event: 'little space left', fields: { megabytes: 300, data: '/data' } },
    ]);
  });
});
