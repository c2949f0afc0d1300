/** Text that a device tells of itself, which may be anything, made fit for a terminal and a log. */
import { oneLine } from '../src/util/errors.ts';

/**
 * At most `max` characters on one line, trimmed; without control codes, and without what turns the text around it
 * (bidirectional and other format codes, lone surrogates, private ones).
 */
export function plainText(text: string, max: number): string {
  const plain = oneLine(text)
    .replace(/[\p{Cf}\p{Cs}\p{Co}]/gu, '')
    .trim();
  return [...plain].slice(0, max).join('').trimEnd();
}
