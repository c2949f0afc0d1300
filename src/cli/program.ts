/** What all our programs do around their commands: signals, output that fails, errors, exit codes. */
import { type Command, CommanderError } from 'commander';
import { StoreError } from '../store/store-error.ts';
import { errorText } from '../util/errors.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { printError } from './output.ts';

export interface ProgramSettings {
  readonly name: string;
  /** A stop takes no longer than this, whatever hangs. */
  readonly stopLimitMs: number;
  /**
   * What to do when whoever reads our output has gone away (`| head`): end the process at once, as
   * a program does that has nothing to lose, or stop as after SIGINT.
   */
  readonly readerGone: 'exit' | 'stop';
  /**
   * Stops when its terminal goes away, whatever started it: for a program that would leave things behind.
   * Services go on under `nohup`, and the pool reads its certificate anew.
   */
  readonly hangupStops?: true;
}

/** What the commands of a program get from here. */
export interface ProgramParts {
  /** Aborts when the program is to stop. */
  readonly signal: AbortSignal;
  /** To be called by a command: the code that the program ends with. */
  readonly end: (code: ExitCode) => void;
}

/** Runs the program with the arguments behind its name. Never rejects. */
export async function runProgram(
  settings: ProgramSettings,
  args: readonly string[],
  create: (parts: ProgramParts) => Command,
): Promise<ExitCode> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  catchSignals(interrupt, settings);
  watchOutput(interrupt, settings);
  let code: ExitCode = EXIT.ok;
  const program = create({
    signal,
    end: (ended) => {
      code = ended;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // After a stop, what fails fails because of it. Not so what could not be kept.
    const stopped = signal.aborted && !(error instanceof StoreError);
    const failed = stopped ? EXIT.interrupted : exitCodeOf(error);
    if (error instanceof CommanderError && error.code === 'commander.help') {
      // Asked for it was printed already; a command that is missing: which there are is all there is to say.
      if (error.exitCode !== 0) commandOf(program, args).outputHelp();
    } else if (failed !== EXIT.ok && failed !== EXIT.interrupted) {
      printError(settings.name, usageText(error, program) ?? errorText(error));
    }
    return failed;
  }
}

/** The command that the arguments name, as deep as they do. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program;
  for (const name of args) {
    command = command.commands.find((each) => each.name() === name) ?? command;
  }
  return command;
}

/** What commander calls too many arguments is, for most people, a command that does not exist. */
function usageText(error: unknown, program: Command): string | undefined {
  if (!(error instanceof CommanderError) || error.code !== 'commander.excessArguments') return;
  const names = program.commands.map((command) => command.name());
  if (names.length === 0) return;
  const unknown = program.args.find((argument) => !names.includes(argument));
  if (unknown === undefined || names.includes(program.args[0] ?? '')) return;
  return `unknown command '${unknown}' (there are: ${names.join(', ')}, help)`;
}

/**
 * The first SIGINT or SIGTERM asks for a graceful stop, which has its time; a second one ends the
 * process at once.
 */
function catchSignals(
  interrupt: AbortController,
  { stopLimitMs, hangupStops }: ProgramSettings,
): void {
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
    // Unreferenced: it must not keep a process that has come to its end.
    setTimeout(() => process.exit(EXIT.interrupted), stopLimitMs).unref();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  if (hangupStops === true) process.on('SIGHUP', onSignal);
}

/**
 * Whoever reads our output may go away: that is no error, and no reason to go on. Output that cannot
 * be written (a full disk) is said once; the work goes on, but the end is no success.
 */
function watchOutput(interrupt: AbortController, { name, readerGone }: ProgramSettings): void {
  let hasFailed = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        if (readerGone === 'exit') process.exit(EXIT.ok);
        interrupt.abort();
        return;
      }
      if (hasFailed) return;
      hasFailed = true;
      printError(name, `output: ${error.message}; going on without it`);
      process.once('exit', (code) => {
        if (code === EXIT.ok) process.exitCode = EXIT.fatal;
      });
    });
  }
}
