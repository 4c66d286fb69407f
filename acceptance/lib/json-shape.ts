/** The part of JSON Schema (draft 2020-12) that results of commands are described in. */
export interface Shape {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  /** Values of an object that is a map. */
  readonly additionalProperties?: Shape;
}

/** The shape of a value. Keys of the value itself are required, those further inside are not: one value is no proof. */
export function shapeOf(value: unknown, options: { readonly map?: boolean; readonly inner?: boolean } = {}): Shape {
  if (value === null) return { type: "null" };
  if (Array.isArray(value)) {
    const items = value.map((item) => shapeOf(item, { inner: true })).reduce<Shape | undefined>(mergeShapes, undefined);
    return { type: "array", ...(items === undefined ? {} : { items }) };
  }
  if (typeof value !== "object") return { type: Number.isInteger(value) ? "integer" : typeof value };
  const properties = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, shapeOf(inner, { inner: true })]),
  );
  if (options.map === true) {
    const merged = Object.values(properties).reduce<Shape | undefined>(mergeShapes, undefined);
    return { type: "object", ...(merged === undefined ? {} : { additionalProperties: merged }) };
  }
  return {
    type: "object",
    properties,
    ...(options.inner === true ? {} : { required: Object.keys(properties).sort() }),
  };
}

/** What both shapes describe. */
export function mergeShapes(left: Shape | undefined, right: Shape): Shape {
  if (left === undefined) return right;
  const type = [...new Set([left.type ?? [], right.type ?? []].flat())].sort();
  const keys = [...new Set([...Object.keys(left.properties ?? {}), ...Object.keys(right.properties ?? {})])].sort();
  const properties = Object.fromEntries(
    keys.map((key) => {
      const [mine, other] = [left.properties?.[key], right.properties?.[key]];
      return [key, other === undefined ? mine! : mergeShapes(mine, other)];
    }),
  );
  const items = right.items === undefined ? left.items : mergeShapes(left.items, right.items);
  const values =
    right.additionalProperties === undefined
      ? left.additionalProperties
      : mergeShapes(left.additionalProperties, right.additionalProperties);
  const required = left.required?.filter((key) => right.required?.includes(key));
  return {
    type: type.length === 1 ? type[0]! : type,
    ...(keys.length === 0 ? {} : { properties }),
    ...(required === undefined ? {} : { required }),
    ...(items === undefined ? {} : { items }),
    ...(values === undefined ? {} : { additionalProperties: values }),
  };
}

/** Where a value is not what a shape says: unknown keys, missing ones, other types. */
export function deviations(value: unknown, shape: Shape | undefined, place = "$"): string[] {
  if (shape === undefined) return [`${place}: not described`];
  const type = shapeOf(value).type as string;
  const allowed = [shape.type ?? []].flat();
  if (!allowed.includes(type) && !(type === "integer" && allowed.includes("number")))
    return [`${place}: ${type}, described is ${allowed.join(" or ")}`];
  if (Array.isArray(value)) return value.flatMap((item, index) => deviations(item, shape.items, `${place}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  const missing = (shape.required ?? []).filter((key) => !(key in value)).map((key) => `${place}.${key}: missing`);
  const inside = Object.entries(value).flatMap(([key, inner]) =>
    deviations(inner, shape.additionalProperties ?? shape.properties?.[key], `${place}.${key}`),
  );
  return [...missing, ...inside];
}
