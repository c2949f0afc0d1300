import { describe, expect, it } from 'vitest';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import type { DeviceList, ListedDevice } from '../../drivers/open.ts';
import { deviceListText, driverTable } from '../../src/cli/devices.ts';
import { logTuning, noteTuning } from '../../src/cli/tuning-report.ts';
import { RecordingLog } from '../support/recording-log.ts';

const cpu: ListedDevice = {
  id: 'cpu',
  name: 'Some CPU, 8 threads',
  tableSlots: 1,
  rollsNonce: false,
  processor: 'cpu',
  driver: 'cpu',
};
const gpu: ListedDevice = {
  id: 'gpu10',
  name: 'X 3090',
  tableSlots: 1,
  rollsNonce: true,
  processor: 'pci:0000:41:00.0',
  pciBus: '0000:41:00.0',
  details: ['vulkan, X: 550.54', 'kernel chosen at first use'],
  driver: 'webgpu',
};

describe('the list for people', () => {
  const text = (list: DeviceList): string[] => deviceListText(list).split('\n');

  it('has a line for each device and below it what else is known', () => {
    expect(text({ devices: [cpu, gpu], unavailable: [] })).toEqual([
      'cpu    Some CPU, 8 threads, driver cpu',
      'gpu10  X 3090, driver webgpu, PCI 0000:41:00.0',
      '       vulkan, X: 550.54',
      '       kernel chosen at first use',
    ]);
  });

  it('ends with what is missing: a whole runtime, or a part of one', () => {
    const unavailable = [{ driver: 'webgpu', reason: 'no Vulkan driver is installed' }] as const;
    expect(text({ devices: [cpu], unavailable })).toEqual([
      'cpu  Some CPU, 8 threads, driver cpu',
      'webgpu: not available, no Vulkan driver is installed',
    ]);
    const partly = [{ driver: 'webgpu', reason: 'a device is left out' }] as const;
    expect(text({ devices: [gpu], unavailable: partly }).at(-1)).toBe(
      'webgpu: a device is left out',
    );
  });
});

describe('the table of drivers', () => {
  it('makes each driver once, so that what it found is not looked for again', async () => {
    const { cpu: load, webgpu } = driverTable({ revectorize: false, threads: 3 });
    expect(await load!()).toBe(await load!());
    expect(await webgpu!()).toBe(await webgpu!());
    expect((await (await load!()).enumerate()).devices[0]?.threads).toBe(3);
  });
});

describe('tuning', () => {
  const events: readonly TuningEvent[] = [
    { kind: 'begun', id: 'gpu0', name: 'X 3090' },
    {
      kind: 'report',
      id: 'gpu0',
      report: { kernel: 'f32-16', outcome: 'wrong', reason: 'expected 00, got 01' },
    },
    {
      kind: 'report',
      id: 'gpu0',
      report: { kernel: 'b', outcome: 'timed', msPerHash: 0.12345678 },
    },
    { kind: 'crashed', id: 'gpu0', kernel: 'c', reason: 'SIGSEGV' },
    { kind: 'chosen', id: 'gpu0', kernel: 'b', msPerHash: 0.125 },
    { kind: 'not-remembered', id: 'gpu0', reason: 'EROFS' },
  ];

  it('is logged under the device: what was chosen as news, how as detail', () => {
    const log = new RecordingLog();
    events.forEach(logTuning(log));
    expect(log.entries.map(({ tag, level, event, fields }) => [tag, level, event, fields])).toEqual(
      [
        ['gpu0', 'info', 'tuning', { name: 'X 3090' }],
        [
          'gpu0',
          'debug',
          'kernel',
          {
            kernel: 'f32-16',
            outcome: 'wrong',
            msPerHash: undefined,
            reason: 'expected 00, got 01',
          },
        ],
        [
          'gpu0',
          'debug',
          'kernel',
          { kernel: 'b', outcome: 'timed', msPerHash: 0.1235, reason: undefined },
        ],
        ['gpu0', 'warn', 'kernel crashed', { kernel: 'c', reason: 'SIGSEGV' }],
        ['gpu0', 'info', 'kernel chosen', { kernel: 'b', hashesPerSecond: 8000 }],
        ['gpu0', 'debug', 'kernel not remembered', { reason: 'EROFS' }],
      ],
    );
  });

  it('is noted where there is no log: that it takes a while, and what went wrong', () => {
    const written: string[] = [];
    events.forEach(noteTuning('bytom-miner', { write: (text) => written.push(text) }));
    expect(written).toEqual([
      'bytom-miner: gpu0: tuning for X 3090, which takes some seconds, this time only …\n',
      'bytom-miner: gpu0: kernel c crashed, SIGSEGV\n',
    ]);
  });
});
