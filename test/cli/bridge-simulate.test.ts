import { describe, expect, it } from 'vitest';
import { EmulatorError, type MachineChoice } from '../../firmware-bridge/sim/emulator.ts';
import { startFirst } from '../../src/cli/bridge-simulate.ts';
import type { RunningBoard } from '../../src/cli/bridge-simulated.ts';

const RUNNING: RunningBoard = { ended: new Promise(() => {}), stop: async () => {} };
const ALL = async (): Promise<readonly MachineChoice[]> => [
  { machine: 'native' },
  { machine: 'virt' },
];

describe('the board that is simulated', () => {
  it('is the one that was asked for, or none', async () => {
    const broken = new EmulatorError({ code: 'build', machine: 'virt', reason: 'x' });
    const start = async (): Promise<RunningBoard> => {
      throw broken;
    };
    await expect(startFirst('virt', start, ALL)).rejects.toBe(broken);
  });

  it('is the next one where one lacks a program, or does not build', async () => {
    const tried: string[] = [];
    const started = await startFirst(
      undefined,
      async (board) => {
        tried.push(board);
        if (board === 'native') {
          throw new EmulatorError({ code: 'build', machine: 'native', reason: 'exit code 2' });
        }
        return RUNNING;
      },
      async () => [{ machine: 'virt', missing: 'qemu' }, { machine: 'native' }],
    );
    expect(tried).toEqual(['native', 'simulated']);
    expect(started).toEqual({
      board: 'simulated',
      missing: [
        'virt, which needs qemu',
        'native: the firmware of native does not build: exit code 2',
      ],
      running: RUNNING,
    });
  });

  it('is none after an interrupt', async () => {
    const interrupted = new Error('interrupted');
    const tried: string[] = [];
    const start = async (board: string): Promise<RunningBoard> => {
      tried.push(board);
      throw interrupted;
    };
    await expect(startFirst(undefined, start, ALL)).rejects.toBe(interrupted);
    expect(tried).toEqual(['virt']);
  });
});
