import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { newPassword } from '../../src/cli/password.ts';
import { Prompt, type Question } from '../../src/cli/prompt.ts';
import { InputError } from '../../src/util/errors.ts';
import { settle } from '../support/fake-clock.ts';

const SECRET: Question = { field: 'password', text: 'Password: ', secret: true };
const OPEN: Question = { field: 'restore', text: 'Phrase: ' };

/** A terminal: what is typed, what is shown, and whether keys come one by one. */
function createTerminal(): {
  readonly prompt: Prompt;
  readonly type: (text: string) => Promise<void>;
  readonly end: () => void;
  readonly abort: AbortController;
  readonly shown: () => string;
  readonly raw: readonly boolean[];
} {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    setRawMode: (mode: boolean) => raw.push(mode),
  });
  const abort = new AbortController();
  let shown = '';
  const prompt = new Prompt({
    input,
    output: { write: (text) => (shown += text) },
    interrupt: () => abort.abort(new Error('interrupted')),
    signal: abort.signal,
  });
  return {
    prompt,
    abort,
    raw,
    shown: () => shown,
    end: () => input.end(),
    type: async (text) => {
      input.write(text);
      await settle();
    },
  };
}

describe('a secret answer', () => {
  it('is not shown, not in part and not its length', async () => {
    const { prompt, type, shown } = createTerminal();
    const answer = prompt.ask(SECRET);
    for (const key of 'päss 🔑') await type(key);
    expect(shown()).toBe('Password: ');
    await type('\r');
    expect(await answer).toBe('päss 🔑');
    expect(shown()).toBe('Password: \n');
    prompt.close();
  });

  it('can be corrected while it is typed', async () => {
    const { prompt, type, shown } = createTerminal();
    const answer = prompt.ask(SECRET);
    await type('wrong\u0015secret\u007f\u007fet\r');
    expect(await answer).toBe('secret');
    expect(shown()).toBe('Password: \n');
    prompt.close();
  });

  it('may be pasted, with what the next question asks for', async () => {
    const { prompt, type } = createTerminal();
    const first = prompt.ask(SECRET);
    await type('one\rtwo\r');
    expect([await first, await prompt.ask(SECRET)]).toEqual(['one', 'two']);
    prompt.close();
  });
});

describe('an open answer', () => {
  it('is shown behind its question, also after a secret one', async () => {
    const { prompt, type, shown } = createTerminal();
    const secret = prompt.ask(SECRET);
    await type('hidden\r');
    await secret;
    const answer = prompt.ask(OPEN);
    await type('letter advice\r');
    expect(await answer).toBe('letter advice');
    expect(shown()).toContain('Phrase: ');
    expect(shown()).toContain('letter advice');
    expect(shown()).not.toContain('hidden');
    prompt.close();
  });
});

describe('a question', () => {
  it('ends with the input: Ctrl-D or a terminal that is gone', async () => {
    const gone = createTerminal();
    const first = gone.prompt.ask(SECRET);
    gone.end();
    await expect(first).rejects.toThrow(InputError);
    await expect(first).rejects.toThrow('password: expected a line, got the end of the input');
    const typed = createTerminal();
    const second = typed.prompt.ask(OPEN);
    const refused = expect(second).rejects.toThrow('restore: expected a line');
    await typed.type('\u0004');
    await refused;
  });

  it('is ended by Ctrl-C, which gives the terminal back', async () => {
    const { prompt, type, raw } = createTerminal();
    const answer = prompt.ask(SECRET);
    const failed = expect(answer).rejects.toThrow('interrupted');
    await type('half\u0003');
    await failed;
    expect(raw).toEqual([true, false]);
    await expect(prompt.ask(SECRET)).rejects.toThrow('interrupted');
  });

  it('is ended by the signal', async () => {
    const { prompt, abort, raw } = createTerminal();
    const answer = prompt.ask(SECRET);
    const failed = expect(answer).rejects.toThrow('stopped');
    abort.abort(new Error('stopped'));
    await failed;
    expect(raw).toEqual([true, false]);
  });

  it('leaves a terminal as it was when all is done', async () => {
    const { prompt, type, raw } = createTerminal();
    const answer = prompt.ask(SECRET);
    await type('x\r');
    await answer;
    prompt.close();
    prompt.close();
    expect(raw).toEqual([true, false]);
  });
});

describe('a new password', () => {
  it('is typed twice', async () => {
    const { prompt, type, shown } = createTerminal();
    const password = newPassword({}, { env: {}, prompt });
    await type('long enough\r');
    await type('long enough\r');
    expect(await password).toBe('long enough');
    expect(shown()).toBe('New password: \nThe same again: \n');
    prompt.close();
  });

  it('that was mistyped, or is short, is refused', async () => {
    const differ = createTerminal();
    const first = newPassword({}, { env: {}, prompt: differ.prompt });
    const refused = expect(first).rejects.toThrow('the same text twice, got two that differ');
    await differ.type('long enough\rlong enougt\r');
    await refused;
    const short = createTerminal();
    const second = newPassword({}, { env: {}, prompt: short.prompt });
    const tooShort = expect(second).rejects.toThrow('at least 8 characters, got 5');
    await short.type('short\r');
    await tooShort;
  });
});
