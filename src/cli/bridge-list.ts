/** `bytom-bridge list`: serial ports, and what may be at them. Opens none. */
import { listPorts, type PortInfo, type PortList } from '../../firmware-bridge/list-ports.ts';
import type { ListOptions } from './bridge-options.ts';
import { plainText, shellWord } from './bridge-text.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printResult } from './output.ts';

export async function listCommand(options: ListOptions): Promise<ExitCode> {
  const list = cleaned(await listPorts());
  const json = options.json === true;
  printResult(json ? '' : portListText(list), list, json);
  return EXIT.ok;
}

/** The texts of a USB descriptor are whatever its maker, or somebody else, has put there. */
export function cleaned({ ports, problem }: PortList): PortList {
  return {
    ports: ports.map((port) => {
      const texts = TEXTS.flatMap((name) => {
        const text = port[name];
        return text === undefined ? [] : [[name, plainText(text)] as const];
      });
      return { ...port, ...Object.fromEntries(texts) };
    }),
    ...(problem === undefined ? {} : { problem: plainText(problem, 300) }),
  };
}

const TEXTS = ['manufacturer', 'product', 'serialNumber', 'vendorId', 'productId'] as const;

/** The list as people read it: a port, what is at it, how to use it. */
export function portListText({ ports, problem }: PortList): string {
  const width = Math.max(0, ...ports.map(({ path }) => path.length));
  const indent = ' '.repeat(width + 2);
  const lines = ports.flatMap((port) => {
    const [first, ...more] = describe(port);
    return [`${port.path.padEnd(width)}  ${first}`, ...more.map((line) => indent + line)];
  });
  if (ports.length === 0) {
    lines.push('no serial ports; "bytom-bridge simulate" boots a board to try things with');
  }
  if (problem !== undefined) lines.push(problem);
  return lines.join('\n');
}

function describe(port: PortInfo): readonly string[] {
  const { guess, access, path } = port;
  const lines = [[productText(port), guess?.board].filter((text) => text !== undefined).join(': ')];
  if (lines[0] === '') lines[0] = 'nothing is known of it';
  if (access === 'in-use') lines.push('in use by another program');
  else if (access === 'no-permission') lines.push('no permission to open it');
  else if (guess !== undefined) lines.push(`try it: bytom-bridge attach --port ${shellWord(path)}`);
  return lines;
}

function productText({ vendorId, productId, ...port }: PortInfo): string | undefined {
  const name = [port.manufacturer, port.product].filter((text) => text !== undefined).join(' ');
  const ids = vendorId === undefined ? '' : `${vendorId}:${productId ?? '????'}`;
  const serial = port.serialNumber === undefined ? '' : `serial number ${port.serialNumber}`;
  const text = [name, ids, serial].filter((part) => part !== '').join(', ');
  return text === '' ? undefined : text;
}
