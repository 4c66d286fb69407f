import { ROUTES } from "../src/lib/router.ts";

/** The fewest words that a command takes, with `--dry-run`. */
export async function wordsFor(words: string): Promise<readonly string[]> {
  const { command } = await ROUTES[words]!.load();
  const needed = (command.arguments ?? []).filter(({ optional }) => optional !== true);
  return [...words.split(" "), "--dry-run", ...needed.map(({ pair }) => (pair === true ? "x/y" : "x"))];
}
