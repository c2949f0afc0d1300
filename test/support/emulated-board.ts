/** Emulated boards for tests, which are gone when a test is over, however it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, type TestContext } from 'vitest';
import { Board } from '../../firmware-bridge/board.ts';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import {
  type MachineName,
  machines,
  type RunningMachine,
  type StartMachineOptions,
  startMachine,
} from '../../firmware-bridge/sim/emulator.ts';
import { isRunning } from './processes.ts';

const missing = new Map((await machines()).map(({ machine, missing }) => [machine, missing]));

/** Skips the test where a program is missing, and says which. */
export function needMachine(ctx: Pick<TestContext, 'skip'>, machine: MachineName): void {
  const programs = missing.get(machine);
  if (programs !== undefined) ctx.skip(`${programs}: not on this machine`);
}

export class EmulatedBoards {
  /** For sockets and builds; one build serves all tests of a file. */
  readonly directory: string = mkdtempSync(join(tmpdir(), 'boards-'));
  readonly #machines: RunningMachine[] = [];
  readonly #links: Link[] = [];

  constructor() {
    afterEach(() => this.#stopAll());
    afterAll(() => rmSync(this.directory, { recursive: true }));
  }

  async start(
    machine: MachineName,
    options: Partial<StartMachineOptions> = {},
  ): Promise<RunningMachine> {
    const running = await startMachine(machine, { directory: this.directory, ...options });
    this.#machines.push(running);
    return running;
  }

  /** Opens its line; `wrap` puts something in between. */
  async connect(
    { address }: RunningMachine,
    wrap: (port: BytePort) => BytePort = (port) => port,
  ): Promise<Board> {
    const link = new Link(wrap(await openPort(address)));
    this.#links.push(link);
    return Board.identify(link);
  }

  async #stopAll(): Promise<void> {
    for (const link of this.#links.splice(0)) await link.close();
    for (const machine of this.#machines.splice(0)) {
      await machine.stop();
      expect(isRunning(machine.pid), `${machine.machine} is gone`).toBe(false);
    }
  }
}
