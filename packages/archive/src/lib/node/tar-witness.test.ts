import { describe, expect, it } from "vitest";
import { buildTar } from "../testing/build-tar.ts";
import { compareMembers, TarWitness } from "./tar-witness.ts";

const members = [
  { path: "a", size: 1 },
  { path: "b", size: 2 },
];

describe("compareMembers()", () => {
  it.each([
    [
      "another path",
      [
        { path: "a", size: 1 },
        { path: "c", size: 2 },
      ],
    ],
    [
      "another size",
      [
        { path: "a", size: 1 },
        { path: "b", size: 3 },
      ],
    ],
    ["fewer", [{ path: "a", size: 1 }]],
    ["more", [...members, { path: "c", size: 0 }]],
  ])("refuses what the second reader sees otherwise: %s", (_, theirs) => {
    expect(() => compareMembers(members, theirs)).toThrow(
      expect.objectContaining({ code: "ARCHIVE_PARSERS_DISAGREE" }),
    );
    expect(() => compareMembers(members, [...members])).not.toThrow();
  });
});

describe("TarWitness", () => {
  it("refuses what tar-stream cannot read", async () => {
    const witness = new TarWitness();
    await witness.push(buildTar([{ name: "a", fields: { checksum: "0000001" } }]));
    await expect(witness.compare([])).rejects.toMatchObject({ code: "ARCHIVE_PARSERS_DISAGREE" });
  });
});
