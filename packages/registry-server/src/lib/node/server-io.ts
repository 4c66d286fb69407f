/** What the process gives: streams, environment, signals. */
export interface ServerIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  err(text: string): void;
  /** All of standard input, for `--password-stdin`. */
  readInput(): Promise<string>;
  /** Resolves when the process is asked to end (SIGTERM, SIGINT). */
  untilAskedToEnd(): Promise<string>;
  /** Calls `listener` whenever the process is asked to read its configuration again (SIGHUP), until the function that it returns is called. */
  onReload(listener: () => void): () => void;
}
