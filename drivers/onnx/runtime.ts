/**
 * The npm package `onnxruntime-node`. Only processes of their own load it: its native code may take the
 * process down, and prints what it has to say.
 *
 * Its `run` blocks the thread that calls it until all is computed, so sessions live in threads.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { DIM, MATRICES, SEQUENCE_LENGTH, SLICES } from '../../src/tensority/params.ts';
import { errorText } from '../../src/util/errors.ts';

export interface OnnxRuntime {
  /** '1.30.0' */
  readonly version: string;
  /** What the package was built for. */
  backends(): readonly RuntimeBackend[];
  /** A session of a model as `hashModel` writes it. Rejects with the runtime's error. */
  open(model: Uint8Array, settings: SessionSettings): Promise<OnnxSession>;
}

export interface RuntimeBackend {
  /** 'cpu', 'webgpu', 'cuda' */
  readonly name: string;
  /** Its library is there: in the package, or brought by the package's install script. */
  readonly isInstalled: boolean;
}

/** `InferenceSession.SessionOptions` as plain data, which goes to other threads and processes. */
export type SessionSettings = Readonly<Record<string, unknown>>;

export interface OnnxSession {
  /**
   * One run: `matrices` are the 16 MiB of a table with each byte XOR 0x80, `sequences` the matrix names
   * of the model's hashes, [hashes][slice][32]. Gives the model's only output. Blocks the thread.
   */
  run(matrices: Uint8Array, sequences: Int32Array): Promise<ArrayLike<number>>;
  /** Ends the recording that `enableProfiling` began; its file is written then. */
  endProfiling(): void;
  release(): Promise<void>;
}

export type LoadedRuntime =
  | { readonly runtime: OnnxRuntime }
  | { readonly runtime: undefined; readonly isMissing: boolean; readonly problem: string };

const PACKAGE = 'onnxruntime-node';

/** Loads the package. Never rejects: without it there is no such device, which is no error. */
export async function loadRuntime(): Promise<LoadedRuntime> {
  try {
    const ort = await import('onnxruntime-node');
    return { runtime: wrap(ort) };
  } catch (error) {
    return { runtime: undefined, isMissing: isMissing(error), problem: errorText(error) };
  }
}

function wrap(ort: typeof import('onnxruntime-node')): OnnxRuntime {
  return {
    version: ort.env.versions.node ?? ort.env.versions.common,
    backends: () =>
      ort.listSupportedBackends().map(({ name, bundled }) => ({
        name,
        isInstalled: bundled || hasLibrary(name),
      })),
    open: async (model, settings) => {
      const session = await ort.InferenceSession.create(
        model,
        settings as InferenceSession.SessionOptions,
      );
      return {
        run: async (matrices, sequences) => {
          const outputs = await session.run({
            matrices: new ort.Tensor('uint8', matrices, [MATRICES, DIM, DIM]),
            sequences: new ort.Tensor('int32', sequences, [
              sequences.length / (SLICES * SEQUENCE_LENGTH),
              SLICES,
              SEQUENCE_LENGTH,
            ]),
          });
          const [output] = Object.values(outputs);
          return (output as Tensor).data as ArrayLike<number>;
        },
        endProfiling: () => session.endProfiling(),
        release: () => session.release(),
      };
    },
  };
}

/** Whether the library of a provider that is not part of the runtime's own lies beside it. */
function hasLibrary(provider: string): boolean {
  const { platform, arch } = process;
  const file = `onnxruntime_providers_${provider}`;
  const name = platform === 'win32' ? `${file}.dll` : `lib${file}.so`;
  const home = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  return existsSync(join(home, 'bin', 'napi-v6', platform, arch, name));
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  const isAbsent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isAbsent && errorText(error).includes(`'${PACKAGE}'`);
}
