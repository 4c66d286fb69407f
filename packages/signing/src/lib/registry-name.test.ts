import { describe, expect, it } from "vitest";
import { namesRegistry } from "./registry-name.ts";

describe("namesRegistry()", () => {
  it.each([
    ["https://r.example/", "https://r.example"],
    ["https://R.example:443/a", "https://r.example/a/"],
    ["http://127.0.0.1:8080/", "http://localhost:8080/"],
    ["http://[::1]:8080/", "http://127.0.0.2:8080/"],
    ["https://r.example/", "https://r.example/private/team/"],
  ])("takes %s for %s", (named, address) => {
    expect(namesRegistry(named, address)).toBe(true);
  });

  it.each([
    ["https://r.example/", "https://other.example/"],
    ["https://r.example/", "http://r.example/"],
    ["https://r.example/a/", "https://r.example/ab/"],
    ["https://r.example/a/", "https://r.example/"],
    ["http://localhost:8080/", "http://localhost:8081/"],
    ["https://r.example.evil.test/", "https://r.example/"],
    ["no address", "no address"],
  ])("does not take %s for %s", (named, address) => {
    expect(namesRegistry(named, address)).toBe(false);
  });
});
