/**
 * Errors whose cause is data, not text: every error of ours carries a `detail` union that callers
 * switch over exhaustively. Messages are for people; no code compares them.
 */

export interface ErrorDetail {
  readonly code: string;
}

/** An error with a typed `detail`. Subclasses fix `D` and write the message from it. */
export class CodedError<D extends ErrorDetail> extends Error {
  readonly detail: D;

  constructor(message: string, detail: D, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.detail = detail;
  }
}

/** Input from outside (a flag, a file, a message) that does not have the form it must have. */
export class InputError extends CodedError<{
  readonly code: 'bad-input';
  readonly field: string;
  readonly expected: string;
  readonly got: string;
}> {
  constructor(field: string, expected: string, got: string, options?: ErrorOptions) {
    const shown = clip(got);
    super(
      `${field}: expected ${expected}, got ${shown}`,
      { code: 'bad-input', field, expected, got: shown },
      options,
    );
  }
}

/** The text of anything thrown, for a log line. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The value in at most `max` characters on one line, so that hostile input cannot flood a log. */
export function clip(text: string, max = 80): string {
  const line = oneLine(text);
  return line.length <= max ? line : `${line.slice(0, max)}… (${line.length} characters)`;
}

/** The text without line breaks and terminal control codes, each run of them as one space. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
