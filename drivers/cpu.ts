/**
 * The CPU as a device: the fastest exact WASM kernel on one thread per core. It needs nothing but
 * Node, so it is there on every machine, and every other device is checked against it.
 */
import { availableParallelism, cpus } from 'node:os';
import { type CpuHasherOptions, openCpuHasher } from '../src/tensority/cpu-hasher.ts';
import { InputError } from '../src/util/errors.ts';
import {
  type Device,
  type DeviceInfo,
  type Driver,
  DriverError,
  type Enumeration,
  type OpenOptions,
} from './driver.ts';
import { HasherDevice } from './hasher-device.ts';
import { threadsFor } from './threads.ts';

export type CpuDriverOptions = Pick<CpuHasherOptions, 'threads' | 'tier' | 'revectorize'>;

const ID = 'cpu';
/** A miner works under one seed; packing the next one takes milliseconds, keeping two takes memory. */
const TABLE_SLOTS = 1;

export function createCpuDriver(options: CpuDriverOptions = {}): Driver {
  return {
    kind: 'cpu',
    enumerate: (): Promise<Enumeration> => Promise.resolve({ devices: [describe(options)] }),
    open: (id, open): Promise<Device> => {
      if (id !== ID) {
        return Promise.reject(new DriverError({ code: 'not-found', id, available: [ID] }));
      }
      return openCpu(options, open);
    },
  };
}

async function openCpu(options: CpuDriverOptions, open: OpenOptions): Promise<Device> {
  open.signal?.throwIfAborted();
  const threads = threadsFor(options.threads, open.intensity);
  let hasher: ReturnType<typeof openCpuHasher>;
  try {
    hasher = openCpuHasher({ ...options, threads, slots: TABLE_SLOTS });
  } catch (error) {
    if (error instanceof InputError || error instanceof RangeError) {
      throw new DriverError({ code: 'unsupported', missing: error.message }, { cause: error });
    }
    throw error;
  }
  return new HasherDevice(hasher, {
    info: { ...describe({ ...options, threads }), kernel: hasher.tier },
    batchMs: open.batchMs,
    granule: threads,
    leastBatch: threads,
    measurePeak: () => hasher.measurePeak(),
    lost: hasher.lost,
  });
}

function describe(options: CpuDriverOptions): DeviceInfo {
  const threads = options.threads ?? availableParallelism();
  const model = cpus()[0]?.model.trim() ?? '';
  return {
    id: ID,
    name: `${model === '' || model === 'unknown' ? process.arch : model}, ${threads} thread${threads === 1 ? '' : 's'}`,
    tableSlots: TABLE_SLOTS,
    rollsNonce: false,
    threads,
    processor: 'cpu',
  };
}
