/** Lists of ports, from trees of files like those of Linux. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type ListPortsParts, listPorts } from '../../firmware-bridge/list-ports.ts';
import type { SerialListing } from '../../firmware-bridge/serial-package.ts';

const folder = mkdtempSync(join(tmpdir(), 'list-ports-'));
afterAll(() => rmSync(folder, { recursive: true }));

let trees = 0;

/** A machine's files. Texts are files, `{ to }` is a link. */
function machine(files: Readonly<Record<string, string | { readonly to: string }>>): string {
  const root = join(folder, `${trees++}`);
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === 'string') writeFileSync(file, content);
    else symlinkSync(content.to, file);
  }
  return root;
}

const USB = 'sys/devices/pci0/usb1/1-2';
const ACM = 'sys/devices/pci0/usb1/1-3';

/** An ESP32 behind a CP2102, a board with its own USB, a UART of the mainboard, and one that is not there. */
const MACHINE = {
  [`${USB}/idVendor`]: '10c4\n',
  [`${USB}/idProduct`]: 'EA60\n',
  [`${USB}/serial`]: '0001\n',
  [`${USB}/manufacturer`]: 'Silicon Labs\n',
  [`${USB}/product`]: 'CP2102 USB to UART Bridge\n',
  [`${USB}/1-2:1.0/ttyUSB10/tty/ttyUSB10/dev`]: '188:0\n',
  [`${USB}/1-2:1.0/ttyUSB10/tty/ttyUSB10/device`]: { to: '../../../ttyUSB10' },
  'sys/class/tty/ttyUSB10': { to: '../../devices/pci0/usb1/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10' },
  [`${ACM}/idVendor`]: '0483\n',
  [`${ACM}/idProduct`]: '5740\n',
  [`${ACM}/product`]: 'Tensority H743\n',
  [`${ACM}/1-3:1.0/tty/ttyACM0/device`]: { to: '../../../1-3:1.0' },
  'sys/class/tty/ttyACM0': { to: '../../devices/pci0/usb1/1-3/1-3:1.0/tty/ttyACM0' },
  'sys/devices/pnp0/00:01/tty/ttyS0/type': '4\n',
  'sys/devices/pnp0/00:01/tty/ttyS0/device': { to: '../../../00:01' },
  'sys/class/tty/ttyS0': { to: '../../devices/pnp0/00:01/tty/ttyS0' },
  'sys/devices/platform/serial8250/tty/ttyS1/type': '0\n',
  'sys/devices/platform/serial8250/tty/ttyS1/device': { to: '../../../serial8250' },
  'sys/class/tty/ttyS1': { to: '../../devices/platform/serial8250/tty/ttyS1' },
  'sys/devices/virtual/tty/tty1/dev': '4:1\n',
  'sys/class/tty/tty1': { to: '../../devices/virtual/tty/tty1' },
  'dev/ttyUSB10': '',
  'dev/ttyACM0': '',
  'dev/ttyS0': '',
  'dev/ttyS1': '',
} as const;

function list(root: string, parts: ListPortsParts = {}, listed: readonly SerialListing[] = []) {
  const loadSerial = async () => ({ list: async () => listed });
  const all = { platform: 'linux', root, loadSerial, mayUse: async () => true, ...parts } as const;
  return listPorts({}, all);
}

const noUdevadm = async () => ({ list: () => Promise.reject(new Error('spawn udevadm ENOENT')) });

const BRIDGE = {
  path: '/dev/ttyUSB10',
  vendorId: '10c4',
  productId: 'ea60',
  serialNumber: '0001',
  manufacturer: 'Silicon Labs',
  product: 'CP2102 USB to UART Bridge',
  guess: { board: 'CP2102, CP2104 or CP2102N', certainty: 'bridge' },
  access: 'ok',
};
const OURS = {
  path: '/dev/ttyACM0',
  vendorId: '0483',
  productId: '5740',
  product: 'Tensority H743',
  guess: { board: 'Tensority H743', certainty: 'ours' },
  access: 'ok',
};

describe('the list of ports', () => {
  it('is what the kernel knows, without asking the package, which starts a program for it', async () => {
    expect(await list(machine(MACHINE), { loadSerial: noUdevadm })).toEqual({
      ports: [OURS, { path: '/dev/ttyS0', access: 'ok' }, BRIDGE],
    });
  });

  it('has ports of Bluetooth, which have no device behind them while nobody is connected', async () => {
    const files = { 'sys/class/tty/rfcomm0/dev': '216:0', 'dev/rfcomm0': '' };
    expect(await list(machine(files))).toEqual({
      ports: [{ path: '/dev/rfcomm0', access: 'ok' }],
    });
  });

  it('needs neither the package nor a look at other processes if it is brief', async () => {
    const root = machine({ ...MACHINE, 'proc/12/fd/7': { to: '/dev/ttyUSB10' } });
    const loadSerial = () => Promise.reject(new Error('asked for nothing'));
    const mayUse = () => Promise.reject(new Error('asked for nothing'));
    const parts = { platform: 'linux', root, loadSerial, mayUse } as const;
    expect(await listPorts({ isBrief: true }, parts)).toEqual({
      ports: [OURS, { path: '/dev/ttyS0', access: 'ok' }, BRIDGE],
    });
  });

  it('is that of the package, with what links tell, where /sys is not there', async () => {
    const root = machine({
      'dev/ttyUSB0': '',
      'dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0': { to: '../../ttyUSB0' },
    });
    const listed = [{ path: '/dev/ttyUSB0', vendorId: '10C4', productId: 'ea60' }];
    const { product: _, ...bridge } = BRIDGE;
    const { serialNumber: __, manufacturer: ___, ...known } = bridge;
    const port = { ...known, path: '/dev/ttyUSB0', product: 'Silicon Labs CP2102 0001' };
    expect(await list(root, {}, listed)).toEqual({ ports: [port] });
    const loadSerial = async () => ({ list: async () => listed });
    expect(
      await listPorts({ isBrief: true }, { platform: 'linux', root, loadSerial }),
    ).toMatchObject({
      ports: [{ path: '/dev/ttyUSB0', vendorId: '10c4' }],
    });
  });

  it('says that ports cannot be opened without the package', async () => {
    const loadSerial = () =>
      Promise.reject(
        Object.assign(new Error("Cannot find package 'serialport' imported from x"), {
          code: 'ERR_MODULE_NOT_FOUND',
        }),
      );
    const { ports, problem } = await list(machine(MACHINE), { loadSerial });
    expect(ports.map(({ path }) => path)).toEqual(['/dev/ttyACM0', '/dev/ttyS0', '/dev/ttyUSB10']);
    expect(problem).toBe(
      'serial ports need the npm package serialport: ' +
        'it is not installed, and `npm install serialport` brings it',
    );
  });

  it('goes by the links where neither udevadm nor /sys is there', async () => {
    const root = machine({
      'dev/ttyUSB0': '',
      'dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0': { to: '../../ttyUSB0' },
    });
    expect(await list(root, { loadSerial: noUdevadm })).toEqual({
      ports: [{ path: '/dev/ttyUSB0', product: 'Silicon Labs CP2102 0001', access: 'ok' }],
      problem: 'neither udevadm nor /sys is there: what the ports are is not known',
    });
  });

  it('is empty where there is nothing', async () => {
    expect(await list(machine({ 'sys/class/tty/tty1/dev': '4:1' }))).toEqual({ ports: [] });
  });

  it('leaves out what only /sys knows, as in a container', async () => {
    const { 'dev/ttyUSB10': _, ...files } = MACHINE;
    const { ports } = await list(machine(files));
    expect(ports.map(({ path }) => path)).toEqual(['/dev/ttyACM0', '/dev/ttyS0']);
  });

  it('is in the order of the numbers', async () => {
    const files = Object.fromEntries(
      [10, 9, 1].flatMap((n) => [
        [`sys/class/tty/ttyUSB${n}/device/x`, ''],
        [`dev/ttyUSB${n}`, ''],
      ]),
    );
    const { ports } = await list(machine(files));
    expect(ports.map(({ path }) => path)).toEqual([
      '/dev/ttyUSB1',
      '/dev/ttyUSB9',
      '/dev/ttyUSB10',
    ]);
  });

  it('says which ports this user may not use', async () => {
    const root = machine(MACHINE);
    const mayUse = async (path: string) => path !== join(root, 'dev/ttyACM0');
    const { ports } = await list(root, { mayUse });
    expect(ports.map(({ path, access }) => [path, access])).toEqual([
      ['/dev/ttyACM0', 'no-permission'],
      ['/dev/ttyS0', 'ok'],
      ['/dev/ttyUSB10', 'ok'],
    ]);
  });

  it('says which ports another process has open', async () => {
    const root = machine({
      ...MACHINE,
      'proc/12/fd/0': { to: '/dev/null' },
      'proc/12/fd/7': { to: '/dev/ttyUSB10' },
      [`proc/${process.pid}/fd/3`]: { to: '/dev/ttyACM0' },
      'proc/self/fd/3': { to: '/dev/ttyS0' },
    });
    const { ports } = await list(root);
    expect(ports.map(({ path, access }) => [path, access])).toEqual([
      ['/dev/ttyACM0', 'ok'],
      ['/dev/ttyS0', 'ok'],
      ['/dev/ttyUSB10', 'in-use'],
    ]);
  });

  it('has texts that harm no terminal, whatever a device calls itself', async () => {
    const root = machine({
      ...MACHINE,
      [`${USB}/serial`]: '\u0007\n',
      [`${USB}/manufacturer`]: 'a\u001b]0;title\u0007\u202eb\u009b2J',
      [`${USB}/product`]: 'p'.repeat(200),
    });
    const { ports } = await list(root);
    const port = ports.find(({ path }) => path === BRIDGE.path);
    expect(port).not.toHaveProperty('serialNumber');
    expect(port?.manufacturer).toBe('a ]0;title b 2J');
    expect(port?.product).toBe('p'.repeat(80));

    const texts = { manufacturer: '\u001b[31m Maker \u2067', serialNumber: 's\u200b1' };
    const listed = [{ path: 'COM3', vendorId: '\u001b', ...texts }];
    const windows = await list(folder, { platform: 'win32' }, listed);
    expect(windows.ports).toEqual([
      { path: 'COM3', manufacturer: '[31m Maker', serialNumber: 's1', access: 'ok' },
    ]);
  });

  it('believes a lock file while its writer runs', async () => {
    const root = machine({
      ...MACHINE,
      'proc/12/stat': '',
      'var/lock/LCK..ttyUSB10': '        12\n',
      'var/lock/LCK..ttyACM0': '        13\n',
      'var/lock/LCK..ttyS0': 'nonsense',
    });
    const { ports } = await list(root);
    expect(ports.map(({ path, access }) => [path, access])).toEqual([
      ['/dev/ttyACM0', 'ok'],
      ['/dev/ttyS0', 'ok'],
      ['/dev/ttyUSB10', 'in-use'],
    ]);
  });

  it('is that of the package on other systems', async () => {
    const listed = [{ path: 'COM3', vendorId: '303A', productId: '1001', manufacturer: '' }];
    const mayUse = async () => false;
    expect(await list(folder, { platform: 'win32', mayUse }, listed)).toEqual({
      ports: [
        {
          path: 'COM3',
          vendorId: '303a',
          productId: '1001',
          guess: { board: expect.stringMatching(/^ESP32/), certainty: 'chip' },
          access: 'ok',
        },
      ],
    });
    const loadSerial = async () => ({ list: () => Promise.reject(new Error('no\nservice')) });
    expect(await list(folder, { platform: 'darwin', loadSerial })).toEqual({
      ports: [],
      problem: 'serial ports cannot be listed: no service',
    });
  });

  it('is there on this machine', async () => {
    const { ports } = await listPorts({}, { loadSerial: noUdevadm });
    for (const { path } of ports) expect(path).toMatch(/^\/dev\//);
  });
});
