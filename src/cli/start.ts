/**
 * The first step of every program: looking at the Node it runs on. On an older one the real program
 * could not even be loaded, and the user would see a stack trace instead of the reason. So this file
 * imports nothing, and is written in what every Node with ES modules understands.
 */
const NEEDED_MAJOR = 24;

export interface StartedProgram {
  readonly name: string;
  /** How to start it with a Node that is new enough: the end of the sentence "start it with …". */
  readonly instead: string;
  /** Loads the program; what it gives is called with the arguments behind the program's name. */
  load(): Promise<(args: readonly string[]) => Promise<number>>;
}

/** Runs the program and sets the exit code of the process. */
export async function startProgram({ name, instead, load }: StartedProgram): Promise<void> {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= NEEDED_MAJOR) {
    const run = await load();
    process.exitCode = await run(process.argv.slice(2));
    return;
  }
  process.stderr.write(
    `${name} needs Node ${NEEDED_MAJOR} or newer, this is ${node}: start it with ${instead}\n`,
  );
  process.exitCode = 2;
}
