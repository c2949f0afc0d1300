/** The key commands on this process's terminal, standard input and environment. */
import { InputError } from '../util/errors.ts';
import type { KeysParts } from './keys-command.ts';
import { Prompt } from './prompt.ts';

/** Above what any phrase takes, however its words are spaced. */
const MAX_INPUT_BYTES = 4096;

/** Runs `command` with them, and gives the terminal back. */
export async function withKeysParts(
  signal: AbortSignal,
  command: (parts: KeysParts) => Promise<void>,
): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const prompt = stdin.isTTY
    ? // What a Ctrl-C would have come to, had the terminal made a signal of it.
      new Prompt({ input: stdin, output: stderr, signal, interrupt: () => process.emit('SIGINT') })
    : undefined;
  try {
    await command({
      env: process.env,
      prompt,
      print: (text) => stdout.write(`${text}\n`),
      tell: stderr.isTTY ? (text) => stderr.write(text) : undefined,
      readInput: () => readAll(stdin, signal),
    });
    signal.throwIfAborted();
  } finally {
    prompt?.close();
  }
}

/** All of a stream as text. Rejects an `InputError`, or the signal's reason. */
async function readAll(stream: NodeJS.ReadableStream, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const abort = (): void => {
    (stream as Partial<{ destroy: (error: unknown) => void }>).destroy?.(signal.reason);
  };
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk as string | Uint8Array);
      length += bytes.length;
      if (length > MAX_INPUT_BYTES) {
        const expected = `at most ${MAX_INPUT_BYTES} bytes on standard input`;
        throw new InputError('restore', expected, 'more');
      }
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
