import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSimplePage } from "../src/lib/simple-index.ts";

const PAGE = "https://internal.company.com/simple/private-package/";
const HEX = "a".repeat(64);

describe("parseSimplePage()", () => {
  test("reads anchors with relative addresses, digests, entities and withdrawal", () => {
    const html = `<!DOCTYPE html><html><body>
      <a href="../../files/private-package-1.0.0.tar.gz#sha256=${HEX}">private-package-1.0.0.tar.gz</a><br/>
      <A class='x' data-requires-python="&gt;=3.8" HREF='https://cdn.example.com/p%2B1.tar.gz?a=1&amp;b=2'>p+1.tar.gz</A>
      <a href="gone.tar.gz" data-yanked="broken &amp; slow">gone.tar.gz</a>
      <a href="also.tar.gz" data-yanked>also.tar.gz</a>
      <a name="no-address">nothing</a></body></html>`;
    expect(parseSimplePage(html, "text/html; charset=utf-8", PAGE)).toEqual([
      {
        url: "https://internal.company.com/files/private-package-1.0.0.tar.gz",
        filename: "private-package-1.0.0.tar.gz",
        sha256: HEX,
      },
      { url: "https://cdn.example.com/p%2B1.tar.gz?a=1&b=2", filename: "p+1.tar.gz" },
      { url: `${PAGE}gone.tar.gz`, filename: "gone.tar.gz", yanked: "broken & slow" },
      { url: `${PAGE}also.tar.gz`, filename: "also.tar.gz", yanked: "" },
    ]);
  });

  test("reads JSON, and leaves out what has no address", () => {
    const files = [
      { url: "p-1.tar.gz", filename: "p-1.tar.gz", hashes: { sha256: HEX }, yanked: false },
      { url: "p-2.tar.gz", filename: "p-2.tar.gz", hashes: { md5: "x" }, yanked: "bad" },
      { filename: "p-3.tar.gz" },
      null,
    ];
    expect(parseSimplePage(JSON.stringify({ files }), "application/vnd.pypi.simple.v1+json", PAGE)).toEqual([
      { url: `${PAGE}p-1.tar.gz`, filename: "p-1.tar.gz", sha256: HEX },
      { url: `${PAGE}p-2.tar.gz`, filename: "p-2.tar.gz", yanked: "bad" },
    ]);
  });

  test("never throws, and never gives an address that is none", () => {
    const html = fc.string({
      unit: fc.constantFrom("<a ", "href", "=", '"', "'", ">", "</a>", "#sha256=", "x", "&amp;", " ", "data-yanked"),
    });
    fc.assert(
      fc.property(html, fc.json(), (page, value) => {
        for (const file of [...parseSimplePage(page, "text/html", PAGE), ...parseSimplePage(value, "x/json", PAGE)]) {
          expect(URL.canParse(file.url)).toBe(true);
        }
      }),
    );
  });
});
