/** A logger that keeps what it is told, for tests that ask for it. */
import type { LogFields, Logger, LogLevel } from '../../src/util/log.ts';

export interface LogEntry {
  readonly level: LogLevel;
  readonly tag: string;
  readonly event: string;
  readonly fields: LogFields;
  readonly text: string | undefined;
}

export class RecordingLog implements Logger {
  readonly entries: LogEntry[];
  readonly #tag: string;

  constructor(tag = 'miner', entries: LogEntry[] = []) {
    this.#tag = tag;
    this.entries = entries;
  }

  trace(event: string, fields?: LogFields, text?: string): void {
    this.#add('trace', event, fields, text);
  }

  debug(event: string, fields?: LogFields, text?: string): void {
    this.#add('debug', event, fields, text);
  }

  info(event: string, fields?: LogFields, text?: string): void {
    this.#add('info', event, fields, text);
  }

  warn(event: string, fields?: LogFields, text?: string): void {
    this.#add('warn', event, fields, text);
  }

  error(event: string, fields?: LogFields, text?: string): void {
    this.#add('error', event, fields, text);
  }

  /** Writes to the same entries. */
  tagged(tag: string): RecordingLog {
    return new RecordingLog(tag, this.entries);
  }

  /** The entries of an event, as `tag: text`, or `tag: event` where there is no text. */
  of(event: string): readonly string[] {
    return this.entries
      .filter((entry) => entry.event === event)
      .map((entry) => `${entry.tag}: ${entry.text ?? entry.event}`);
  }

  #add(level: LogLevel, event: string, fields: LogFields = {}, text?: string): void {
    this.entries.push({ level, tag: this.#tag, event, fields, text });
  }
}
