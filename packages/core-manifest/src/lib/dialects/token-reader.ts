/** Tokens of a condition, read from the front. */
export class TokenReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** The next token, which stays. */
  get next(): string | undefined {
    return this.#tokens[this.#at];
  }

  /** The next token, which is read with it. */
  read(): string | undefined {
    return this.#tokens[this.#at++];
  }

  /** Whether the next token is this one; reads it if so. */
  take(expected: string): boolean {
    const isThere = this.next === expected;
    if (isThere) this.#at++;
    return isThere;
  }
}
