/**
 * Which devices `--device` means: `gpu0`, `gpu0,gpu1`, `gpu*`, `cpu`, `serial:/dev/ttyUSB0`, `all`,
 * and `!gpu2` to leave one out. A list of exclusions alone means all but those.
 *
 * `all` takes one device for each physical processor: several runtimes offer the same cores, and
 * together they would only be slower. Naming devices by hand overrides that. A device that is a last
 * resort is meant by its full name only.
 */
import { parsePortAddress, portAddressText } from '../firmware-bridge/port-address.ts';
import { InputError } from '../src/util/errors.ts';
import { type DeviceInfo, DriverError, type DriverKind } from './driver.ts';

/** How the ids of each driver's devices begin; what follows is no letter. */
const ID_BEGINS: Readonly<Record<DriverKind, string>> = {
  cpu: 'cpu',
  webgpu: 'gpu',
  onnx: 'onnx',
  gpujs: 'gpujs',
  serial: 'serial',
  mock: 'mock',
};

/**
 * Runtimes whose devices `all` never takes: they compute on the cores of the cpu, or on chips that
 * the drivers before them have, and to ask them takes time.
 */
const BESIDE: ReadonlySet<DriverKind> = new Set(['onnx', 'gpujs']);

/**
 * True if `selection` may name, or `all` may take, a device of this driver. Whoever wants the cpu need
 * not wait until every GPU has been looked for.
 */
export function mayMean(selection: string, driver: DriverKind): boolean {
  const items = selection.split(',').map((item) => item.trim());
  const isAll = items.some((item) => item === 'all') || items.every((item) => item.startsWith('!'));
  if (isAll && !BESIDE.has(driver)) return true;
  const begin = ID_BEGINS[driver];
  return items.some((item) => {
    const name = item.replace(/^!\s*/, '');
    const [head = ''] = name.split('*');
    if (head !== name && begin.startsWith(head)) return driver !== 'gpujs';
    return head.startsWith(begin) && !/^[a-z]/i.test(head.slice(begin.length));
  });
}

/**
 * The devices that `selection` names, in the order of `listed` whatever the order of the names, so
 * that device numbers mean the same everywhere. Of several with one processor, `all` takes the
 * first listed.
 *
 * Throws `DriverError` `not-found` for a name that fits nothing, or if nothing is left, and
 * `InputError` for text that is no selection.
 */
export function selectDevices<T extends DeviceInfo>(
  selection: string,
  listed: readonly T[],
): readonly T[] {
  const items = selection.split(',').map((item) => item.trim());
  const wanted = new Set<T>();
  const unwanted = new Set<T>();
  for (const item of items) {
    const exclude = item.startsWith('!');
    const name = exclude ? item.slice(1).trim() : item;
    if (name === '' || (exclude && name === 'all')) {
      throw new InputError('device', 'names like gpu0,gpu* or !gpu2', `"${selection}"`);
    }
    for (const device of fitting(name, listed)) (exclude ? unwanted : wanted).add(device);
  }
  if (items.every((item) => item.startsWith('!'))) {
    for (const device of onePerProcessor(listed)) wanted.add(device);
  }
  const left = listed.filter((device) => wanted.has(device) && !unwanted.has(device));
  if (left.length === 0) {
    throw notFound(selection, listed, wanted.size > 0 ? { allExcluded: true } : {});
  }
  return left;
}

/** The one id of a device that can be written in several ways: `serial:com3` is `serial:COM3`. */
export function deviceId(name: string): string {
  if (!name.startsWith('serial:') || name.includes('*')) return name;
  try {
    return `serial:${portAddressText(parsePortAddress(name, 'device'))}`;
  } catch {
    // What is wrong with it, its driver says.
    return name;
  }
}

function fitting<T extends DeviceInfo>(text: string, listed: readonly T[]): readonly T[] {
  if (text === 'all') return onePerProcessor(listed);
  const name = deviceId(text);
  const literal = name.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^${literal.replaceAll('*', '.*')}$`);
  const found = listed.filter(
    ({ id, isLastResort }) => id === name || (isLastResort !== true && pattern.test(id)),
  );
  if (found.length > 0) return found;
  const hidden = listed.filter(({ id }) => pattern.test(id)).map(({ id }) => id);
  if (hidden.length === 0) throw notFound(name, listed);
  const whose = hidden.length === 1 ? 'its full name' : 'their full names';
  const reason = `${hidden.join(', ')}: meant by ${whose} only`;
  throw notFound(name, listed, { reason });
}

function onePerProcessor<T extends DeviceInfo>(listed: readonly T[]): readonly T[] {
  const taken = new Set<string>();
  return listed.filter(({ processor, isLastResort }) => {
    if (processor === undefined || isLastResort === true || taken.has(processor)) return false;
    taken.add(processor);
    return true;
  });
}

function notFound(
  id: string,
  listed: readonly DeviceInfo[],
  why: { readonly allExcluded?: true; readonly reason?: string } = {},
): DriverError {
  return new DriverError({
    code: 'not-found',
    id,
    available: listed.map((device) => device.id),
    ...why,
  });
}
