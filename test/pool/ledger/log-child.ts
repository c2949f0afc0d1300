/**
 * A second process for the tests of the logs: `node log-child.ts DIRECTORY FROM`. Appends numbered
 * payloads until it is killed, in bursts, and says each number on stdout when it is acknowledged.
 */
import { writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RecordLog } from '../../../pool/ledger/record-log.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { createSilentLogger } from '../../../src/util/log.ts';
import { numbered } from './log-rig.ts';

const [directory, from] = process.argv.slice(2);
if (directory === undefined) throw new Error('expected a directory and a number');

const log = await RecordLog.open(
  { directory, kind: 'numbers', network: 'solonet', segmentBytes: 20_000 },
  { log: createSilentLogger(), meter: createSilentMeter() },
);
for (let number = Number(from); ; ) {
  const burst: Promise<void>[] = [];
  for (let i = 0; i < 1 + (number % 5); i++) {
    const mine = number++;
    burst.push(log.append(numbered(mine)).then(() => void writeSync(1, `${mine}\n`)));
  }
  if (number % 3 === 0) await Promise.all(burst);
  else await nextTurn();
}
