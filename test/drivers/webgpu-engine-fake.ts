/**
 * A GPU that takes time by a fake clock and knows the answers, for what a real one cannot be made to
 * do: run out of memory, hang, get lost. It has buffers, queues and error scopes, and no shaders:
 * the texts of the programs are the constants that the engine gives them.
 */
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import type { FakeClock } from '../support/fake-clock.ts';

export interface FakeGpuSettings {
  /** Of a hash by the constants of its kernel, such as `const ROWS = 64;`. */
  msPerHash: (constants: string) => number;
  /** Of buffers that are not destroyed. */
  memoryBytes: number;
  /** False: every hash is zero. */
  isRight: (constants: string) => boolean;
  /** False: the program does not compile. */
  compiles: (constants: string) => boolean;
  /** Nothing that is submitted ends. */
  hangs: boolean;
  /** Requests for a device with one of these fail. */
  refused: readonly string[];
  features: readonly string[];
  matrixConfigs: readonly object[];
  limits: Record<string, number>;
}

const LIMITS: Record<string, number> = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeWorkgroupsPerDimension: 65_535,
  maxComputeWorkgroupStorageSize: 32_768,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxStorageBuffersPerShaderStage: 10,
};

const ANSWERS = new Map(
  SELF_TEST_GROUPS.flatMap(({ vectors }) => vectors.map((v) => [v.headerHash, v.powHash])),
);

/** What is submitted and read. */
export interface FakeBatch {
  readonly count: number;
  readonly submittedAt: number;
  readonly endsAt: number;
  /** When its result was asked for. */
  askedAt: number | undefined;
}

export class FakeAdapter {
  readonly settings: FakeGpuSettings;
  readonly requests: (readonly string[])[] = [];
  device: FakeDevice | undefined;
  readonly #clock: Clock;

  constructor(clock: Clock, settings: Partial<FakeGpuSettings> = {}) {
    this.#clock = clock;
    this.settings = {
      msPerHash: () => 1,
      memoryBytes: 2 ** 33,
      isRight: () => true,
      compiles: () => true,
      hangs: false,
      refused: [],
      features: [],
      matrixConfigs: [],
      limits: {},
      ...settings,
    };
  }

  get info(): object {
    return {
      isFallbackAdapter: false,
      subgroupMinSize: 32,
      subgroupMaxSize: 32,
      subgroupMatrixConfigs: this.settings.matrixConfigs,
    };
  }

  get features(): ReadonlySet<string> {
    return new Set(this.settings.features);
  }

  get limits(): Record<string, number> {
    return { ...LIMITS, ...this.settings.limits };
  }

  async requestDevice({
    requiredFeatures,
  }: {
    requiredFeatures: readonly string[];
  }): Promise<FakeDevice> {
    this.requests.push(requiredFeatures);
    const refused = requiredFeatures.filter((name) => this.settings.refused.includes(name));
    if (refused.length > 0) throw new Error(`the driver refuses ${refused.join(', ')}`);
    if (this.device !== undefined) throw new Error('the adapter is consumed');
    this.device = new FakeDevice(this.#clock, this.settings, this.limits);
    return this.device;
  }

  /** As the type that the engine takes. */
  get asAdapter(): GPUAdapter {
    return this as unknown as GPUAdapter;
  }
}

export class FakeDevice {
  readonly limits: Record<string, number>;
  readonly batches: FakeBatch[] = [];
  /** Bytes written by each call to `writeBuffer`, into buffers of 16 MiB. */
  readonly pieces: number[] = [];
  isDestroyed = false;
  onuncapturederror: ((event: { error: Error }) => void) | null = null;
  readonly #clock: Clock;
  readonly #settings: FakeGpuSettings;
  readonly #lost: Deferred<{ reason: string; message: string }> = createDeferred();
  readonly #scopes: { filter: string; error: Error | null }[] = [];
  readonly #buffers = new Set<FakeBuffer>();
  #freeAt = 0;

  constructor(clock: Clock, settings: FakeGpuSettings, limits: Record<string, number>) {
    this.#clock = clock;
    this.#settings = settings;
    this.limits = limits;
  }

  get lost(): Promise<{ reason: string; message: string }> {
    return this.#lost.promise;
  }

  /** Bytes of buffers that are not destroyed. */
  get usedBytes(): number {
    return [...this.#buffers].reduce((sum, { size }) => sum + size, 0);
  }

  /** What is pending fails at once; why is heard a moment later. */
  async lose(message: string): Promise<void> {
    for (const buffer of this.#buffers) buffer.abandon();
    await this.#clock.sleep(20);
    this.#lost.resolve({ reason: 'unknown', message });
  }

  destroy(): void {
    this.isDestroyed = true;
    for (const buffer of this.#buffers) buffer.abandon();
    this.#buffers.clear();
    this.#lost.resolve({ reason: 'destroyed', message: '' });
  }

  pushErrorScope(filter: string): void {
    this.#scopes.push({ filter, error: null });
  }

  async popErrorScope(): Promise<Error | null> {
    return this.#scopes.pop()!.error;
  }

  createBuffer({ size, usage }: { size: number; usage: number }): FakeBuffer {
    const buffer = new FakeBuffer(size, usage, {
      map: (mapped) => this.#map(mapped),
      destroy: (destroyed) => this.#buffers.delete(destroyed),
    });
    this.#buffers.add(buffer);
    if (this.usedBytes > this.#settings.memoryBytes) {
      this.#raise('out-of-memory', new GPUOutOfMemoryError('out of memory'));
    }
    return buffer;
  }

  createShaderModule({ code }: { code: string }): { code: string } {
    if (!this.#settings.compiles(code)) {
      this.#raise('validation', new GPUValidationError(`no such thing in ${code}`));
    }
    return { code };
  }

  async createComputePipelineAsync({
    compute,
  }: {
    compute: { module: { code: string }; entryPoint: string };
  }): Promise<FakePipeline> {
    const { code } = compute.module;
    if (!this.#settings.compiles(code)) throw new Error('the module is invalid');
    return { code, entry: compute.entryPoint, getBindGroupLayout: () => ({}) };
  }

  createBindGroup({ entries }: { entries: { resource: { buffer: FakeBuffer } }[] }): FakeBuffer[] {
    return entries.map(({ resource }) => resource.buffer);
  }

  createCommandEncoder(): FakeEncoder {
    return new FakeEncoder();
  }

  readonly queue = {
    writeBuffer: (buffer: FakeBuffer, at: number, data: Uint8Array | ArrayBuffer): void => {
      const bytes = new Uint8Array(ArrayBuffer.isView(data) ? data.buffer : data);
      if (buffer.size >= 2 ** 24) this.pieces.push(bytes.length);
      else buffer.write(at, bytes);
    },
    submit: (encoders: FakeEncoder[]): void => {
      for (const encoder of encoders) this.#run(encoder);
    },
  };

  #run({ multiply, headers, copy }: FakeEncoder): void {
    if (multiply === undefined || copy === undefined) return;
    const { code, count } = multiply;
    const now = this.#clock.now();
    this.#freeAt = Math.max(now, this.#freeAt) + count * this.#settings.msPerHash(code);
    const batch: FakeBatch = {
      count,
      submittedAt: now,
      endsAt: this.#settings.hangs ? Number.POSITIVE_INFINITY : this.#freeAt,
      askedAt: undefined,
    };
    this.batches.push(batch);
    copy.to.batch = batch;
    const isRight = this.#settings.isRight(code);
    // Of a search every nonce is found: the answers to what it makes are not known here.
    const result =
      headers === undefined
        ? new Uint8Array(copy.bytes).fill(0xff)
        : knownHashes(headers.read(32 * count), isRight);
    copy.to.write(0, result.subarray(0, copy.bytes));
  }

  async #map(buffer: FakeBuffer): Promise<void> {
    const { batch } = buffer;
    if (batch === undefined) throw new Error('nothing was copied here');
    batch.askedAt = this.#clock.now();
    const end = new AbortController();
    const abandoned = buffer.abandoned.then(() => end.abort());
    const ms = Math.min(batch.endsAt - batch.askedAt, 1e9);
    if (ms > 0) await Promise.race([this.#clock.sleep(ms, end.signal), abandoned]);
    if (end.signal.aborted) throw new Error('the buffer was destroyed');
  }

  #raise(filter: string, error: Error): void {
    const scope = this.#scopes.findLast((each) => each.filter === filter);
    if (scope !== undefined) scope.error ??= error;
    else this.onuncapturederror?.({ error });
  }
}

class GPUOutOfMemoryError extends Error {}
export class GPUValidationError extends Error {}

interface FakePipeline {
  readonly code: string;
  readonly entry: string;
  readonly getBindGroupLayout: () => object;
}

class FakeBuffer {
  readonly size: number;
  readonly usage: number;
  batch: FakeBatch | undefined;
  #bytes: Uint8Array | undefined;
  readonly #abandoned: Deferred<void> = createDeferred<void>();
  readonly #hooks: {
    readonly map: (buffer: FakeBuffer) => Promise<void>;
    readonly destroy: (buffer: FakeBuffer) => void;
  };

  constructor(
    size: number,
    usage: number,
    hooks: {
      readonly map: (buffer: FakeBuffer) => Promise<void>;
      readonly destroy: (buffer: FakeBuffer) => void;
    },
  ) {
    this.size = size;
    this.usage = usage;
    this.#hooks = hooks;
  }

  get abandoned(): Promise<void> {
    return this.#abandoned.promise;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#bytes ??= new Uint8Array(this.size);
    this.#bytes.set(bytes, at);
  }

  read(bytes: number): Uint8Array {
    return (this.#bytes ?? new Uint8Array(this.size)).slice(0, bytes);
  }

  mapAsync(): Promise<void> {
    return this.#hooks.map(this);
  }

  getMappedRange(at: number, bytes: number): ArrayBuffer {
    return this.read(at + bytes).slice(at).buffer as ArrayBuffer;
  }

  unmap(): void {}

  abandon(): void {
    this.#abandoned.resolve();
  }

  destroy(): void {
    this.abandon();
    this.#hooks.destroy(this);
  }
}

/** Remembers of its commands what the answers depend on. */
class FakeEncoder {
  multiply: { readonly code: string; readonly count: number } | undefined;
  /** The header hashes, if they were given and not made. */
  headers: FakeBuffer | undefined;
  copy: { readonly to: FakeBuffer; readonly bytes: number } | undefined;
  #pipeline: FakePipeline | undefined;
  #group: FakeBuffer[] = [];
  #makesHeaders = false;

  beginComputePass(): object {
    return {
      setPipeline: (pipeline: FakePipeline): void => {
        this.#pipeline = pipeline;
      },
      setBindGroup: (_index: number, group: FakeBuffer[]): void => {
        this.#group = group;
      },
      dispatchWorkgroups: (_x: number, y = 1): void => {
        const { entry = '', code = '' } = this.#pipeline ?? {};
        if (entry === 'hash_headers') this.#makesHeaders = true;
        if (entry === 'make_sequences' && !this.#makesHeaders) this.headers = this.#group[1];
        if (entry === 'multiply') this.multiply = { code, count: y };
      },
      end: (): void => {},
    };
  }

  copyBufferToBuffer(
    _from: FakeBuffer,
    _at: number,
    to: FakeBuffer,
    _to: number,
    bytes: number,
  ): void {
    this.copy = { to, bytes };
  }

  finish(): this {
    return this;
  }
}

/** The answers of the self-test's vectors; those of other inputs are the inputs backwards. */
function knownHashes(headerHashes: Uint8Array, isRight: boolean): Uint8Array {
  const out = new Uint8Array(headerHashes.length);
  for (let at = 0; isRight && at < out.length; at += 32) {
    const input = headerHashes.subarray(at, at + 32);
    const known = ANSWERS.get(bytesToHex(input));
    out.set(known === undefined ? input.slice().reverse() : hexToBytes(known, 'answer'), at);
  }
  return out;
}

/** Lets time pass until the promise settles, `stepMs` at a time. */
export async function driveClock<T>(
  clock: FakeClock,
  call: Promise<T>,
  stepMs: (step: number) => number,
): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  call.then(settle, settle);
  for (let i = 0; !isSettled; i++) {
    if (i > 10_000) throw new Error('it never settles');
    await clock.advance(stepMs(i));
  }
  return call;
}
