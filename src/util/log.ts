/**
 * Log lines: `[2026-11-20 23:31:07.120]  net      new job from host:port height 500001 …`.
 * One event is written once, as fields; the text form renders them as `key value` pairs unless the
 * caller gives the wording that people already know, the JSON form writes them as one object a line.
 */
import { oneLine } from './errors.ts';
import { stringifyExact } from './json.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export type LogValue = string | number | bigint | boolean | null | undefined;
export type LogFields = Readonly<Record<string, LogValue>>;

/** `trace` bytes, `debug` phases, `info` outcomes, `warn` recoverable, `error` stops. */
export interface Logger {
  trace(event: string, fields?: LogFields, text?: string): void;
  debug(event: string, fields?: LogFields, text?: string): void;
  info(event: string, fields?: LogFields, text?: string): void;
  warn(event: string, fields?: LogFields, text?: string): void;
  error(event: string, fields?: LogFields, text?: string): void;
  /** The same destination under another tag ('net', 'gpu0', 'miner'). */
  tagged(tag: string): Logger;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly color: boolean;
  readonly now: () => Date;
  /** Takes one whole line without its line feed. */
  readonly write: (line: string) => void;
}

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];
const TAG_WIDTH = 8;
const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const COLORS: Readonly<Record<LogLevel, string>> = {
  trace: DIM,
  debug: DIM,
  info: '',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};

/** A logger that writes lines through `options.write`. */
export function createLogger(options: LogOptions, tag = 'miner'): Logger {
  const floor = LEVELS.indexOf(options.level);
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}, text?: string): void => {
      if (LEVELS.indexOf(level) < floor) return;
      if (options.format === 'json') {
        const head = { time: options.now().toISOString(), level, tag, event };
        // `head` twice: it stands first in the line, and no field can take the place of its members.
        options.write(stringifyExact({ ...head, ...fields, ...head }));
      } else {
        // Pools and nodes choose parts of these texts: nothing of theirs may drive a terminal.
        const body = oneLine(text ?? `${event}${fieldText(fields)}`);
        options.write(textLine(options, level, tag, body));
      }
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    tagged: (other) => createLogger(options, other),
  };
}

/** Drops everything. */
export function createSilentLogger(): Logger {
  const drop = (): void => {};
  const silent: Logger = {
    trace: drop,
    debug: drop,
    info: drop,
    warn: drop,
    error: drop,
    tagged: () => silent,
  };
  return silent;
}

function textLine(options: LogOptions, level: LogLevel, tag: string, body: string): string {
  const stamp = `[${localTime(options.now())}]`;
  const name = tag.padEnd(TAG_WIDTH);
  if (!options.color) return `${stamp}  ${name} ${body}`;
  const color = COLORS[level];
  return `${DIM}${stamp}${RESET}  \u001b[36m${name}${RESET} ${color}${body}${color === '' ? '' : RESET}`;
}

function fieldText(fields: LogFields): string {
  let out = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const shown = typeof value === 'string' && /\s|^$/.test(value) ? JSON.stringify(value) : value;
    out += ` ${key} ${String(shown)}`;
  }
  return out;
}

function localTime(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}
