/** The control programs that an SPV client asks about. Bytom 1.x P2P: messages 50, 51, 52. */
import type { Tx } from '../../chain/tx.ts';
import { keyText } from '../../store/kv.ts';

/** Most programs of one filter, and bytes of all of them. */
const MAX_PROGRAMS = 4096;
const MAX_BYTES = 256 * 1024;

export class SpvFilter {
  #programs = new Set<string>();
  #bytes = 0;

  get size(): number {
    return this.#programs.size;
  }

  /** Replaces the filter. False, with nothing changed, for more than it may hold. */
  load(programs: readonly Uint8Array[]): boolean {
    const before = { programs: this.#programs, bytes: this.#bytes };
    this.clear();
    if (programs.every((program) => this.add(program))) return true;
    this.#programs = before.programs;
    this.#bytes = before.bytes;
    return false;
  }

  /** False, with nothing changed, if it is full. */
  add(program: Uint8Array): boolean {
    const key = keyText(program);
    if (this.#programs.has(key)) return true;
    const bytes = this.#bytes + program.length;
    if (this.#programs.size >= MAX_PROGRAMS || bytes > MAX_BYTES) return false;
    this.#programs.add(key);
    this.#bytes = bytes;
    return true;
  }

  clear(): void {
    this.#programs = new Set();
    this.#bytes = 0;
  }

  /** Whether one of the programs spends or is paid in it. */
  matches(tx: Pick<Tx, 'inputs' | 'outputs'>): boolean {
    if (this.#programs.size === 0) return false;
    const has = (program: Uint8Array): boolean => this.#programs.has(keyText(program));
    return (
      tx.outputs.some((output) => has(output.controlProgram)) ||
      tx.inputs.some((input) => input.type === 'spend' && has(input.controlProgram))
    );
  }
}
