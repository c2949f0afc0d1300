/** What a log does on a real disk: a process that is killed, a disk that is full. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { RecordLog } from '../../../pool/ledger/record-log.ts';
import { seededRandom } from '../../support/random.ts';
import { LogRig, numbered, numbersIn, refusal } from './log-rig.ts';

const CHILD = fileURLToPath(new URL('log-child.ts', import.meta.url));

const rig = new LogRig();
afterAll(() => rig.remove());

/** Runs `log-child.ts` and kills it after some of its lines. What it said it had written. */
async function killedWriter(directory: string, from: number, afterMs: number): Promise<number[]> {
  const child = spawn(process.execPath, [CHILD, directory, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const said: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (said.length === 0) void sleep(afterMs).then(() => child.kill('SIGKILL'));
    said.push(Number(line));
  }
  expect(await exit).toEqual([null, 'SIGKILL']);
  return said;
}

const MOUNT = 'mount -t tmpfs -o size=256k none "$1"';
const UNMOUNT = 'umount "$1"';

/** Runs a command with a directory as its `$1`. Its exit code. */
function shell(command: string, directory: string): number | null {
  return spawnSync('sh', ['-c', command, 'sh', directory]).status;
}

/** Why there can be no small disk here; `undefined` if there can. */
function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'a small disk needs Linux';
  if (process.getuid?.() !== 0) return 'a small disk needs root, to mount it';
  const directory = rig.directory();
  if (shell(MOUNT, directory) !== 0) return 'this machine allows no mounts';
  shell(UNMOUNT, directory);
  return undefined;
}

describe('a log on a disk', () => {
  it('has every number that a process said it had written, whenever that is killed', async () => {
    const directory = rig.directory();
    const random = seededRandom(20);
    const acknowledged: number[] = [];
    let next = 1;
    for (let kill = 0; kill < 10; kill++) {
      acknowledged.push(...(await killedWriter(directory, next, random() * 60)));
      const numbers = await numbersIn(directory);
      expect(numbers, 'in order, and once').toEqual([...new Set(numbers)].sort((a, b) => a - b));
      const have = new Set(numbers);
      expect(acknowledged.filter((each) => !have.has(each))).toEqual([]);
      next = numbers.at(-1)! + 1;
    }
    expect(acknowledged.length).toBeGreaterThan(100);
    const log = await rig.open(directory);
    await log.append(numbered(next));
    await log.close();
    expect((await numbersIn(directory)).at(-1)).toBe(next);
  });

  it('that is full refuses, keeps what it has, and goes on when there is room', async (ctx) => {
    const why = whyNoSmallDisk();
    if (why !== undefined) ctx.skip(why);
    const directory = rig.directory();
    expect(shell(MOUNT, directory)).toBe(0);
    let log: RecordLog | undefined;
    try {
      const ballast = join(directory, 'ballast');
      writeFileSync(ballast, new Uint8Array(64 << 10));
      log = await rig.open(directory, undefined, { segmentBytes: 50_000 });
      const opened = log;
      const kept: number[] = [];
      let refused = 0;
      let number = 0;
      const appendAll = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const burst = Array.from({ length: 20 }, () => {
            const mine = ++number;
            return opened.append(numbered(mine)).then(() => kept.push(mine));
          });
          for (const each of await Promise.allSettled(burst)) {
            if (each.status === 'rejected') refused++;
          }
        }
      };
      await appendAll(250);
      expect(refused).toBeGreaterThan(20);
      expect(log.failing).toContain('ENOSPC');
      expect(await refusal(log.append(new Uint8Array(70_000).fill(1)))).toMatchObject({
        code: 'not-kept',
      });
      expect(await numbersIn(directory)).toEqual(kept);
      rmSync(ballast);
      await appendAll(20);
      expect(log.failing).toBeUndefined();
      await log.close();
      expect(kept.at(-1)).toBe(number);
      expect(await numbersIn(directory)).toEqual(kept);
      const again = await rig.open(directory);
      await again.close();
      expect(await numbersIn(directory)).toEqual(kept);
    } finally {
      await log?.close();
      expect(shell(UNMOUNT, directory)).toBe(0);
    }
  });
});
