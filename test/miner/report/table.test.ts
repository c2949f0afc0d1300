import { describe, expect, it } from 'vitest';
import { createCounts } from '../../../miner/counters.ts';
import { NO_SPEED, type Speeds } from '../../../miner/hashrate.ts';
import {
  type DeviceRow,
  deviceTable,
  formatUptime,
  logDeviceTable,
} from '../../../miner/report/table.ts';
import { RecordingLog } from '../../support/recording-log.ts';

describe('device table', () => {
  const speed = (minute: number): Speeds => ({ ...NO_SPEED, minute });
  const rows: readonly DeviceRow[] = [
    {
      id: 'gpu0',
      name: 'NVIDIA H200',
      speeds: speed(101_200),
      counts: { ...createCounts(), accepted: 1040, rejected: 1 },
      sensors: { powerW: 412.4, temperatureC: 61, fanPercent: 45 },
    },
    {
      id: 'cpu',
      name: 'A processor whose name is as long as they come',
      speeds: speed(60.84),
      counts: { ...createCounts(), accepted: 3, stale: 2, hardwareErrors: 1 },
      sensors: {},
    },
  ];

  it('lines its columns up and shows what is unknown as a dash', () => {
    expect(deviceTable(rows, 86_400_000 + 3_723_000)).toEqual([
      '|ID    |Device                          |   Hashrate|Accept|Reject|Stale|HW|Powr|Temp|Fan|Eff/Watt|',
      '|gpu0  |NVIDIA H200                     |101.20 kH/s|  1040|     1|    0| 0|412W| 61C|45%|  245.39|',
      '|cpu   |A processor whose name is as lo…|   60.8 H/s|     3|     0|    2| 1|   -|   -|  -|       -|',
      '|Total |                                |101.26 kH/s|  1043|     1|    2| 1|   -|   -|  -|       -|',
      '|Uptime|1d 01:02:03                     |           |      |      |     |  |    |    |   |        |',
    ]);
  });

  it('adds the power up where every device knows its own', () => {
    const line = deviceTable([rows[0]!, rows[0]!], 0).at(-2);
    expect(line).toMatch(
      /^\|Total \| +\|202.40 kH\/s\| +2080\| +2\| +0\| +0\|825W\| +-\| +-\| +245.39\|$/,
    );
  });

  it('never takes a missing sensor for zero, nor divides by one that says zero', () => {
    const cold = { ...rows[0]!, sensors: { powerW: 0, temperatureC: 0 } };
    expect(deviceTable([cold], 0)[1]).toMatch(/\| +0W\| +0C\| +-\| +-\|$/);
    expect(deviceTable([], 0).at(-2)).toMatch(/\| +-\| +-\| +-\| +-\|$/);
  });

  it('is one event for each line', () => {
    const log = new RecordingLog();
    logDeviceTable(log, rows, 61_000);
    expect(log.entries.map((entry) => entry.event)).toEqual([
      'devices',
      'device',
      'device',
      'total',
      'uptime',
    ]);
    expect(log.entries.map((entry) => entry.text)).toEqual(deviceTable(rows, 61_000));
    expect(log.entries[1]!.fields).toMatchObject({ id: 'gpu0', hashesPerSecond: 101_200 });
    expect(log.entries[2]!.fields['powerW']).toBeUndefined();
    expect(log.entries[4]!.fields).toEqual({ seconds: 61 });
  });
});

describe('formatUptime', () => {
  it.each([
    [0, '00:00:00'],
    [999, '00:00:00'],
    [3_723_000, '01:02:03'],
    [86_399_000, '23:59:59'],
    [86_400_000, '1d 00:00:00'],
    [40 * 86_400_000 + 60_000, '40d 00:01:00'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatUptime(ms)).toBe(text);
  });
});
