/** Serial ports as devices, as far as they can be known without opening one. */
import type { PortInfo, PortList } from '../../firmware-bridge/list-ports.ts';
import { parsePortAddress } from '../../firmware-bridge/port-address.ts';
import { errorText } from '../../src/util/errors.ts';
import type { DeviceInfo, Enumeration } from '../driver.ts';
import { deviceId } from '../select.ts';
import { ID_PREFIX } from './boards.ts';

/**
 * What is offered: the ports, and the addresses that `selection` names. A port that says that it runs our
 * firmware is for everybody; one with another chip for those who name serial ports, for opening it may
 * reset what runs there; an adapter for those who name it.
 */
export function listSerial(list: PortList, selection: string | undefined): Enumeration {
  const named = namedIds(selection);
  const devices = list.ports
    .filter((port) => isKnown(port) || named.includes(`${ID_PREFIX}${port.path}`))
    .map(describePort);
  const problems: string[] = [];
  for (const id of named) {
    if (id.includes('*') || devices.some((device) => device.id === id)) continue;
    try {
      const { kind } = parsePortAddress(id, 'device');
      const name = kind === 'serial' ? 'Board at a serial port' : 'Board behind a socket';
      devices.push({ id, name, ...BOARD, isLastResort: true });
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  if (list.problem !== undefined && mayWantPorts(list, selection)) problems.push(list.problem);
  return { devices, ...(problems.length > 0 && { unavailable: problems.join('; ') }) };
}

/** False where there is no port that may have a board, and none was named: then nothing is missing. */
export function mayWantPorts(list: PortList, selection: string | undefined): boolean {
  return list.ports.some(isKnown) || namedIds(selection).some(isPort);
}

const BOARD = { tableSlots: 1, rollsNonce: true } as const;

/** Ports of the machine itself, of which nothing is known, are everywhere, and mostly nothing is at them. */
function isKnown({ vendorId, product, guess }: PortInfo): boolean {
  return vendorId !== undefined || product !== undefined || guess !== undefined;
}

/** What the items of a selection name, with or without `!`. */
function namedIds(selection: string | undefined): readonly string[] {
  const items = (selection ?? '').split(',').map((item) => item.trim().replace(/^!\s*/, ''));
  const ids = items.filter((item) => item.startsWith(ID_PREFIX)).map(deviceId);
  return [...new Set(ids)];
}

function isPort(id: string): boolean {
  return !/^serial:(tcp|unix):/.test(id);
}

function describePort(port: PortInfo): DeviceInfo {
  const { path, guess, product, manufacturer } = port;
  const id = `${ID_PREFIX}${path}`;
  const isOurs = guess?.certainty === 'ours';
  const isChip = guess?.certainty === 'chip';
  return {
    id,
    name: guess?.board ?? product ?? manufacturer ?? 'Serial port',
    ...BOARD,
    // What cannot be opened is not for `all`, which would fail with it.
    ...(isOurs && port.access === 'ok' && { processor: id }),
    ...(!isOurs && !isChip && { isLastResort: true }),
    details: portDetails(port),
  };
}

function portDetails(port: PortInfo): readonly string[] {
  const { vendorId, productId, serialNumber, access, guess } = port;
  const details: string[] = [];
  if (vendorId !== undefined) {
    const serial = serialNumber === undefined ? '' : `, serial number ${serialNumber}`;
    details.push(`USB ${vendorId}:${productId ?? '?'}${serial}`);
  }
  if (guess?.certainty === 'bridge') details.push('an adapter: what is behind it is not known');
  if (access === 'no-permission') details.push('no permission to open it');
  if (access === 'in-use') details.push('in use by another program');
  return details;
}
