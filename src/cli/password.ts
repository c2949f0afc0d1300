/**
 * The password of a key file: from a file, from the environment, or asked for at the terminal. Never
 * from the command line, which every user of the machine can read.
 */
import { InputError } from '../util/errors.ts';
import type { Prompt } from './prompt.ts';
import { readSmallText } from './small-file.ts';

export interface PasswordOptions {
  /** Its first line is the password. */
  readonly passwordFile?: string;
}

export interface PasswordParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `undefined` where there is no terminal to ask at. */
  readonly prompt: Prompt | undefined;
}

const PASSWORD_VARIABLE = 'BYTOM_NODE_PASSWORD';

const MAX_BYTES = 1024;
/** Of a new one. With the file's key derivation, a random one of these is years of guessing. */
const MIN_CHARACTERS = 8;

/** The password that is at hand without asking. Throws `InputError`. */
export function givenPassword(
  { passwordFile }: PasswordOptions,
  { env }: PasswordParts,
): string | undefined {
  if (passwordFile !== undefined) {
    const [line = ''] = readSmallText(passwordFile, 'password-file', MAX_BYTES).split(/\r?\n/, 1);
    if (line !== '') return line;
    throw new InputError('password-file', 'a password in the first line', 'an empty line');
  }
  const text = env[PASSWORD_VARIABLE];
  return text === '' ? undefined : text;
}

/** The password of a file that is there. Rejects `InputError`, or what the prompt does. */
export async function knownPassword(
  options: PasswordOptions,
  parts: PasswordParts,
): Promise<string> {
  const given = givenPassword(options, parts);
  return given ?? promptOf(parts).ask({ ...QUESTION, text: 'Password of the key file: ' });
}

/** The password for a new file, asked for twice. Rejects `InputError`, or what the prompt does. */
export async function newPassword(options: PasswordOptions, parts: PasswordParts): Promise<string> {
  const given = givenPassword(options, parts);
  if (given !== undefined) return longEnough(given);
  const prompt = promptOf(parts);
  const text = longEnough(await prompt.ask({ ...QUESTION, text: 'New password: ' }));
  const again = await prompt.ask({ ...QUESTION, text: 'The same again: ' });
  if (again === text) return text;
  throw new InputError('password', 'the same text twice', 'two that differ');
}

const QUESTION = { field: 'password', secret: true } as const;

function promptOf({ prompt }: PasswordParts): Prompt {
  if (prompt !== undefined) return prompt;
  const expected = `a terminal to ask at, --password-file or ${PASSWORD_VARIABLE}`;
  throw new InputError('password', expected, 'none of them');
}

/** Nothing else is asked of it: length is what counts. */
function longEnough(password: string): string {
  const { length } = [...password];
  if (length >= MIN_CHARACTERS) return password;
  throw new InputError('password', `at least ${MIN_CHARACTERS} characters`, `${length}`);
}
