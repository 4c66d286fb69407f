import { RegistryError } from "../registry-error.ts";
import { SETTINGS } from "./server-settings.ts";

/** A parsed command line. */
export interface CommandLine {
  readonly words: readonly string[];
  /** Flags by name without dashes; a switch is `"true"`. */
  readonly flags: Readonly<Record<string, string>>;
}

const SWITCHES: ReadonlySet<string> = new Set([
  "help",
  "version",
  "print-config",
  "admin",
  "password-stdin",
  "dry-run",
  "apply",
]);
const VALUES: ReadonlySet<string> = new Set([
  "config",
  "email",
  "scopes",
  "packages",
  "cidr",
  "days",
  "token-name",
  "root-keys",
  "threshold",
  "expires-days",
  "key",
  "out",
  "tree",
  "from",
  "to",
  "root",
  "only",
  "list",
  "since",
  "until",
  "actor",
  "package",
  "action",
  "format",
  "max-age",
]);

function unknownFlag(name: string): RegistryError {
  return new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use flag "--${name.slice(0, 60)}": it is unknown`,
    hint: "lading-registry --help lists every flag",
  });
}

function kindOf(name: string): "switch" | "boolean" | "value" {
  if (SWITCHES.has(name)) return "switch";
  const setting = SETTINGS.find(({ flag }) => flag === name);
  if (setting !== undefined) return setting.kind === "boolean" ? "boolean" : "value";
  if (VALUES.has(name)) return "value";
  throw unknownFlag(name);
}

/**
 * Splits arguments into words and flags: `--name value`, `--name=value`, switches alone.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID` for an unknown flag or one without its value
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const words: string[] = [];
  const flags: Record<string, string> = {};
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at]!;
    if (argument === "-h") flags["help"] = "true";
    else if (!argument.startsWith("--")) words.push(argument);
    else {
      const equals = argument.indexOf("=");
      const name = argument.slice(2, equals === -1 ? undefined : equals);
      const kind = kindOf(name);
      if (equals !== -1) flags[name] = argument.slice(equals + 1);
      else if (kind !== "value") flags[name] = "true";
      else if (at + 1 < argv.length) flags[name] = argv[(at += 1)]!;
      else
        throw new RegistryError({
          code: "SERVER_CONFIG_INVALID",
          message: `Cannot use flag "--${name}": it needs a value`,
        });
    }
  }
  return { words, flags };
}
