/** One setting of the server: how it is spelled everywhere, what it may be, what it is by default. */
export interface Setting {
  /** Key in the TOML file, dotted. */
  readonly key: string;
  /** Environment variables, first wins. */
  readonly variables: readonly string[];
  /** Command-line flag, without dashes. */
  readonly flag: string;
  readonly kind: "text" | "boolean" | "number" | "size" | "duration" | "choice" | "list" | "url";
  /** Allowed values of a choice. */
  readonly choices?: readonly string[];
  /** As it would be written; absent: not set. */
  readonly default?: string;
  readonly summary: string;
  /** Shown masked. */
  readonly secret?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The value is the opposite of the setting that it is an alias of. */
  readonly negates?: string;
}

/** A value as the server uses it: sizes in bytes, durations in milliseconds. */
export type SettingValue = string | number | boolean | readonly string[];

/** Settings by key, as they came out. */
export interface ConfigValues {
  has(key: string): boolean;
  origin(key: string): string;
  text(key: string): string;
  boolean(key: string): boolean;
  number(key: string): number;
  list(key: string): readonly string[];
}
