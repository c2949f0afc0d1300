import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EmulatorError, machines, startMachine } from '../../firmware-bridge/sim/emulator.ts';
import { needMachine } from '../support/emulated-board.ts';

/** Where nothing is made: each of these fails before that. */
const directory = join(tmpdir(), 'boards-that-are-never-made');

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('emulated machines', () => {
  it('names the programs that are missing', async () => {
    vi.stubEnv('PATH', directory);
    expect(await machines()).toEqual([
      { machine: 'native', missing: 'cc, make' },
      { machine: 'virt', missing: 'qemu-system-riscv64, riscv64-unknown-elf-gcc, make' },
      { machine: 'mps2-an385', missing: 'qemu-system-arm, arm-none-eabi-gcc, make' },
      { machine: 'mps2-an505', missing: 'qemu-system-arm, arm-none-eabi-gcc, make' },
    ]);
    const error: unknown = await startMachine('native', { directory }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(EmulatorError);
    expect(`${error}`).toContain('the machine native needs cc, make, which this system lacks');
  });

  it('does not start with a UID that is none', async () => {
    const start = startMachine('native', { directory, uid: '12' });
    await expect(start).rejects.toThrow('"uid" expected 24 hex digits, got "12"');
  });

  it('does not start at a path that is none of a socket', async (ctx) => {
    needMachine(ctx, 'native');
    const socket = join(directory, 'x'.repeat(200));
    const start = startMachine('native', { directory, socket });
    await expect(start).rejects.toMatchObject({ detail: { code: 'start', machine: 'native' } });
    await expect(start).rejects.toThrow('at most');
  });

  it('does not start when it is aborted before', async () => {
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(startMachine('native', { directory, signal })).rejects.toThrow('never mind');
  });
});
