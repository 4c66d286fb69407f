/** Marks up text for people; the identity where colours are off. */
export interface Style {
  readonly colored: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

type Format = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const same = (text: string): string => text;
const PLAIN: Style = { colored: false, bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };

/** A style that colours, or one that leaves every text as it is. */
export function createStyle(colored: boolean): Style {
  if (!colored) return PLAIN;
  // As a module, node:util loads a dozen others that nobody asked for.
  const { styleText } = process.getBuiltinModule("node:util");
  const mark = (format: Format) => (text: string) => styleText(format, text, { validateStream: false });
  return {
    colored,
    bold: mark("bold"),
    dim: mark("dim"),
    red: mark("red"),
    green: mark("green"),
    yellow: mark("yellow"),
    cyan: mark("cyan"),
  };
}

/** Whether to colour: a flag beats NO_COLOR (https://no-color.org), which beats FORCE_COLOR, which beats the terminal. */
export function wantsColor(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  stream: { readonly isTTY?: boolean | undefined },
): boolean {
  if (flag === "always") return true;
  if (flag === "never") return false;
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  if (env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "") return env["FORCE_COLOR"] !== "0";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}
