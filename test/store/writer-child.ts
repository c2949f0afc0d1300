/**
 * A second process for the tests of the store: `node writer-child.ts MODE DIRECTORY`. Says on stdout,
 * a line each, what it has done.
 *
 * `open` opens the database and does no more, `look` does so for reading and closes it, `hold` keeps
 * it until it is killed, with nothing that refers to it and the garbage collected. `fill` writes batch after batch until
 * there is no more room, then once more, and checks that it can still read. `chain` connects the
 * blocks of the plain chain of `sample-chain.ts` until it is killed, flushing every few.
 */
import { writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChainStore } from '../../src/store/chain-store.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { errorText } from '../../src/util/errors.ts';
import { seededRandom } from '../support/random.ts';
import { plainStep, sampleBlock, sampleNetwork, sampleStatusFail } from './sample-chain.ts';

const BATCH_VALUES = 20;
const COUNTER = Uint8Array.of(0);

const [mode, directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('expected a mode and a directory');

try {
  const kv = LmdbKv.open(directory, { readOnly: mode === 'look' });
  if (mode === 'hold') setImmediate(hold);
  else say('open');
  if (mode === 'look') await kv.close();
  else if (mode === 'fill') await fill(kv);
  else if (mode === 'chain') connectForEver(kv);
} catch (error) {
  sayError(error);
}

function hold(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setInterval(() => {}, 1000);
  // Whatever was collected is closed in another turn.
  setTimeout(() => say('open'), 20);
}

async function fill(kv: LmdbKv): Promise<void> {
  let number = 0;
  for (let errors = 0; errors < 2; ) {
    try {
      kv.write(batch(number + 1));
      number++;
    } catch (error) {
      sayError(error);
      errors++;
    }
  }
  say(`wrote ${number}`);
  const counter = kv.get(COUNTER);
  say(`holds ${counter === undefined ? 0 : counter[0]! * 256 + counter[1]!}`);
  await kv.close();
}

/** Some 95 KB, with the batch's number under the key 00. */
function batch(number: number): { key: Uint8Array; value: Uint8Array }[] {
  const values = Array.from({ length: BATCH_VALUES }, (_, i) => ({
    key: Uint8Array.of(1, number >> 8, number, i),
    value: new Uint8Array(i * 500).fill(number),
  }));
  return [{ key: COUNTER, value: Uint8Array.of(number >> 8, number) }, ...values];
}

function connectForEver(kv: LmdbKv): void {
  const store = ChainStore.open(kv, { network: sampleNetwork() });
  const random = seededRandom(process.pid);
  let parent = store.block(store.tip().hash)!;
  for (let height = store.tip().height + 1; ; height++) {
    const block = sampleBlock(parent);
    const { hash } = block;
    store.addBlock(block, { totalWork: 20n, statusFail: sampleStatusFail(block) });
    const { spent, utxos } = plainStep(height);
    store.switchTip({ disconnected: [], connected: [{ hash, height, spent }], utxos });
    parent = block;
    if (random() < 0.3) {
      store.flush();
      say(`flushed ${height}`);
    }
  }
}

function sayError(error: unknown): void {
  say(`error ${error instanceof StoreError ? error.detail.code : 'other'}: ${errorText(error)}`);
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}
