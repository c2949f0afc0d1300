/**
 * The settings of a session: what a lane and a kernel need, and what the user adds to it as
 * `provider.key=value` or `session.key=value`.
 */
import { InputError } from '../../src/util/errors.ts';
import type { OnnxKernel } from './kernels.ts';
import { PROVIDER_NAMES } from './providers.ts';
import type { SessionSettings } from './runtime.ts';

/** One text of the user's, taken apart. */
export interface OnnxOption {
  /** 'session' or the name of a provider, for which alone it holds. */
  readonly scope: string;
  readonly key: string;
  readonly value: OptionValue;
}

type OptionValue = string | number | boolean | readonly string[];
/** A list: one of these texts. */
type OptionType =
  | 'text'
  | 'a whole number'
  | 'true or false'
  | 'a list of texts'
  | readonly string[];

const FIELD = 'onnx-option';

/** What the package's binding reads; a key that is not here would be passed over without a word. */
const PROVIDER_KEYS: Readonly<Record<string, Readonly<Record<string, OptionType>>>> = {
  cpu: {},
  webgpu: {
    preferredLayout: 'text',
    validationMode: 'text',
    storageBufferCacheMode: 'text',
    uniformBufferCacheMode: 'text',
    queryResolveBufferCacheMode: 'text',
    defaultBufferCacheMode: 'text',
    enableRobustness: 'true or false',
    forceCpuNodeNames: 'a list of texts',
  },
  cuda: { deviceId: 'a whole number' },
  tensorrt: { deviceId: 'a whole number' },
  dml: { deviceId: 'a whole number' },
  coreml: { coreMlFlags: 'a whole number' },
  qnn: { backendType: 'text', backendPath: 'text', enableFp16Precision: 'true or false' },
};

const SESSION_KEYS: Readonly<Record<string, OptionType>> = {
  intraOpNumThreads: 'a whole number',
  interOpNumThreads: 'a whole number',
  graphOptimizationLevel: ['disabled', 'basic', 'extended', 'layout', 'all'],
  enableCpuMemArena: 'true or false',
  enableMemPattern: 'true or false',
  executionMode: ['sequential', 'parallel'],
  logId: 'text',
  logSeverityLevel: 'a whole number',
};

/**
 * Ours alone: a kernel's name says what they are set to, and every lane of every kernel would write to one
 * file, or end the process if it cannot.
 */
const RESERVED = [
  'disable_cpu_ep_fallback',
  'executionProviders',
  'extra',
  'optimizedModelFilePath',
];

/**
 * Reads texts like `webgpu.validationMode=full`, `cuda.deviceId=1`, `session.intraOpNumThreads=2`; a
 * session key in lower case, like `session.disable_prepacking=1`, is a configuration entry of ONNX
 * Runtime. Of two for one key the last one holds. Throws an `InputError`.
 */
export function parseOnnxOptions(texts: readonly string[]): readonly OnnxOption[] {
  const options = new Map<string, OnnxOption>();
  for (const text of texts) {
    const parts = /^([a-z]+)\.([A-Za-z][\w.]*)=(.*)$/s.exec(text);
    const [, scope = '', key = '', shown = ''] = parts ?? [];
    const scopes = ['session', ...PROVIDER_NAMES];
    if (!scopes.includes(scope)) {
      throw new InputError(
        FIELD,
        `key=value with ${oneOf(scopes)} and a dot before it`,
        `"${text}"`,
      );
    }
    if (RESERVED.includes(key)) {
      throw new InputError(
        FIELD,
        `another key than ${key}, which cannot be set by hand`,
        `"${text}"`,
      );
    }
    const value = readValue(text, typeOf(scope, key, text), shown);
    options.set(`${scope}.${key}`, { scope, key, value });
  }
  return [...options.values()];
}

/** What a session for `kernel` is opened with. */
export function settingsFor(
  provider: string,
  kernel: Pick<OnnxKernel, 'hasFallback'>,
  options: readonly OnnxOption[],
): SessionSettings {
  const config: Record<string, string> = {};
  // Nothing against sums that saturate at 16 bits, as on x86 cores without dot products of bytes:
  // `x64quantprecision` acts on constant operands only. The test of a kernel finds that out.
  if (provider !== 'cpu' && !kernel.hasFallback) config['disable_cpu_ep_fallback'] = '1';
  const own: Record<string, OptionValue> = {};
  const ofProvider: Record<string, OptionValue> = {};
  for (const { scope, key, value } of options) {
    if (scope === provider) ofProvider[key] = value;
    else if (scope === 'session' && Object.hasOwn(SESSION_KEYS, key)) own[key] = value;
    else if (scope === 'session') config[key] = String(value);
  }
  return {
    executionProviders: [{ name: provider, ...ofProvider }],
    // Lanes are what makes use of several cores; see lane.ts.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // Errors: what it warns of (nodes that it moves to the CPU) is on purpose or told by the kernel's name.
    logSeverityLevel: 3,
    ...own,
    extra: { session: config },
  };
}

function typeOf(scope: string, key: string, text: string): OptionType {
  const keys = scope === 'session' ? SESSION_KEYS : PROVIDER_KEYS[scope]!;
  // `in` would find what every object has.
  const type = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (type !== undefined) return type;
  if (scope === 'session' && /^[a-z][a-z\d_.]*$/.test(key)) return 'text';
  const names = Object.keys(keys);
  const expected =
    names.length === 0
      ? `another provider, as ${scope} has no options`
      : `one of ${names.map((name) => `${scope}.${name}`).join(', ')}`;
  throw new InputError(
    FIELD,
    scope === 'session' ? `${expected} or a configuration entry in lower case` : expected,
    `"${text}"`,
  );
}

function readValue(text: string, type: OptionType, shown: string): OptionValue {
  if (typeof type !== 'string') {
    if (type.includes(shown)) return shown;
    throw new InputError(FIELD, `${oneOf(type)} after the =`, `"${text}"`);
  }
  if (shown === '') throw new InputError(FIELD, `${type} after the =`, `"${text}"`);
  if (type === 'text') return shown;
  const value = parsed(shown);
  if (type === 'a whole number' && Number.isSafeInteger(value) && Number(value) >= 0) {
    return Number(value);
  }
  if (type === 'true or false' && typeof value === 'boolean') return value;
  if (type === 'a list of texts' && isTexts(value)) return value;
  const expected = type === 'a list of texts' ? `${type} like ["a","b"]` : type;
  throw new InputError(FIELD, `${expected} after the =`, `"${text}"`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A text without quotes is no JSON, and is told as such by the caller.
    return undefined;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function oneOf(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
