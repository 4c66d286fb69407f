/** What running one file of vectors gave. */
export interface SuiteResult {
  /** `ed25519`, `dsse`, `archives`, `resolver`. */
  readonly suite: string;
  /** The form that the content has: `wycheproof`, `cctv`, ... */
  readonly form: string;
  readonly file: string;
  readonly passed: number;
  /** One line for each case that did not give what the file, or the rule, demands. */
  readonly failures: readonly string[];
  /** Short remark for people: "43 of 914 accepted". */
  readonly note?: string;
  /** What goes to stdout as JSON when the suite is run alone. */
  readonly data: unknown;
}

/** A file whose form no suite knows. */
export class UnknownFormError extends Error {
  constructor(file: string, known: string) {
    super(`Cannot run "${file}": its form is not known; known are ${known}`);
    this.name = "UnknownFormError";
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether every one of the first items of a list has these members, as strings. */
export function isListOf(value: unknown, members: readonly string[]): value is readonly Record<string, string>[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((item) => isObject(item) && members.every((member) => typeof item[member] === "string"))
  );
}

export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
