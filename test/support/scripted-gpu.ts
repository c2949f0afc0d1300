/**
 * A GPU process without a GPU: what it finds and how it fails is in `SCRIPTED_GPU` in its environment,
 * as JSON. It also plays Mesa's selection layer. Its hashes depend on every byte of the seed's table.
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { type DeviceInfo, DriverError } from '../../drivers/driver.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import {
  type OpenedDevice,
  type OpenHooks,
  type OpenRequest,
  runChild,
} from '../../drivers/process/child-main.ts';
import type {
  AdapterFacts,
  AdapterTarget,
  GpuNews,
  GpuQuestion,
} from '../../drivers/webgpu/node/gpu-news.ts';
import { StandInHasher } from './stand-in-hasher.ts';

export interface GpuScript {
  readonly adapters?: readonly ScriptedAdapter[];
  /** Without it, names are all that there is to tell adapters apart by. */
  readonly hasLayer?: boolean;
  /** Instead of a list. */
  readonly list?: 'crash' | 'hang' | 'no package' | 'throw';
  /** Takes the process down when this adapter is asked about. */
  readonly crashAt?: string;
  /** Kernels in the order in which they are tried; the first that comes to no bad end is chosen. */
  readonly kernels?: readonly ScriptedKernel[];
  readonly open?: 'refuse' | 'gone';
  /** What the next `hash` does. */
  readonly hash?: 'crash' | 'hang' | 'short' | 'throw';
  /** It does not react to being closed. */
  readonly isDeaf?: boolean;
  /** Where each opening leaves what it was asked, and who hangs its id: a JSON line each. */
  readonly openings?: string;
}

export interface ScriptedKernel {
  readonly name: string;
  readonly end?: 'crash' | 'hang' | 'lose' | 'refuse' | 'wrong';
}

export interface ScriptedAdapter {
  readonly name: string;
  readonly pciBus?: string;
  readonly isSoftware?: boolean;
  readonly description?: string;
}

/** What the device hashes: `table` stands for all that the seed's table holds. */
export function scriptedHash(table: Int8Array, headerHash: Uint8Array): Uint8Array {
  return createHash('sha256').update(table).update(headerHash).digest();
}

function run(script: GpuScript): void {
  const { adapters = [], kernels = [{ name: 'kernel-a' }] } = script;
  const visible = seenBehindLayer(adapters, script.hasLayer === true);
  const list = async (backends: GpuQuestion, tell: (news: GpuNews) => void): Promise<void> => {
    switch (script.list) {
      case 'crash':
        return die('the driver says its last words');
      case 'hang':
        if (script.openings !== undefined) noteLine(script.openings, { pid: process.pid });
        return hang();
      case 'throw':
        throw new Error('the binding does not like this');
      case 'no package':
        return tell({ kind: 'package', problem: "Cannot find 'webgpu'", isMissing: true });
      case undefined:
        break;
    }
    tell({ kind: 'package' });
    const [backend = ''] = backends;
    const targets = visible.map(({ name }) => ({ backend, name }));
    tell({ kind: 'adapters', targets });
    for (const name of new Set(visible.map((adapter) => adapter.name))) {
      if (name === script.crashAt) return die('a driver crashed');
      // As Dawn does: the first whose name contains the one that is asked for.
      const found = visible.find((adapter) => adapter.name.includes(name));
      if (found !== undefined)
        tell({ kind: 'adapter', facts: { ...factsOf(found, backend), name } });
    }
  };
  const open = async (
    request: OpenRequest<AdapterTarget>,
    { onTry, onReport }: OpenHooks,
  ): Promise<OpenedDevice> => {
    note(script, request);
    if (script.open === 'refuse') throw new DriverError({ code: 'unsupported', missing: 'a wing' });
    if (script.open === 'gone') throw new DriverError({ code: 'not-found', id: request.info.id });
    const { kernel, remembered, avoid, info } = request;
    let only = kernel ?? remembered?.kernel;
    let isWrong = false;
    for (const { name, end } of kernels) {
      if (avoid.includes(name) || (only !== undefined && only !== name)) continue;
      onTry(name);
      if (end === 'crash') await die(`${name} took the driver down`);
      if (end === 'hang') await hang();
      if (end === 'lose') throw new DriverError({ code: 'lost', reason: 'a reset of the GPU' });
      if (end === 'refuse') throw new DriverError({ code: 'unsupported', missing: 'a wing' });
      if (end === 'wrong') {
        isWrong = true;
        // As in the engines: what was remembered is wrong by now, and the others have their turn.
        only = kernel;
        onReport({
          kernel: name,
          outcome: 'wrong',
          reason: `expected ${'5e'.repeat(32)}, got ${name}`,
        });
        continue;
      }
      onReport({ kernel: name, outcome: 'timed', msPerHash: 2 });
      const choice = { kernel: name, msPerHash: 2 };
      return { device: new ScriptedDevice(script, info, name), choice };
    }
    if (isWrong) throw new DriverError({ code: 'self-test', expected: '00', actual: '01' });
    throw new DriverError({ code: 'unsupported', missing: 'a kernel' });
  };
  if (script.hash === 'short') {
    const telemetry = { hashes: 0, busyMs: 0, found: 0, mismatches: 0 };
    process.on('message', ({ kind, call }: { readonly kind: string; readonly call: number }) => {
      if (kind === 'hash')
        process.send?.({ kind: 'done', call, result: new Uint8Array(31), telemetry });
    });
  }
  runChild({ list, open });
}

/** The adapters that the environment lets through. */
function seenBehindLayer(
  adapters: readonly ScriptedAdapter[],
  hasLayer: boolean,
): readonly ScriptedAdapter[] {
  if (!hasLayer) return adapters;
  if (process.env['MESA_VK_DEVICE_SELECT'] === 'list') {
    adapters.forEach(({ name, pciBus = '0000:00:00.0', isSoftware }, index) => {
      const type = isSoftware === true ? 'CPU' : 'discrete GPU';
      process.stderr.write(`  GPU ${index}: 10de:2204 "${name}" ${type} ${pciBus}\n`);
    });
    process.exit(0);
  }
  const tag = process.env['DRI_PRIME'];
  const only = adapters.filter(({ pciBus = '' }) => tag === `pci-${pciBus.replace(/[:.]/g, '_')}!`);
  return only.length > 0 ? only : adapters;
}

function factsOf(adapter: ScriptedAdapter, backend: string): AdapterFacts {
  const { name, isSoftware = false, description = 'driver 1.0' } = adapter;
  return {
    backend,
    name,
    vendor: 'nobody',
    architecture: 'none',
    description,
    isSoftware,
    workgroupBytes: 32_768,
    bindingBytes: 2 ** 30,
    hasSubgroupMatrices: false,
  };
}

class ScriptedDevice extends HasherDevice {
  readonly #script: GpuScript;

  constructor(script: GpuScript, info: DeviceInfo, kernel: string) {
    const tables = new Map<string, Int8Array>();
    const inner = new StandInHasher({
      slots: 2,
      hash: (seed, headerHash) => scriptedHash(tables.get(String(seed))!, headerHash),
    });
    const load = inner.loadSeed.bind(inner);
    inner.loadSeed = (seed, table, signal): Promise<void> => {
      // The memory is used again for the next one.
      tables.set(String(seed), table.data.slice());
      return load(seed, table, signal);
    };
    const seedless = inner.hash.bind(inner);
    // Yields now and then: an abort must find its way in.
    inner.hash = async (...call): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      await seedless(...call);
    };
    const own = { tableSlots: 2, rollsNonce: false, kernel };
    super(inner, {
      info: { ...info, ...own },
      batchMs: 20,
      granule: 1,
      measurePeak: async () => 12_345,
    });
    this.#script = script;
  }

  override async hash(
    seed: Uint8Array,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    switch (this.#script.hash) {
      case 'crash':
        return die('the driver fell over');
      case 'hang':
        return hang();
      case 'throw':
        throw new TypeError('nobody thought of this');
      case 'short':
      case undefined:
        // An answer that is too short was sent by then.
        return super.hash(seed, headerHashes, out, signal);
    }
  }

  override async close(): Promise<void> {
    if (this.#script.isDeaf === true) await hang();
    await super.close();
  }
}

function note(
  { openings }: GpuScript,
  { kernel, remembered, avoid, target, info }: OpenRequest<AdapterTarget>,
): void {
  if (openings === undefined) return;
  const env = { DRI_PRIME: process.env['DRI_PRIME'] };
  noteLine(openings, { kernel, remembered, avoid, target, id: info.id, env, pid: process.pid });
}

function noteLine(path: string, line: object): void {
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** As native code dies. Resolves never. */
function die(words: string): Promise<never> {
  process.stderr.write(`${words}\n`, () => process.kill(process.pid, 'SIGSEGV'));
  return new Promise(() => {});
}

/** As native code hangs: nothing of this process runs any more. */
function hang(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

if (import.meta.main) run(JSON.parse(process.env['SCRIPTED_GPU'] ?? '{}') as GpuScript);
