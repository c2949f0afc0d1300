/** What a program says besides its log: results on standard output, errors on standard error. */
import { oneLine } from '../util/errors.ts';
import { stringifyExact } from '../util/json.ts';

/** Prints a result: its text, and with `json` the object alone on the last line. */
export function printResult(text: string, result: object, json: boolean | undefined): void {
  if (text !== '') process.stdout.write(`${text}\n`);
  if (json === true) process.stdout.write(`${stringifyExact(result)}\n`);
}

/** Prints why a program ends, in one line. */
export function printError(program: string, message: string): void {
  process.stderr.write(`${program}: ${errorLine(message)}\n`);
}

/** A message as the rest of a line, without the "error:" that commander begins with. */
export function errorLine(message: string): string {
  return oneLine(message.replace(/^error: /, '').trimEnd());
}

/** `value` with at most `digits` decimals, for results whose further ones say nothing. */
export function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
