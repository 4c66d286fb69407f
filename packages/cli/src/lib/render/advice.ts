import type { Route } from "../spec.ts";

/** As many words as any command has. */
const COMMAND_WORDS = 3;
/** From the word "run" to the end of its sentence. */
const ASKING = /\b[Rr]un:? .*?(?:\.(?=\s)|$)/gs;
// A name in quotes, such as that of a registry "test", follows another word.
const QUOTED = /(?<=\b(?:run:?|or|and|then) )(["`])([^"`\n]+)\1/gi;

/** A program and what can be typed after its name. */
export interface Program {
  readonly bin: string;
  readonly routes: readonly Route[];
}

/**
 * Writes the commands that a hint asks to run as they are typed: libraries know them by our own words, and `Run "lock"`
 * is `Run "attune pack lock"` to whoever has that program. `programs` are the one that runs and the others of its
 * ecosystem, which may have what it has not; a command that none of them has stays as it is.
 */
export function advise(hint: string, programs: readonly Program[]): string {
  const typed = (line: string): string | undefined => {
    const words = line.split(" ");
    // The command in as many words as possible: `registry add` before `registry`.
    for (let count = Math.min(words.length, COMMAND_WORDS); count > 0; count -= 1) {
      const command = words.slice(0, count).join(" ");
      for (const { bin, routes } of programs) {
        const route = routes.find((one) => one.command === command && !one.hidden);
        if (route !== undefined) return `${bin} ${route.words}${line.slice(command.length)}`;
      }
    }
    return undefined;
  };
  return hint.replaceAll(ASKING, (sentence) =>
    sentence.replaceAll(QUOTED, (whole: string, quote: string, line: string) => {
      const found = typed(line);
      return found === undefined ? whole : `${quote}${found}${quote}`;
    }),
  );
}
