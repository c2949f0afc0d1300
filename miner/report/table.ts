/**
 * The table of devices: one event for each line, so that the JSON form of the log has one object
 * for each device, and the text form a table whose columns line up.
 *
 *     |ID  |Device     |   Hashrate|Accept|Reject|Stale|HW|Powr|Temp|Fan|Eff/Watt|
 *     |gpu0|NVIDIA H200|101.20 kH/s|  1040|     1|    0| 0|412W| 61C|  -|  245.63|
 */
import type { Telemetry } from '../../drivers/driver.ts';
import type { Logger } from '../../src/util/log.ts';
import { addCounts, type ShareCounts } from '../counters.ts';
import { addSpeeds, type Speeds } from '../hashrate.ts';
import { formatHashrate } from './format.ts';

/** What is known of a device's state; what it cannot measure is left out, never 0. */
export type Sensors = Pick<Telemetry, 'powerW' | 'temperatureC' | 'fanPercent'>;

/** A line of the table. */
export interface DeviceRow {
  readonly id: string;
  readonly name: string;
  readonly speeds: Speeds;
  readonly counts: ShareCounts;
  readonly sensors: Sensors;
}

const HEADINGS = [
  'ID',
  'Device',
  'Hashrate',
  'Accept',
  'Reject',
  'Stale',
  'HW',
  'Powr',
  'Temp',
  'Fan',
  'Eff/Watt',
];
/** Columns of text; the others are numbers and stand to the right. */
const TEXT_COLUMNS = 2;
const MAX_NAME = 32;

/** Writes the table, with its total and the uptime. */
export function logDeviceTable(log: Logger, rows: readonly DeviceRow[], uptimeMs: number): void {
  const [headings, ...lines] = deviceTable(rows, uptimeMs);
  log.info('devices', { count: rows.length }, headings);
  for (const [i, row] of rows.entries()) {
    log.info('device', { id: row.id, name: row.name, ...rowFields(row) }, lines[i]);
  }
  log.info('total', rowFields(totalRow(rows)), lines.at(-2));
  log.info('uptime', { seconds: Math.floor(uptimeMs / 1000) }, lines.at(-1));
}

/** The table's lines: headings, one for each device, their total, and the uptime. */
export function deviceTable(rows: readonly DeviceRow[], uptimeMs: number): readonly string[] {
  const uptime = HEADINGS.map((_, column) => ['Uptime', formatUptime(uptimeMs)][column] ?? '');
  const lines = [HEADINGS, ...rows.map(cells), cells(totalRow(rows)), uptime];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines.map((line) => {
    const padded = line.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < TEXT_COLUMNS ? cell.padEnd(width) : cell.padStart(width);
    });
    return `|${padded.join('|')}|`;
  });
}

/** `02:03:04`, or `5d 02:03:04`. */
export function formatUptime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const time = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  const days = Math.floor(seconds / 86_400);
  return days === 0 ? time : `${days}d ${time}`;
}

function cells(row: DeviceRow): string[] {
  const { counts, sensors } = row;
  return [
    row.id,
    row.name.length > MAX_NAME ? `${row.name.slice(0, MAX_NAME - 1)}…` : row.name,
    formatHashrate(row.speeds.minute),
    String(counts.accepted),
    String(counts.rejected),
    String(counts.stale),
    String(counts.hardwareErrors),
    sensor(sensors.powerW, 'W'),
    sensor(sensors.temperatureC, 'C'),
    sensor(sensors.fanPercent, '%'),
    efficiency(row)?.toFixed(2) ?? '-',
  ];
}

function sensor(value: number | undefined, unit: string): string {
  return value === undefined ? '-' : `${Math.round(value)}${unit}`;
}

/** Hashes per second and watt, which is hashes per joule. */
function efficiency(row: DeviceRow): number | undefined {
  const powerW = row.sensors.powerW;
  return powerW === undefined || powerW <= 0 ? undefined : row.speeds.minute / powerW;
}

function rowFields(row: DeviceRow): Readonly<Record<string, string | number | undefined>> {
  return {
    hashesPerSecond: row.speeds.minute,
    accepted: row.counts.accepted,
    rejected: row.counts.rejected,
    stale: row.counts.stale,
    hardwareErrors: row.counts.hardwareErrors,
    powerW: row.sensors.powerW,
    temperatureC: row.sensors.temperatureC,
    fanPercent: row.sensors.fanPercent,
    hashesPerJoule: efficiency(row),
  };
}

/** The sums; the power only if every device knows its own, for a part would flatter the efficiency. */
function totalRow(rows: readonly DeviceRow[]): DeviceRow {
  const powers = rows.map((row) => row.sensors.powerW);
  const powerW = powers.reduce(
    (sum, power) => (sum === undefined || power === undefined ? undefined : sum + power),
    0,
  );
  return {
    id: 'Total',
    name: '',
    speeds: addSpeeds(rows.map((row) => row.speeds)),
    counts: addCounts(rows.map((row) => row.counts)),
    sensors: powerW === undefined || rows.length === 0 ? {} : { powerW },
  };
}
