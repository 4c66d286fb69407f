import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRegistries, registryConfig, renderRegistries } from "./registries-file.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { canonicalRegistryUrl, redactUrl } from "./registry-url.ts";

const DOCUMENT = `default_registry = "default"

[registries.default]
name = "default"
url = "https://registry.gal-lang.example"
auth_type = "Token"
verify_signatures = true
allow_insecure = false
timeout_seconds = 30
max_retries = 3

[registries.company]
name = "company"
url = "https://packages.company.example"
auth_type = "Token"
verify_signatures = true
public_keys = ["..."]
trusted_publishers = ["company-team"]
`;

describe("parseRegistries()", () => {
  it("reads the file of GAL's document as it is written, with defaults for what is not there", () => {
    const file = parseRegistries(DOCUMENT, "registries.toml");
    expect(file.defaultRegistry).toBe("default");
    expect(file.fallback).toEqual([]);
    expect(file.registries).toEqual([
      registryConfig({ name: "default", url: "https://registry.gal-lang.example/" }),
      registryConfig({
        name: "company",
        url: "https://packages.company.example/",
        publicKeys: ["..."],
        trustedPublishers: ["company-team"],
      }),
    ]);
    expect(file.registries[1]).toMatchObject({
      authType: "token",
      timeoutMs: 30_000,
      maxRetries: 3,
      allowInsecure: false,
      verifySignatures: true,
    });
  });

  it.each([
    ['default-registry = "a"\n[registries.a]\nurl = "https://a.example"', "a"],
    ['[registries.only]\nurl = "https://a.example"', "only"],
    ["", "default"],
  ])("knows the default registry of %j", (text, name) => {
    expect(parseRegistries(text, "f").defaultRegistry).toBe(name);
  });

  it("reads every key, auth_type in any case, and the order of fallbacks", () => {
    const text =
      'default_registry = "a"\nfallback = ["b"]\n[registries.a]\nurl = "https://a.example"\nauth_type = "BASIC"\ntimeout_seconds = 1.5\nmax_retries = 0\nstale_days = 30\nca_file = "ca.pem"\nproxy = "http://p:1"\n[registries.b]\nurl = "file:///srv/b"\nauth_type = "none"\n';
    const file = parseRegistries(text, "f");
    expect(file.fallback).toEqual(["b"]);
    expect(file.registries).toMatchObject([
      {
        authType: "basic",
        timeoutMs: 1500,
        maxRetries: 0,
        staleMs: 30 * 86_400_000,
        caFile: "ca.pem",
        proxy: "http://p:1",
      },
      { authType: "none", url: "file:///srv/b/" },
    ]);
    expect(parseRegistries(renderRegistries(file), "f")).toEqual(file);
  });

  it.each<[string, number, string]>([
    ["a = [", 1, "as TOML"],
    ["nonsense = 1", 1, 'allowed are "default_registry"'],
    ['\n[registries.a]\nurl = "https://a.example"\nverify_signature = false', 4, '"registries.a.verify_signature"'],
    ['[registries.a]\nurl = "https://a.example"\ntimeout_seconds = "30"', 3, 'it is "30", allowed is a number from'],
    ['[registries.a]\nurl = "https://a.example"\nmax_retries = 1.5', 3, "a whole number from 0 to 20"],
    ['[registries.a]\nurl = "https://a.example"\n# comment\nallow_insecure = "yes"', 4, "true or false"],
    ['[registries.a]\nurl = "https://a.example"\nauth_type = "oauth2"', 3, 'allowed are "Token", "Basic" and "None"'],
    ['[registries.a]\nurl = "https://a.example"\npublic_keys = [1]', 3, "an array of strings"],
    ['[registries.a]\nurl = "registry.example"', 2, "not an absolute URL"],
    ['[registries.a]\nurl = "https://user:pw@a.example"', 2, "user name or password"],
    ['[registries.a]\nname = "b"\nurl = "https://a.example"', 2, 'allowed is the name of its table, "a"'],
    ['\n[registries.a]\nname = "a"', 2, '"url" is missing'],
    ['default_registry = "x"\n[registries.a]\nurl = "https://a.example"', 1, 'configured are "a"'],
    ['fallback = ["x"]\n[registries.a]\nurl = "https://a.example"', 1, 'configured are "a"'],
    ['[registries."a b"]\nurl = "https://a.example"', 1, "may hold only letters"],
    ["registries = 3", 1, "a table"],
  ])("refuses %j with its line", (text, line, problem) => {
    const error = thrownBy(() => parseRegistries(text, "registries.toml"));
    expect(error).toMatchObject({
      code: "REGISTRY_CONFIG_INVALID",
      exitCode: 2,
      location: { file: "registries.toml", line },
    });
    expect((error as Error).message).toContain(problem);
    expect(JSON.stringify(error)).not.toContain("pw@");
  });

  it("throws nothing but its own error, whatever the text", () => {
    const words = fc.constantFrom(
      "[registries.a]",
      "url",
      "=",
      '"https://a.example"',
      "timeout_seconds",
      "3",
      "true",
      "\n",
      "[",
      "]",
      '"',
      "a",
      ".",
      "default_registry",
      "#",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((items) => items.join(" ")),
        ),
        (text) => {
          const error = thrownBy(() => parseRegistries(text, "f"));
          return error === undefined || error instanceof RegistryClientError;
        },
      ),
    );
  });

  it.each([
    ['witnesses = ["no key"]', "no key of a witness"],
    ['witnesses = ["w.example+0123abcd+AAAA"]\nwitness_threshold = 2', "whole number from 1 to 1"],
  ])("refuses %s", (line, problem) => {
    const text = `[registries.a]\nname = "a"\nurl = "https://a.example"\n${line}\n`;
    expect(() => parseRegistries(text, "f")).toThrow(problem);
  });

  it("reads back what renderRegistries() writes", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/);
    const registry = fc.record({
      name,
      url: fc.stringMatching(/^[a-z]{1,9}(\/[a-z]{1,5})?$/).map((text) => canonicalRegistryUrl(`https://${text}`)),
      authType: fc.constantFrom("token", "basic", "none"),
      verifySignatures: fc.boolean(),
      allowInsecure: fc.boolean(),
      timeoutMs: fc.integer({ min: 1, max: 1_000_000 }),
      maxRetries: fc.integer({ min: 0, max: 20 }),
      publicKeys: fc.array(fc.string(), { maxLength: 3 }),
      trustedPublishers: fc.array(fc.string(), { maxLength: 3 }),
      witnesses: fc.constantFrom([], ["w.example+0123abcd+AAAA"]),
      aliases: fc.array(fc.webUrl({ validSchemes: ["https"] }).map(canonicalRegistryUrl), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(registry, { selector: (item) => item.name, minLength: 1, maxLength: 4 }),
        (registries) => {
          const file = {
            defaultRegistry: registries[0]!.name,
            fallback: registries.slice(1).map((item) => item.name),
            registries,
          };
          expect(parseRegistries(renderRegistries(file), "f")).toEqual(file);
        },
      ),
    );
  });
});

describe("canonicalRegistryUrl()", () => {
  it.each([
    ["HTTPS://Registry.Example.ORG:443", "https://registry.example.org/"],
    ["https://a.example/x/../team", "https://a.example/team/"],
    ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/"],
    ["file:///srv/registry", "file:///srv/registry/"],
  ])("makes %s into %s", (text, url) => {
    expect(canonicalRegistryUrl(text)).toBe(url);
    expect(canonicalRegistryUrl(url)).toBe(url);
  });

  it.each([
    "",
    "a.example",
    "ftp://a.example",
    "https://u@a.example",
    "https://a.example/?q",
    "https://a.example/#f",
    "file://host/share",
    "javascript:alert(1)",
  ])("refuses %j", (text) => {
    expect(thrownBy(() => canonicalRegistryUrl(text))).toMatchObject({ code: "REGISTRY_URL_INVALID" });
  });

  it("is never shown with its secrets", () => {
    expect(redactUrl("https://user:pw@a.example/x?token=1#f")).toBe("https://a.example/x");
    expect(redactUrl("not a url //user:pw@host")).not.toContain("pw");
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}
