import { describe, expect, it } from "vitest";
import type { Diagnostic } from "@lading/core-manifest";
import { CliError } from "../src/lib/cli-error.ts";
import { diagnosticsOf, renderDiagnostic, renderError, toLadingError } from "../src/lib/render/error.ts";
import { renderErrorObject } from "../src/lib/render/error-object.ts";
import { renderOutcome } from "../src/lib/render/output.ts";
import { createEventRenderer, REDRAW_MS } from "../src/lib/render/progress.ts";
import { createStyle, wantsColor } from "../src/lib/render/style.ts";
import { bytes, printable, table } from "../src/lib/render/table.ts";

const plain = createStyle(false);
const source = '[package]\nname = "x"\nversion = "1"\n';
const options = { style: plain, readSource: () => source, verbose: false };

describe("renderError()", () => {
  it("shows code, place, source line, carets, causes and the next step", () => {
    const error = new CliError({
      code: "CLI_FLAG_INVALID",
      message: "Cannot read it",
      hint: "Do this",
      location: { file: "lading.toml", line: 3, column: 11, endLine: 3, endColumn: 14 },
      cause: new Error("outer", { cause: new Error("inner") }),
    });
    expect(renderError(error, options)).toEqual([
      "error[CLI_FLAG_INVALID]: Cannot read it",
      "  --> lading.toml:3:11",
      "   |",
      ' 3 | version = "1"',
      "   |           ^^^",
      "  caused by: outer",
      "  caused by: inner",
      "help: Do this",
    ]);
  });

  it("shows all diagnostics of a manifest with what was found and is allowed", () => {
    const diagnostic: Diagnostic = {
      code: "MANIFEST_KEY_UNKNOWN",
      severity: "error",
      message: "Unknown key",
      location: { file: "a.toml", line: 2, column: 1 },
      key: "nme",
      found: '"nme"',
      allowed: "name, version",
      hint: "Did you mean name?",
    };
    const error = new CliError({
      code: "CLI_FLAG_INVALID",
      message: "Two mistakes",
      diagnostics: [diagnostic, { ...diagnostic, severity: "warning" }],
    });
    expect(diagnosticsOf(error)).toHaveLength(2);
    const lines = renderError(error, { ...options, help: "general help" });
    expect(lines).toContain("error[MANIFEST_KEY_UNKNOWN]: Unknown key");
    expect(lines).toContain("warning[MANIFEST_KEY_UNKNOWN]: Unknown key");
    // What was found is in the line above; only without that line it is said.
    expect(lines).not.toContain('  = found: "nme"');
    expect(renderError(error, { ...options, readSource: () => undefined })).toContain('  = found: "nme"');
    expect(lines.filter((line) => line === "")).toHaveLength(2);
    expect(lines).toContain("  = allowed: name, version");
    expect(lines.at(-1)).toBe("help: general help");
  });

  it("lets no control character of a message reach the terminal", () => {
    const error = new CliError({ code: "CLI_INTERNAL", message: "evil \u001b[31m\u202e\u0007 text" });
    expect(renderError(error, options).join("")).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(printable("a\u009bb")).toBe("a b");
  });

  it("shows the place alone where the file cannot be read", () => {
    const error = new CliError({ code: "CLI_INTERNAL", message: "m", location: { file: "gone", line: 1, column: 1 } });
    expect(renderError(error, { ...options, readSource: () => undefined })).toEqual([
      "error[CLI_INTERNAL]: m",
      "  --> gone:1:1",
    ]);
  });

  it("turns what nobody foresaw into CLI_INTERNAL, with exit code 70 and the stack on request", () => {
    const error = toLadingError(new TypeError("x is not a function"));
    expect([error.code, error.exitCode]).toEqual(["CLI_INTERNAL", 70]);
    expect(renderError(error, { ...options, verbose: true }).join("\n")).toContain("at ");
    expect(toLadingError("text").message).toContain("text");
  });

  it("gives the same facts as JSON and YAML", async () => {
    const error = new CliError({ code: "CLI_FLAG_INVALID", message: "m", hint: "h", flag: "--x" });
    const json = JSON.parse(await renderErrorObject(error, "json")) as object;
    expect(json).toEqual({
      error: {
        code: "CLI_FLAG_INVALID",
        category: "usage",
        message: "m",
        hint: "h",
        details: { flag: "--x" },
        exitCode: 2,
      },
    });
    expect(JSON.parse(await renderErrorObject(error, "ndjson"))).toEqual(json);
    const { parse } = await import("yaml");
    expect(parse(await renderErrorObject(error, "yaml"))).toEqual(json);
  });
});

describe("renderOutcome()", () => {
  const outcome = {
    data: { a: [1, 2], b: undefined, c: "x: y" },
    rows: [{ n: 1 }, { n: 2 }],
    text: () => ["one", "two"],
  };

  it("prints equal content as JSON and YAML, a row a line as NDJSON, lines as text", async () => {
    const { parse } = await import("yaml");
    const json = await renderOutcome(outcome, "json", plain);
    expect(parse(await renderOutcome(outcome, "yaml", plain))).toEqual(JSON.parse(json));
    expect(await renderOutcome(outcome, "ndjson", plain)).toBe('{"n":1}\n{"n":2}\n');
    expect(await renderOutcome(outcome, "text", plain)).toBe("one\ntwo\n");
  });
});

describe("wantsColor()", () => {
  const tty = { isTTY: true };
  it.each([
    ["always", { NO_COLOR: "1" }, {}, true],
    ["never", { FORCE_COLOR: "1" }, tty, false],
    [undefined, { NO_COLOR: "1", FORCE_COLOR: "1" }, tty, false],
    [undefined, { NO_COLOR: "", FORCE_COLOR: "1" }, {}, true],
    [undefined, { FORCE_COLOR: "0" }, tty, false],
    [undefined, {}, tty, true],
    ["auto", { TERM: "dumb" }, tty, false],
    [undefined, {}, {}, false],
  ])("flag %s, environment %j, stream %j: %s", (flag, env, stream, wanted) => {
    expect(wantsColor(flag, env, stream)).toBe(wanted);
  });

  it("createStyle() marks up only where colours are wanted", () => {
    expect(createStyle(true).red("x")).toBe("\u001b[31mx\u001b[39m");
    expect(plain.bold("x")).toBe("x");
  });
});

describe("renderDiagnostic()", () => {
  it("says what was found and is allowed once, although the message ends with both", () => {
    const lines = renderDiagnostic(
      {
        code: "MANIFEST_KEY_UNKNOWN",
        severity: "warning",
        message: 'Cannot read "nme": not known, found "nme", allowed is name, version',
        location: { file: "a.toml", line: 2, column: 1, endLine: 2, endColumn: 5 },
        key: "nme",
        found: '"nme"',
        allowed: "name, version",
      },
      plain,
      () => source,
    );
    expect(lines[0]).toBe('warning[MANIFEST_KEY_UNKNOWN]: Cannot read "nme": not known');
    expect(lines.join("\n").match(/name, version/g)).toHaveLength(1);
  });
});

describe("createEventRenderer()", () => {
  const renderer = (change: { isTTY?: boolean; quiet?: boolean; mode?: "text" | "ndjson"; verbose?: boolean } = {}) => {
    const written: string[] = [];
    let time = 0;
    const { isTTY = false, quiet = false, mode = "text", verbose = false } = change;
    const events = createEventRenderer({
      stream: { write: (text) => written.push(text), isTTY },
      style: plain,
      mode,
      quiet,
      verbose,
      progress: true,
      now: () => time,
    });
    return { events, written, wait: () => (time += REDRAW_MS) };
  };

  it("says once what many warnings of one kind have in common, and each with --verbose", () => {
    for (const [verbose, expected] of [
      [false, 6],
      [true, 40],
    ] as const) {
      const { events, written } = renderer({ verbose });
      for (let index = 0; index < 40; index += 1)
        events.listen({ type: "warning", code: "SIGNATURE_MISSING", message: `p${index} is not signed` });
      events.close();
      expect(written).toHaveLength(expected);
      expect(written.at(-1)).toBe(
        verbose ? "  ⚠ p39 is not signed\n" : "  ⚠ 35 more like this (SIGNATURE_MISSING; --verbose shows each)\n",
      );
    }
  });

  it("prints the three marks as plain lines, and no moving line where there is no terminal", () => {
    const { events, written } = renderer();
    events.listen({ type: "step-started", step: "s", message: "Working" });
    events.listen({ type: "downloading", url: "u", downloadedBytes: 1, totalBytes: 2 });
    events.listen({ type: "step-completed", step: "s", message: "Worked" });
    events.listen({ type: "step-completed", step: "s", message: "1 of 2 passed", failed: true });
    events.listen({ type: "warning", message: "Careful", hint: "look" });
    events.close();
    expect(written).toEqual(["  ✓ Worked\n", "  ✗ 1 of 2 passed\n", "  ⚠ Careful\n    help: look\n"]);
  });

  it("draws a bar on a terminal, at most every 100 ms, and clears it", () => {
    const { events, written, wait } = renderer({ isTTY: true });
    events.listen({ type: "step-started", step: "s", message: "Downloading" });
    events.listen({ type: "downloading", url: "u", downloadedBytes: 512, totalBytes: 1024 });
    expect(written.join("")).not.toContain("[####");
    wait();
    events.listen({ type: "downloading", url: "u", downloadedBytes: 1024, totalBytes: 1024 });
    expect(written.at(-1)).toContain("[####################] 1.0 KiB/1.0 KiB 1/1");
    // A step that never ended has failed.
    events.close();
    expect(written.slice(-2)).toEqual(["\r\u001b[2K", "  ✗ Downloading\n"]);
  });

  it("says nothing when it is to be quiet, and details when verbose", () => {
    const quiet = renderer({ quiet: true });
    quiet.events.listen({ type: "warning", message: "w" });
    quiet.events.listen({ type: "info", message: "i" });
    expect(quiet.written).toEqual([]);
    const verbose = renderer({ verbose: true });
    verbose.events.listen({ type: "debug", scope: "http", message: "GET" });
    verbose.events.listen({ type: "verifying", message: "x 1.0.0" });
    expect(verbose.written.join("")).toContain("debug http: GET");
  });

  it("prints every event as one line of NDJSON with its format version", () => {
    const { events, written } = renderer({ mode: "ndjson" });
    events.listen({ type: "info", message: "a\nb" });
    expect(written.map((line) => JSON.parse(line) as object)).toEqual([{ v: 1, type: "info", message: "a\nb" }]);
  });
});

describe("table() and bytes()", () => {
  it("align columns and round sizes", () => {
    expect(
      table(
        plain,
        ["A", "B"],
        [
          ["long", "x"],
          ["s", "y"],
        ],
      ),
    ).toEqual(["A     B", "long  x", "s     y"]);
    expect(table(plain, ["A"], [])).toEqual([]);
    expect([bytes(1), bytes(1536), bytes(3 * 2 ** 30)]).toEqual(["1 B", "1.5 KiB", "3.0 GiB"]);
  });
});
