/** The devices a command runs on: the drivers with the user's settings, the selection, the list. */
import { join } from 'node:path';
import { createCpuDriver } from '../../drivers/cpu.ts';
import type { Driver } from '../../drivers/driver.ts';
import type { TuningEvent } from '../../drivers/kernel-choice.ts';
import { type DeviceList, DRIVERS, type DriverTable, listSelected } from '../../drivers/open.ts';
import type { TuningOptions } from '../../drivers/process/process-driver.ts';
import type { Seed } from '../tensority/hasher.ts';
import type { MatrixTable, TableProvider } from '../tensority/table.ts';
import { buildMatrixTable } from '../tensority/table-builder.ts';
import { TableCache } from '../tensority/table-cache.ts';
import type { TierName } from '../tensority/wasm/tiers.ts';
import { defaultCacheDirectory } from './data-directory.ts';
import { collectGarbage } from './garbage.ts';

/** Options that every command with devices takes. */
export interface DeviceOptions {
  readonly device?: string;
  readonly threads?: number;
  readonly kernel?: TierName;
  /** False after `--no-revectorize`. */
  readonly revectorize: boolean;
  readonly gpuKernel?: string;
  readonly onnxKernel?: string;
  readonly onnxOption?: readonly string[];
  readonly gpujsKernel?: string;
  readonly retune?: boolean;
}

/** The drivers with the user's settings, each made once. `onTuning` hears how devices get their kernels. */
export function driverTable(
  options: DeviceOptions,
  onTuning: (event: TuningEvent) => void = () => {},
): DriverTable {
  const {
    threads,
    kernel: tier,
    revectorize,
    gpuKernel,
    onnxKernel,
    onnxOption,
    gpujsKernel,
  } = options;
  const tuningOf = (kernel: string | undefined, file: string): TuningOptions => ({
    choicesPath: join(defaultCacheDirectory(), file),
    onTuning,
    ...(kernel === undefined ? {} : { kernel }),
    ...(options.retune === undefined ? {} : { retune: options.retune }),
  });
  return {
    ...DRIVERS,
    cpu: once(async () =>
      createCpuDriver({
        revectorize,
        ...(threads === undefined ? {} : { threads }),
        ...(tier === undefined ? {} : { tier }),
      }),
    ),
    webgpu: once(async () => {
      const { createWebGpuDriver } = await import('../../drivers/webgpu/node/driver.ts');
      return createWebGpuDriver(tuningOf(gpuKernel, 'gpu-kernels.json'));
    }),
    onnx: once(async () => {
      const { createOnnxDriver } = await import('../../drivers/onnx/driver.ts');
      return createOnnxDriver({
        ...tuningOf(onnxKernel, 'onnx-kernels.json'),
        ...(threads === undefined ? {} : { threads }),
        ...(onnxOption === undefined ? {} : { options: onnxOption }),
      });
    }),
    gpujs: once(async () => {
      const { createGpuJsDriver } = await import('../../drivers/gpujs/driver.ts');
      return createGpuJsDriver({
        ...tuningOf(gpujsKernel, 'gpujs-kernels.json'),
        ...(threads === undefined ? {} : { threads }),
      });
    }),
    // It remembers its boards, so that one that comes back under another name is known.
    serial: once(async () => {
      const { createSerialDriver } = await import('../../drivers/serial/driver.ts');
      // Of the one seed that boards are checked by: it would take the place of those that are mined.
      return createSerialDriver({}, { tables: createTables() });
    }),
  };
}

function once(load: () => Promise<Driver>): () => Promise<Driver> {
  let loaded: Promise<Driver> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}

/** The devices that the user selected. Rejects `not-found` with what there is. */
export function selectedDevices(
  options: DeviceOptions,
  drivers: DriverTable,
): Promise<DeviceList['devices']> {
  return listSelected(options.device ?? 'all', drivers);
}

/** Longest batch of a device: bounds how late an abort takes effect. A CPU batch is a few hashes. */
export const BATCH_MS = 250;

/** How long a table is kept after its last use. */
const TABLE_IDLE_MS = 5000;

/**
 * The matrix tables of this process. A table is 16 MiB, and every device keeps a copy of what it
 * works with, so it is forgotten some seconds after it was used; building it again takes 30 ms.
 */
export function createTables(capacity = 1): TableProvider {
  const build = (seed: Seed): MatrixTable | Promise<MatrixTable> => {
    // Before another one: those dropped so far. A chain's import goes through one every few seconds.
    collectGarbage();
    return buildMatrixTable(seed);
  };
  const cache = new TableCache({ capacity }, { build });
  let idle: NodeJS.Timeout | undefined;
  return (seed) => {
    clearTimeout(idle);
    idle = setTimeout(() => {
      cache.clear();
      collectGarbage();
    }, TABLE_IDLE_MS).unref();
    return cache.get(seed);
  };
}

/** The list as people read it: a device and what is known of it, then what is not available and why. */
export function deviceListText(list: DeviceList): string {
  const width = Math.max(0, ...list.devices.map(({ id }) => id.length));
  const lines = list.devices.flatMap(({ id, name, driver, pciBus, details = [] }) => {
    const place = pciBus === undefined ? '' : `, PCI ${pciBus}`;
    const indent = ' '.repeat(width + 2);
    return [
      `${id.padEnd(width)}  ${name}, driver ${driver}${place}`,
      ...details.map((detail) => `${indent}${detail}`),
    ];
  });
  const problems = list.unavailable.map(({ driver, reason }) => {
    const hasSome = list.devices.some((device) => device.driver === driver);
    return `${driver}: ${hasSome ? '' : 'not available, '}${reason}`;
  });
  return [...lines, ...problems].join('\n');
}
