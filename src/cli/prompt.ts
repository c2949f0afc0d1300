/**
 * Questions at the terminal. They go to standard error, so that the output of a program can be piped
 * on while it asks; answers that are secret are not shown while they are typed.
 */
import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { InputError } from '../util/errors.ts';

export interface Question {
  /** What is asked for, in messages: the name of an option. */
  readonly field: string;
  /** Stands before the cursor. */
  readonly text: string;
  /** Show nothing of the answer. */
  readonly secret?: boolean;
}

export interface PromptParts {
  /** A terminal. */
  readonly input: NodeJS.ReadableStream;
  readonly output: { write(text: string): unknown };
  /** Ctrl-C: as long as a question is open the terminal makes no signal of it. */
  readonly interrupt: () => void;
  readonly signal: AbortSignal;
}

export class Prompt {
  readonly #parts: PromptParts;
  /** Typed ahead of their questions. */
  readonly #lines: string[] = [];
  #reader: Interface | undefined;
  #hidden = false;
  #ended = false;
  #wake: () => void = () => {};

  constructor(parts: PromptParts) {
    this.#parts = parts;
  }

  /**
   * The line that is typed. Rejects an `InputError` at the end of the input (Ctrl-D), or the signal's
   * reason. One question at a time.
   */
  async ask({ field, text, secret = false }: Question): Promise<string> {
    const { output, signal } = this.#parts;
    signal.throwIfAborted();
    this.#hidden = secret;
    const reader = this.#open();
    if (secret) output.write(text);
    else {
      reader.setPrompt(text);
      reader.prompt();
    }
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      for (;;) {
        signal.throwIfAborted();
        const line = this.#lines.shift();
        if (line !== undefined) return line;
        if (this.#ended) throw new InputError(field, 'a line', 'the end of the input');
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', wake);
      // Of the line itself nothing was shown, not even its end.
      if (secret) output.write('\n');
      if (signal.aborted) this.close();
    }
  }

  /** Gives the terminal back. To be called in every case: an open one keeps the process alive. */
  close(): void {
    this.#reader?.close();
    this.#lines.length = 0;
  }

  #open(): Interface {
    if (this.#reader !== undefined) return this.#reader;
    const { input, output, interrupt } = this.#parts;
    const echo = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (!this.#hidden) output.write(chunk.toString());
        done();
      },
    });
    // Without a history: an answer is nobody else's.
    const reader = createInterface({ input, output: echo, terminal: true, historySize: 0 });
    reader.on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    reader.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    reader.on('SIGINT', interrupt);
    this.#reader = reader;
    return reader;
  }
}
