/** Where the log lines of a program go: standard output, and a file as well if one is asked for. */
import { createWriteStream, openSync } from 'node:fs';
import { errorText, InputError } from '../util/errors.ts';
import { createLogger, type Logger, type LogLevel } from '../util/log.ts';
import { printError } from './output.ts';

export interface LogSettings {
  /** The program, for what is said beside the log. */
  readonly program?: string;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  /** Wanted; shown only on a terminal, and not where NO_COLOR is set. */
  readonly color: boolean;
}

export interface LogOutput {
  readonly log: Logger;
  /** Ends the log: later lines are dropped. Waits until the file has everything. */
  close(): Promise<void>;
}

/** What is needed of standard output. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Throws an `InputError` if the file cannot be opened. If it cannot be written later (a full disk),
 * that is said once, and the work goes on.
 */
export function openLog(settings: LogSettings, terminal: Terminal = process.stdout): LogOutput {
  const { program = 'bytom-miner', logFile, logFormat: format, logLevel: level } = settings;
  const file = logFile === undefined ? undefined : openLogFile(logFile, program);
  let isOpen = true;
  let now = new Date();
  const common = { level, format, now: () => now };
  const loggers = [
    createLogger({
      ...common,
      color: settings.color && terminal.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
      write: (line) => terminal.write(`${line}\n`),
    }),
  ];
  if (file !== undefined)
    loggers.push(createLogger({ ...common, color: false, write: file.write }));
  // A line has one time, wherever it goes.
  const begin = (): boolean => {
    now = new Date();
    return isOpen;
  };
  return {
    log: eachTo(loggers, begin),
    close: async () => {
      isOpen = false;
      await file?.close();
    },
  };
}

/** Every line to all of `loggers`, if `begin` says so. */
function eachTo(loggers: readonly Logger[], begin: () => boolean): Logger {
  const at =
    (level: LogLevel): Logger['info'] =>
    (...line) => {
      if (begin()) for (const logger of loggers) logger[level](...line);
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    tagged: (tag) =>
      eachTo(
        loggers.map((logger) => logger.tagged(tag)),
        begin,
      ),
  };
}

interface LogFile {
  readonly write: (line: string) => void;
  readonly close: () => Promise<void>;
}

function openLogFile(path: string, program: string): LogFile {
  let fd: number;
  try {
    fd = openSync(path, 'a');
  } catch (error) {
    const expected = 'a file that can be appended to';
    throw new InputError('log-file', expected, errorText(error), { cause: error });
  }
  const stream = createWriteStream(path, { fd });
  let hasFailed = false;
  stream.on('error', (error) => {
    if (!hasFailed) {
      printError(program, `log-file: ${error.message}; going on without ${path}`);
    }
    hasFailed = true;
  });
  return {
    write: (line) => {
      if (!hasFailed) stream.write(`${line}\n`);
    },
    close: () =>
      new Promise((resolve) => {
        if (hasFailed || stream.writableEnded) resolve();
        else stream.end(() => resolve());
      }),
  };
}
