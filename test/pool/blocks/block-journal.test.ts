import { describe, expect, it } from 'vitest';
import { BlockJournal } from '../../../pool/blocks/block-journal.ts';
import type { BlockEvent, BlockSink } from '../../../pool/ledger/records.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';

const HASH = new Uint8Array(32).fill(0xab);
const FOUND: BlockEvent = {
  event: 'found',
  hash: HASH,
  timeMs: 1,
  height: 7,
  header: new Uint8Array(150).fill(0xcd),
  rawBlock: new Uint8Array(5000),
  node: 'a',
  account: 'alice',
  worker: 'rig1',
};
const ACCEPTED: BlockEvent = { event: 'accepted', hash: HASH, timeMs: 2, detail: 'a' };
const HEADER = 'cd'.repeat(150);
const TOLD = {
  level: 'error',
  event: 'block not written down',
  fields: {
    height: 7,
    hash: 'ab'.repeat(32),
    node: 'a',
    account: 'alice',
    worker: 'rig1',
    rawBlockBytes: 5000,
    header: HEADER,
  },
};

function journalOf(append: BlockSink['append']): {
  readonly journal: BlockJournal;
  readonly clock: FakeClock;
  readonly told: () => readonly unknown[];
} {
  const clock = new FakeClock();
  const log = new RecordingLog('pool');
  const journal = new BlockJournal({ sink: { append }, clock, log });
  const told = (): readonly unknown[] =>
    log.entries.filter(({ event }) => event === 'block not written down');
  return { journal, clock, told };
}

describe('a journal of blocks that ends', () => {
  it('logs a block that it could not write, so that a person can hand it in', async () => {
    const { journal, clock, told } = journalOf(() => Promise.reject(new Error('disk full')));
    void journal.append(FOUND);
    void journal.append(ACCEPTED);
    await clock.advance(60_000);
    expect([journal.pending, told()]).toEqual([1, []]);
    await journal.close();
    expect(told()).toMatchObject([TOLD]);
    await journal.close();
    await journal.append({ ...FOUND, height: 8 });
    expect(told(), 'each once').toMatchObject([TOLD, { fields: { height: 8 } }]);
    expect(clock.sleeping).toBe(0);
  });

  it('waits no longer than 4 s for a disk that does not answer', async () => {
    const gate = createDeferred<void>();
    const { journal, clock, told } = journalOf(() => gate.promise);
    void journal.append(FOUND);
    let isClosed = false;
    const closed = journal.close().then(() => {
      isClosed = true;
    });
    await clock.advance(3999);
    expect([isClosed, told()]).toEqual([false, []]);
    await clock.advance(1);
    await closed;
    expect(told()).toMatchObject([TOLD]);
    gate.resolve();
    await settle();
    expect([journal.pending, told().length]).toEqual([0, 1]);
  });

  it('says nothing of what it has written', async () => {
    const written: string[] = [];
    let isFull = true;
    const { journal, clock, told } = journalOf(async ({ event }) => {
      if (isFull) throw new Error('disk full');
      written.push(event);
    });
    void journal.append(FOUND);
    void journal.append(ACCEPTED);
    await clock.advance(1000);
    isFull = false;
    await journal.close();
    expect([written, told()]).toEqual([['found', 'accepted'], []]);
  });
});
